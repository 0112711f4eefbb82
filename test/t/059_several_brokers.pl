# Several brokers, databases and servers at once: a broker that hangs delays no other; guards follow what becomes of their
# servers, also in the middle of a deletion; a broker is watched once; a broker that was restarted is not believed at once;
# a copy of a database deletes nothing before somebody says so; and a promoted standby takes over what was under way.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('several', conf => "cloudsat.databases = 'postgres, copy'\nmax_worker_processes = 20");
my %fake = map { $_ => Cloudsat::FakeBroker->start } qw(one two mute);
my @quick = (poll_interval => '200ms', max_poll_interval => '1s', warn_size => 10, delete_size => 100);
my $thread = q{SELECT string_agg(coalesce(disposition::text, 'post'), ' ' ORDER BY uuid) FROM cloudsat.messages};

sub next_polls { my ($server, $what, $database) = @_; return more_polls(3, $what, $server, $database) }
sub until_events { my ($queue, $pattern, $what, $database) = @_;
	wait_for(30, sub { events($queue, $database) =~ $pattern });
	return like(events($queue, $database), $pattern, $what) }
sub asked { my ($fake, $pattern) = @_; return scalar grep { $_ =~ $pattern } @{ $fake->seen->{last} } }
sub until_asked { my ($fake, $pattern, $what) = @_;
	wait_for(30, sub { asked($fake, $pattern) });
	return ok(asked($fake, $pattern), $what) }
sub status { my ($what, $server, $database) = @_; $database //= 'postgres';
	return "SELECT $what FROM cloudsat.worker_status WHERE database = '$database' AND server = '$server'" }

# --- one of three hangs
kill 'STOP', $fake{mute}{pid}; # connections are taken, by the kernel; nothing is answered
sql($fake{$_}->server_sql($_, @quick, enforce => 'on', timeout => '60s')) for qw(one two mute);
until_true(status(q{state = 'working'}, 'mute'), 'a guard waits for a broker that hangs');
next_polls($_, "$_ is polled meanwhile") for qw(one two);
$fake{one}->queue('queue/alice@example.com/a', messages => 50);
$fake{two}->queue('b', messages => 500);
until_events('queue/alice@example.com/a', qr/^warned$/, 'an incident arises');
until_events('b', qr/^delete_intended deleted$/, 'and is acted upon');
is(sql(status('count(DISTINCT pid)', 'mute') =~ s/ AND server.*//r . q{ AND kind = 'guard'}), 3, 'each has a process of its own');
is(sql(status('state', 'mute')), 'working', 'the broker hangs as before');
within(4, 'DROP SERVER of one that hangs, to the end of its guard', sub {
	sql('DROP SERVER mute CASCADE');
	until_true(q{SELECT count(*) = 0 FROM cloudsat.worker_status WHERE server = 'mute'}, 'it is gone');
});
kill 'CONT', $fake{mute}{pid};

# --- options and credentials, while the guard runs
sql(qq{ALTER SERVER two OPTIONS (SET management_url '${\ $fake{mute}->management_url }')});
next_polls('two', 'a server with another url goes on');
ok(asked($fake{mute}, qr{^GET /api/vhosts}), 'there');
my $before = $fake{two}->seen->{total};
next_polls('two', 'and on');
is($fake{two}->seen->{total}, $before, 'and not at the old one');
sql(q{ALTER USER MAPPING FOR CURRENT_USER SERVER two OPTIONS (SET password 'other')});
$fake{mute}->tell('/settings', { user => 'guardian', password => 'secret' });
until_true(q{SELECT last_error_kind = 'unauthorized' AND consecutive_failures > 0 FROM cloudsat.polls WHERE server = 'two'}, 'another password is taken at once');
sql(q{ALTER USER MAPPING FOR CURRENT_USER SERVER two OPTIONS (SET password 'secret')});
until_true(q{SELECT consecutive_failures = 0 FROM cloudsat.polls WHERE server = 'two'}, 'so is the right one');
sql('DROP SERVER two CASCADE');

# --- told otherwise in the middle of a deletion: the broker does not answer the second look before
my @slow = ('/api/queues/%2F', 'wait', query => 'use_regex', times => 1);
$fake{one}->behave(@slow);
$fake{one}->queue('c', messages => 500);
until_asked($fake{one}, qr/use_regex/, 'a queue is looked at again before it is deleted');
sql(q{ALTER SERVER one OPTIONS (SET enforce 'off')});
$fake{one}->tell('/go_on');
until_events('c', qr/^delete_intended delete_withdrawn\b/, 'enforce is switched off: the intention is withdrawn');
is(asked($fake{one}, qr/^DELETE/), 0, 'and no request was sent');

sql(q{ALTER SERVER one OPTIONS (SET enforce 'on')});
until_events('c', qr/delete_intended deleted$/, 'switched on again, it is deleted');
$before = asked($fake{one}, qr/use_regex/);
$fake{one}->behave(@slow);
$fake{one}->queue('queue/alice@example.com/d', messages => 500);
until_events('queue/alice@example.com/d', qr/delete_intended$/, 'another one');
wait_for(10, sub { asked($fake{one}, qr/use_regex/) > $before });
sql('DROP SERVER one CASCADE');
$fake{one}->tell('/go_on');
until_true(q{SELECT count(*) = 0 FROM cloudsat.worker_status WHERE kind = 'guard'}, 'the server is dropped: no guard is left');
is(asked($fake{one}, qr{^DELETE .*%2Fd\b}), 0, 'which deletes nothing any more');

# --- a server of the same name is another one
sql($fake{one}->server_sql('one', @quick));
until_events('queue/alice@example.com/d', qr/^warned delete_intended delete_withdrawn\b/, 'a server of the same name: the intention of the former one is withdrawn');
is(sql(q{SELECT detail->>'reason' FROM cloudsat.queue_events WHERE event = 'delete_withdrawn' AND name LIKE '%/d'}), 'its server was dropped', 'and why');
until_true(q{SELECT count(*) = 2 AND bool_and(level = 'warned') FROM cloudsat.queues WHERE name LIKE 'queue/%' AND server = 'one'}, 'its queues are new to it');
like(sql($thread), qr{^post post end end post post\b}, 'the incidents of the former are over, and are opened anew');
is(sql(q{SELECT count(*) FROM cloudsat.queue_events WHERE event = 'would_delete' AND name LIKE '%/d'}), 1, 'and its own options count');

# --- a broker is watched once
my $copy = "http://LOCALHOST:$fake{one}{port}/";
sql($fake{one}->server_sql('same', @quick, management_url => $copy));
until_true(status(q{state = 'standing by' AND note LIKE 'the broker is watched by process % for server "one"'}, 'same'), 'the guard of a second server for one broker stands by, and says so');
like(slurp_file($node->logfile), qr/LOG:  cloudsat guard for same stands by: its broker is watched already\n.*DETAIL:  It is watched by process \d+ for server "one"\.\n.*HINT:  Drop/, 'so does the log');
is(sql(q{SELECT count(*) FROM cloudsat.polls WHERE server = 'same'}), 0, 'it asks nothing');
my (undef, undef, $refused) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT cloudsat.poll('same')");
like($refused, qr/ERROR:  55006: the broker of server "same" is already watched\nDETAIL:  It is watched by process \d+ for server "one"\.\nHINT:/, 'poll() is refused');
is(sql(q{SELECT queues FROM cloudsat.poll('one')}), 2, 'but not to the server that watches it');
sql(q{ALTER SERVER same OPTIONS (ADD vhosts '^other$'); ALTER SERVER one OPTIONS (ADD vhosts '^/$')});
next_polls($_, "with virtual hosts of its own, $_ is polled") for qw(one same);
sql(q{ALTER SERVER one OPTIONS (DROP vhosts)});
until_true(status(q{state = 'standing by'}, 'one'), 'who wants the whole broker waits for who watches a part');
sql('DROP SERVER same CASCADE');
next_polls('one', 'until that is gone');
like(slurp_file($node->logfile), qr/LOG:  cloudsat guard for one begins: no other guard watches its broker any more/, 'which is told');

# --- a copy of the database points to the same broker
sql(q{ALTER SERVER one OPTIONS (ADD enforce 'on')});
until_events('queue/alice@example.com/d', qr/deleted$/, 'the original deletes');
sql_in('template1', 'CREATE DATABASE copy TEMPLATE postgres');
$node->reload; # so that it is found at once
until_true(status(q{state = 'standing by' AND note LIKE '%in database "postgres"'}, 'one', 'copy'), 'a copy of the database stands by');
(undef, undef, $refused) = $node->psql('copy', q{SELECT cloudsat.poll('one')});
like($refused, qr/already watched\nDETAIL:  It is watched by process \d+ in database "postgres"/, 'poll() is refused there, too');
sql('SELECT cloudsat.stop()');
next_polls('one', 'when the original is stopped, the copy takes over', 'copy');
is(sql_in('copy', status('note', 'one', 'copy')), 'enforce is held back until confirm_enforce()', 'but with enforce held back');
is(sql_in('copy', q{SELECT enforce_held_back FROM cloudsat.polls WHERE server = 'one'}), 't', 'as whoever watches polls sees');
like(slurp_file($node->logfile), qr/LOG:  enforce is held back for broker "one"\n.*DETAIL:  It was confirmed for another.*\n.*HINT:  .*cloudsat\.confirm_enforce\('one'\)/, 'which the log tells');
$fake{one}->queue('e', messages => 500);
until_events('e', qr/^would_delete$/, 'it only says what it would do', 'copy');
is(sql_in('copy', q{SELECT detail->>'reason' FROM cloudsat.queue_events WHERE name = 'e' AND event = 'would_delete'}), 'enforce is held back', 'and why');
next_polls('one', 'for as long as nobody confirms', 'copy');
is(events('e', 'copy'), 'would_delete', 'it deletes nothing');
sql_in('copy', 'ALTER SERVER one RENAME TO uno');
next_polls('uno', 'under another name', 'copy');
is(events('e', 'copy'), 'would_delete', 'it deletes nothing either');
sql_in('copy', 'ALTER SERVER uno RENAME TO one');
next_polls('one', 'back again', 'copy');
is(sql_in('copy', q{SELECT cloudsat.confirm_enforce('one')}), 't', 'confirm_enforce() says that it was held back');
until_events('e', qr/^would_delete delete_intended deleted$/, 'then it deletes', 'copy');
is(sql_in('copy', status('note IS NULL', 'one', 'copy')), 't', 'and the note is gone');
is(sql_in('copy', q{SELECT cloudsat.confirm_enforce('one')}), 'f', 'there is nothing left to confirm');
(undef, undef, $refused) = $node->psql('copy', "\\set VERBOSITY verbose\n\\set ON_ERROR_STOP off\nSELECT cloudsat.confirm_enforce('none'); SELECT cloudsat.confirm_enforce(NULL)");
like($refused, qr/42704: server "none" does not exist.*22004: /s, 'confirm_enforce() refuses what is no server');
sql_in('copy', q{UPDATE cloudsat.polls SET enforce_home = '1/1'});
until_true(status('note IS NOT NULL', 'one', 'copy'), 'restored once more, it is held back again', 'copy');
sql_in('copy', q{ALTER SERVER one OPTIONS (SET enforce 'off')});
next_polls('one', 'with enforce off', 'copy');
sql_in('copy', q{ALTER SERVER one OPTIONS (SET enforce 'on')});
$fake{one}->queue('f', messages => 500);
until_events('f', qr/^delete_intended deleted$/, 'and then on, it is confirmed as well', 'copy');

# --- started by everybody at once
sql_in('copy', 'SELECT cloudsat.stop()');
my @sessions = map { $node->background_psql('copy') } 1 .. 3;
$_->query_safe('SELECT 1') for @sessions;
$_->{stdin} .= "SELECT cloudsat.start();\n" for @sessions;
$_->{run}->pump_nb for @sessions;
$_->query_safe('SELECT 1') for @sessions;
next_polls('one', 'three sessions and the supervisor start the workers', 'copy');
is(sql(q{SELECT count(*), count(*) FILTER (WHERE kind = 'launcher') FROM cloudsat.worker_status WHERE database = 'copy'}), '3|1', 'each is there once');
$_->quit for @sessions;
nothing_broke();

# --- a broker is restarted while it lists its queues; polled by hand
sql('CREATE DATABASE hand');
sql_in('hand', 'CREATE EXTENSION cloudsat');
my $fake = $fake{two};
$fake->tell('/reset');
my @durable = map { +{ name => "queue/alice\@example.com/$_", messages => 50, type => $_ } } qw(classic quorum);
sub poll_by_hand { return sql_in('hand', q{SELECT events FROM cloudsat.poll('two')}) }
sub poll_in_vain { my (undef, $out) = $node->psql('hand', q{SELECT queues IS NULL, events FROM cloudsat.poll('two')}); return $out }
sub declare { my ($queue, %fields) = @_; return $fake->tell('/queue', { %$queue, %fields }) }
declare($_) for @durable, { name => 'brief', durable => \0 }, { name => 'big', messages => 5 };
sql_in('hand', $fake->server_sql('two', @quick, enforce => 'on'));
poll_by_hand() for 1 .. 2;
is(sql_in('hand', $thread), 'post post', 'two incidents');
$fake->behave('/api/queues/%2F', 'rst_body');
is(poll_in_vain(), 't|0', 'the broker goes in the middle of a listing: nothing is seen, nothing happens');
$fake->tell('/accept', { mode => 'rst' });
is(poll_in_vain(), 't|0', 'nor while it is down');
$fake->tell('/accept', { mode => 'normal' });
$fake->behave_well;
# what it tells in its first seconds
declare($durable[0], omit => [qw(messages messages_ready messages_unacknowledged state)]);
declare($durable[1], messages => 0);
declare({ name => 'big', messages => 500 });
$fake->tell('/unqueue', { name => 'brief' });
for (1 .. 3) { is(poll_by_hand(), 0, 'it is back, and what it says at first is not acted upon') }
declare($_) for @durable;
sql_in('hand', q{UPDATE cloudsat.polls SET up_since = up_since - interval '20 s'});
is(poll_by_hand(), 1, 'later it is believed');
is(events('brief', 'hand'), 'vanished', 'that a transient queue is gone');
is(sql_in('hand', q{SELECT string_agg(level::text || ' ' || messages, ', ') FROM cloudsat.queues WHERE incident IS NOT NULL}), 'warned 50, warned 50', 'durable queues are in their incidents as before');
poll_by_hand();
is(events('big', 'hand'), 'delete_intended', 'and what is too big is to be deleted, two polls later');
$fake->tell('/unqueue', { name => 'big' });
poll_by_hand();

# nobody saw it go: it was down between two polls
declare($durable[1], messages => 0);
is(poll_by_hand(), 0, 'the first 0 of a quorum queue is no number to go by');
declare($durable[1]);
is(poll_by_hand(), 0, 'it was none');
declare($durable[1], messages => 0);
is(poll_by_hand(), 0, 'nor is the next one');
is(poll_by_hand(), 1, 'the second in a row is');
like(events($durable[1]{name}, 'hand'), qr/recovered$/, 'and ends the incident');
$node->stop('fast');

# --- a standby is promoted while its primary deletes
$fake->tell('/reset');
my $primary = new_node('first', allows_streaming => 1, conf => "cloudsat.databases = 'postgres'");
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('second');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
use_node($primary);
$fake->behave('/api/queues/%2F/g', 'delete_later', method => 'DELETE');
$fake->queue($_, messages => 500) for qw(g h);
sql($fake->server_sql('pulse', @quick, enforce => 'on'));
until_asked($fake, qr{^DELETE /api/queues/%2F/[gh]}, 'the primary deletes, and waits for the answer');
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
my $deleted = asked($fake, qr{^DELETE /api/queues/%2F/h}); # which of the two comes first is not said
$fake->queue('h', messages => 0) if !$deleted;
$fake->behave_well;
$standby->promote;
my $promoted = time;
use_node($standby);
until_events('g', qr/^delete_intended deleted$/, 'the new primary finishes what was under way');
until_events('h', $deleted ? qr/^delete_intended deleted$/ : qr/^delete_intended delete_withdrawn$/, 'or withdraws it, as things are now');
cmp_ok(time - $promoted, '<', patience(10), 'within ten seconds');
next_polls('pulse', 'and goes on');
is(asked($fake, qr/^DELETE .*g$/), 1, 'nothing is deleted twice');
is(sql(status('note IS NULL', 'pulse')), 't', 'nor is enforce held back there');
$standby->stop('fast');
done_testing;
