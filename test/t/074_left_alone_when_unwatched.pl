# What the guardian has begun with a queue ends when the server's option `vhosts` leaves the queue's virtual host out, and
# poll() deletes nothing that is to be archived first. On a real RabbitMQ.
use strict;
use warnings;
use Cloudsat::Test;
use Test::More;

my $node = new_node('unwatched', conf => "fsync = off\n");
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;
sub sql { return $node->safe_psql('postgres', $_[0]) }
sub poll { my (undef, $out) = $node->psql('postgres', q{SELECT events FROM cloudsat.poll('pulse')}); return $out }
sub column { my ($queue, $what) = @_; return sql("SELECT $what FROM cloudsat.queues WHERE name = '$queue'") }
sub events {
	my ($queue) = @_;
	return sql("SELECT string_agg(event, ' ' ORDER BY id) FROM cloudsat.queue_events WHERE name = '$queue' AND event <> 'appeared'") // '';
}
sub reason { return sql("SELECT detail ->> 'reason' FROM cloudsat.queue_events WHERE name = '$_[0]' ORDER BY id DESC LIMIT 1") }
sub explained {
	my ($queue, $item) = @_;
	return sql("SELECT value, detail FROM cloudsat.explain_queue('pulse', '$vhost', '$queue') WHERE item = '$item'");
}
# polls until the row says so
sub poll_until {
	my ($queue, $what, $expected) = @_;
	my $patience = time + 30;
	do { poll() } until (column($queue, $what) eq $expected || time > $patience);
	return is(column($queue, $what), $expected, "$queue: $what");
}
sub flood { my ($queue, $size) = @_; return $broker->amqp('declare', $queue, 'durable', ',', 'publish', $queue, $size) }
# as if the broker had never failed: a poll that watches nothing is a failed one
sub watch {
	my ($pattern) = @_;
	sql(q{UPDATE cloudsat.polls SET consecutive_failures = 0, up_since = NULL});
	return sql("ALTER SERVER pulse OPTIONS (SET vhosts '$pattern')");
}

sql($broker->server_sql('pulse', vhosts => "^$vhost\$", amqp_url => $broker->amqp_url, enforce => 'on', warn_size => 10, delete_size => 100));
poll();

# --- an intention; whether the pattern then matches another virtual host, or none at all
for my $pattern ('^/$', '^nowhere$') {
	flood('victim', 200);
	poll_until('victim', 'intended_at IS NOT NULL', 't');
	watch($pattern);
	poll();
	is(events('victim') =~ s/.* //r, 'delete_withdrawn', "with vhosts $pattern that is withdrawn");
	is(reason('victim'), 'its virtual host is not watched', 'and why');
	is($broker->queues->{victim}, 200, 'nothing is deleted');
	watch("^$vhost\$");
	$broker->amqp('delete', 'victim');
	poll();
}

# --- archiving
sql(q{ALTER SERVER pulse OPTIONS (ADD archive_size '50')});
for my $pattern ('^/$', '^nowhere$') {
	my $kept = $pattern eq '^/$' ? 'queue/alice@example.com/kept' : 'kept';
	flood($kept, 80);
	poll_until($kept, 'level, archive', 'archiving|on');
	watch($pattern);
	poll();
	is(column($kept, q{level, archive, pending}), ($kept eq 'kept' ? 'normal' : 'warned') . '||normal', "with vhosts $pattern that is over");
	watch("^$vhost\$");
	$broker->amqp('delete', $kept);
	poll();
}

# --- poll() does not archive
flood('unarchived', 200);
poll_until('unarchived', 'messages', '200');
poll() for 1 .. 5;
is(events('unarchived'), '', 'poll() does not delete what is to be archived first');
is($broker->queues->{unarchived}, 200, 'it is there');
like(explained('unarchived', 'next_poll'), qr/only by its guard: poll\(\) does not archive/, 'which explain_queue() says');
sql(q{UPDATE cloudsat.queues SET intended_at = now() WHERE name = 'unarchived'});
poll();
is(events('unarchived'), 'delete_withdrawn', 'what its guard intended, poll() withdraws');
is(reason('unarchived'), 'it must be archived first, by its guard: poll() does not archive', 'and says why');
sql(q{INSERT INTO cloudsat.queue_policies (queue, archive_size) VALUES ('^unarchived$', -1)});
poll_until('unarchived', 'gone_at IS NOT NULL', 't');
is(events('unarchived') =~ s/.*withdrawn //r, 'delete_intended deleted', 'without archive_size it is deleted');

# --- a guard stops archiving, and does not begin again
sql(q{ALTER SERVER pulse OPTIONS (SET archive_size '1000', SET delete_size '1000000', ADD poll_interval '200ms')});
$broker->amqp('declare', 'large', 'durable', ',', 'publish', 'large', 30000, 2000);
sql('SELECT cloudsat.start()');
wait_until($node, q{SELECT count(*) FROM cloudsat.queue_events WHERE name = 'large' AND event = 'archive_started'}, '1', 60, 'a guard archives');
watch('^/$');
wait_until($node, q{SELECT level, archive FROM cloudsat.queues WHERE name = 'large'}, 'normal|', 60, 'it stops');
my $stored = sql(q{SELECT count(*) FROM cloudsat.archived_messages WHERE queue = 'large'});
is(events('large'), 'archive_started archived', 'which is recorded');
is(sql(q{SELECT messages FROM cloudsat.queue_events WHERE name = 'large' AND event = 'archived'}), $stored, 'with the number of messages');
my $cycle = sql('SELECT cycle FROM cloudsat.polls') + 3;
wait_until($node, "SELECT cycle >= $cycle FROM cloudsat.polls", 't', 60, 'three more polls');
is(sql(q{SELECT count(*) FROM cloudsat.archived_messages WHERE queue = 'large'}), $stored, 'take nothing more');
is($broker->queues->{large}, 30000 - $stored, 'all else is in the queue');
sql('SELECT cloudsat.stop()');
done_testing;
