# What the listings tell, and what must not be believed: rows without counts, rows that are missing in one listing, many
# that are missing at once, vhosts that stop or go, streams, clusters, hostile names.
use strict;
use warnings;
use utf8;
use Encode qw(encode_utf8);
use Cloudsat::Guardian;
use Cloudsat::Test qw(:DEFAULT !sql);
use Test::More;

my $node = new_node('rows');
my $fake = Cloudsat::FakeBroker->start;
sub sql { return Encode::decode_utf8(Cloudsat::Test::sql(encode_utf8($_[0]))) }
my $all = 'queues, changed, events';
# what one poll asks for
sub asked {
	my $before = $fake->seen->{total};
	poll();
	my $seen = $fake->seen;
	my $count = $seen->{total} - $before;
	return map { (split ' ')[1] } @{ $seen->{last} }[ -$count .. -1 ];
}

my $metrics = 0;
sub by_metrics {
	$metrics = 1;
	return sql(qq{ALTER SERVER pulse OPTIONS (ADD metrics_url '${\ $fake->metrics_url }')});
}

sql($fake->server_sql('pulse', timeout => '20s', enforce => 'on'));
$fake->tell('/queues', { count => 5, prefix => 'q', messages => 1 });
is(poll($all), '5|5|5', 'five queues appear');
is(poll($all), '5|0|0', 'and nothing is written while nothing changes');
is(sql(q{SELECT count(*) FROM cloudsat.queue_history}), '5', 'one sample each');
$fake->queue('q-0', messages => 2);
is(poll($all), '5|1|0', 'one changes');
is(sql(q{SELECT count(*), max(messages) FROM cloudsat.queue_history WHERE name = 'q-0'}), '2|2', 'which is one more sample');
is(column('q-0', 'type, durable, exclusive, auto_delete, arguments, state, messages, ready, unacknowledged, size_source'),
	'classic|t|f|f|{}|running|2|2|0|totals', 'its facts');
is(column('q-0', 'consumers, memory'), '|', 'what is not told is null');

# --- rows without counts keep the last number
$fake->queue('q-0', messages => 7, omit => [qw(messages messages_ready messages_unacknowledged)]);
is(poll($all), '5|0|0', 'a row without counts changes nothing');
is(column('q-0', 'messages'), '2', 'and keeps the last one');
$fake->queue('new', omit => [qw(messages messages_ready messages_unacknowledged state)]);
poll();
is(column('new', 'messages IS NULL, state IS NULL OR state = \'live\''), 't|t', 'a new queue without counts has none');
for my $odd ('"12"', '-1', '1.5', 'null', '18446744073709551615', '[]') {
	$fake->queue('q-1', set => { messages => JSON::PP->new->allow_nonref->decode($odd) });
	poll();
	is(column('q-1', 'messages'), '1', "messages: $odd is no count");
}

# --- missing in one listing
$fake->queue('q-2', messages => 1, hide => ['totals']);
poll();
is(column('q-2', 'gone_at, size_source, messages'), '||1', 'missing in totals only: still there, without a size');
ok(!(grep { /arguments/ } asked()), 'and no reason to read the names again and again');
$fake->queue('q-2', messages => 1, hide => []);
poll();
is(column('q-2', 'size_source'), 'totals', 'until it is back');
$fake->queue('q-2', messages => 1, hide => [ 'totals', 'nostats' ]);
poll();
is(column('q-2', 'gone_at IS NOT NULL'), 't', 'missing in both: gone');
is(sql(q{SELECT count(*) FROM cloudsat.queue_events WHERE event = 'vanished'}), '1', 'one event');
$fake->tell('/unqueue', { name => 'q-2' });

# --- many at once
$fake->tell('/queues', { count => 60, prefix => 'many', messages => 1 });
poll();
$fake->tell('/unqueue', { name => "many-$_" }) for 0 .. 59;
poll();
is(sql(q{SELECT count(*) FROM cloudsat.queues WHERE name LIKE 'many%' AND gone_at IS NOT NULL}), '0', 'too many at once are not believed');
is(sql(q{SELECT missing, missing_polls FROM cloudsat.polls}), '60|1', 'but noted');
poll();
poll();
is(sql(q{SELECT missing, missing_polls FROM cloudsat.polls}), '60|3', 'poll after poll');
sql(q{UPDATE cloudsat.polls SET missing_since = missing_since - interval '1 min'});
poll();
is(sql(q{SELECT count(*) FROM cloudsat.queues WHERE name LIKE 'many%' AND gone_at IS NOT NULL}), '60', 'a minute and three polls later they are gone');
is(sql(q{SELECT missing, missing_polls, missing_since FROM cloudsat.polls}), '0|0|', 'and no more is missing');

# --- vhosts
$fake->tell('/vhost', { name => 'a/b c%' });
$fake->queue('in', vhost => 'a/b c%', messages => 3);
poll();
is(column('in', 'vhost, messages'), 'a/b c%|3', 'a vhost with slashes');
$fake->tell('/vhost', { name => 'a/b c%', state => 'stopped' });
$fake->queue('in', vhost => 'a/b c%', messages => 0);
poll();
is(column('in', 'messages'), '3', 'a vhost that is stopped tells zeros, which are not believed');
$fake->tell('/vhost', { name => 'a/b c%', state => 'running' });
$fake->behave('/api/vhosts', 'raw', body => '[{"name":"/"}]', type => 'application/json');
$fake->behave('/api/queues/a%2Fb%20c%25', 'status', prefix => 1, code => 401);
poll();
is(column('in', 'gone_at'), '', 'a vhost that we may not see any more is not gone');
is(sql(q{SELECT last_error_kind, consecutive_failures FROM cloudsat.polls}), 'unauthorized|1', 'but a fault');
$fake->behave_well;
$fake->behave('/api/vhosts', 'raw', body => '[{"name":"/"}]', type => 'application/json');
$fake->behave('/api/queues/a%2Fb%20c%25', 'status', prefix => 1, code => 404);
poll();
is(column('in', 'gone_at'), '', 'nor for a while after it, should it be neither listed nor found');
sql(q{UPDATE cloudsat.polls SET up_since = NULL});
poll();
is(column('in', 'gone_at IS NOT NULL'), 't', 'one that is neither listed nor found is gone, with its queues');
$fake->behave_well;
poll();
is(column('in', 'gone_at'), '', 'and may come back');
sql(q{UPDATE cloudsat.polls SET up_since = NULL}); # else decisions wait
sql(q{ALTER SERVER pulse OPTIONS (ADD vhosts '^/$')});
$fake->queue('in', vhost => 'a/b c%', messages => 8);
poll();
is(column('in', 'gone_at, messages'), '|0', 'a vhost that is not watched is left as it is');
sql(q{ALTER SERVER pulse OPTIONS (DROP vhosts)});

# --- streams have no size in totals
$fake->queue('log', type => 'stream', messages => 12345);
poll();
is(column('log', 'type, messages, size_source'), 'stream|12345|statistics', 'a stream\'s size is asked for by itself');
is(poll($all) =~ s/^\d+//r, '|0|0', 'and is no change when it is none');

# --- hostile names
my @names = (q{it's "q"}, "two\nlines", '%00%2F', 'ü€😀', "a\\b", '..', '%s%n$1', 'x' x 255, '€' x 85, "tab\tbell\a", '</script>', q{E'\\x'});
for my $i (0 .. $#names) { $fake->queue($names[$i], messages => 100 + $i) }
poll();
for my $i (0 .. $#names) {
	my $literal = join '||', map { 'chr(' . ord($_) . ')' } split //, $names[$i];
	is(sql("SELECT messages FROM cloudsat.queues WHERE name = $literal"), 100 + $i, "the queue called " . $names[$i] =~ s/[^ -~]/?/gr);
}
$fake->queue("nul\0x", messages => 1);
poll();
is(column('nul%00x (percent-encoded)', 'messages'), 1, 'a name with a NUL has a text that tells so');
is(sql('SELECT unusable, consecutive_failures FROM cloudsat.polls'), '0|0', 'and nothing is left out');
$fake->tell('/unqueue', { name => "nul\0x" });
my $owner = q{queue/o'hara@example.com/it's};
$fake->queue($owner, messages => 5000);
$fake->queue("queue/eve\@example.com/x\nFrom: root", messages => 5000);
poll() for 1 .. 2;
is(sql(q{SELECT chan FROM cloudsat.messages WHERE message LIKE '%hara%'}), q{o'hara@example.com}, 'an owner with a quote is warned');
is(sql(q{SELECT strpos(message, '"queue/eve@example.com/x\u000aFrom: root"') > 0 FROM cloudsat.messages WHERE message LIKE '%eve@example.com%'}), 't',
	'a name cannot break a line of the message');

# --- bindings
$fake->tell('/bindings', { vhost => '/', bindings => [
	{ source => 'amq.topic', destination => 'q-1', routing_key => 'a.#' },
	{ source => 'amq.headers', destination => 'q-1', routing_key => '', arguments => { 'x-match' => 'all', b => 1 } },
	{ source => 'amq.topic', destination => 'elsewhere', destination_type => 'exchange', routing_key => 'x' } ] });
sql('UPDATE cloudsat.polls SET bindings_at = NULL');
poll();
is(sql(q{SELECT string_agg(source || ' ' || routing_key || ' ' || arguments, ', ' ORDER BY source) FROM cloudsat.bindings WHERE queue = 'q-1'}),
	'amq.headers  {"b": 1, "x-match": "all"}, amq.topic a.# {}', 'bindings of queues are kept');
is(sql(q{SELECT count(*) FROM cloudsat.bindings WHERE source = '' OR queue = 'elsewhere'}), '0', 'those of exchanges are not, nor the default');
my $first = sql(q{SELECT min(ctid) FROM cloudsat.bindings});
sql('UPDATE cloudsat.polls SET bindings_at = NULL');
poll();
is(sql(q{SELECT min(ctid) FROM cloudsat.bindings}), $first, 'what is the same is not written again');
$fake->tell('/bindings', { vhost => '/', bindings => [ { source => 'amq.topic', destination => 'q-1', routing_key => 'b' } ] });
sql('UPDATE cloudsat.polls SET bindings_at = NULL');
poll();
is(sql(q{SELECT string_agg(routing_key, ' ') FROM cloudsat.bindings WHERE queue = 'q-1'}), 'b', 'what is gone is gone');

# --- metrics
by_metrics();
poll();
is(column('q-1', 'size_source'), 'totals', 'before 3.12 names are not escaped in the metrics: one bad name, and totals are read as well');
is(sql('SELECT unusable > 0, consecutive_failures FROM cloudsat.polls'), 't|0', 'which is counted and no fault');
$fake->tell('/settings', { escape => JSON::PP::true });
poll() for 1 .. 2;
is(column('q-1', 'size_source, messages'), 'metrics|1', 'sizes from metrics');
is(column('log', 'size_source, messages'), 'metrics|12345', 'a stream\'s too');
is(poll($all) =~ s/^\d+//r, '|0|0', 'nothing changes, nothing is written');
is(scalar(grep { m{/api/queues} } asked()), 0, 'and the management API is asked for the vhosts only');
$fake->queue('fresh', messages => 4);
poll();
is(column('fresh', 'messages, durable, type'), '4|t|classic', 'a new queue is looked up by name');
$fake->tell('/unqueue', { name => 'fresh' });
poll();
is(column('fresh', 'gone_at IS NOT NULL'), 't', 'one that is gone in both is gone');
$fake->queue('there', messages => 5, hide => ['metrics']);
sql('UPDATE cloudsat.polls SET names_at = NULL'); # all names are read every few minutes
poll();
is(column('there', 'messages, size_source'), '5|totals', 'another node\'s queue is not in the metrics: totals have it');
$fake->queue('there', messages => 6, hide => ['metrics']);
poll();
is(column('there', 'messages'), '6', 'in each cycle');
$fake->queue('q-1', messages => 1, hide => ['metrics']);
poll();
is(column('q-1', 'gone_at, size_source'), '|totals', 'one that leaves the metrics is not gone');

# --- arguments
$fake->queue('args', messages => 1, arguments => { 'x-expires' => 1000, 'x-max-length' => 5 });
poll();
is(column('args', q{arguments->>'x-expires'}), '1000', 'arguments are kept');
sql('UPDATE cloudsat.polls SET names_at = NULL'), poll() for 1 .. 2;
sql('UPDATE cloudsat.polls SET names_at = NULL');
is(poll($all) =~ s/^\d+//r, '|0|0', 'the same arguments are no change');
$fake->queue('args', messages => 1, arguments => { 'x-expires' => 2000 });
sql('UPDATE cloudsat.polls SET names_at = NULL');
poll();
is(sql(q{SELECT string_agg(coalesce(detail->>'reason', event), ' ' ORDER BY id) FROM cloudsat.queue_events WHERE name = 'args'}),
	'appeared declared again', 'others are another queue');
is(column('args', q{arguments->>'x-expires'}), '2000', 'whose arguments are kept in turn');

# --- a server that is renamed brings its queues along
my $rows = sql('SELECT count(*) FROM cloudsat.queues');
sql(q{INSERT INTO cloudsat.archived_messages (server, vhost, queue, archived_at, exchange, routing_key, redelivered, properties, body)
	VALUES ('pulse', '/', 'args', now(), '', 'args', false, '\x0000', '\x')});
sql('ALTER SERVER pulse RENAME TO heart');
is(sql(q{SELECT changed < 3, events FROM cloudsat.poll('heart')}), 't|0', 'a renamed server goes on');
is(sql(q{SELECT count(*), string_agg(DISTINCT server, ' ') FROM cloudsat.queues}), "$rows|heart", 'with its rows');
is(sql(q{SELECT string_agg(server, ' ') FROM cloudsat.polls}), 'heart', 'and its record');
is(sql(q{SELECT count(*) FROM cloudsat.archived('heart', '/', 'args')}), '1', 'and what was archived of them');
done_testing;
