# What the guardian has begun with a queue ends when the server's option `vhosts` leaves the queue's virtual host out, and
# poll() deletes nothing that is to be archived first. On a real RabbitMQ.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Test::More;

my $node = new_node('unwatched', conf => "fsync = off\n");
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;
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
	$broker->queue('victim', 200);
	poll_until(column_sql('victim', 'intended_at IS NOT NULL'), 't', 'a queue is to be deleted');
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
	$broker->queue($kept, 80);
	poll_until(column_sql($kept, 'level, archive'), 'archiving|on', "$kept is being archived");
	watch($pattern);
	poll();
	is(column($kept, q{level, archive, pending}), ($kept eq 'kept' ? 'normal' : 'warned') . '||normal', "with vhosts $pattern that is over");
	watch("^$vhost\$");
	$broker->amqp('delete', $kept);
	poll();
}

# --- poll() does not archive
$broker->queue('unarchived', 200);
poll_until(column_sql('unarchived', 'messages'), '200', 'a queue is large');
poll() for 1 .. 5;
is(events('unarchived'), '', 'poll() does not delete what is to be archived first');
is($broker->queues->{unarchived}, 200, 'it is there');
like(explained('unarchived', 'next_poll', $vhost), qr/only by its guard: poll\(\) does not archive/, 'which explain_queue() says');
sql(q{UPDATE cloudsat.queues SET intended_at = now() WHERE name = 'unarchived'});
poll();
is(events('unarchived'), 'delete_withdrawn', 'what its guard intended, poll() withdraws');
is(reason('unarchived'), 'it must be archived first, by its guard: poll() does not archive', 'and says why');
sql(q{INSERT INTO cloudsat.queue_policies (queue, archive_size) VALUES ('^unarchived$', -1)});
poll_until(column_sql('unarchived', 'gone_at IS NOT NULL'), 't', 'the queue is deleted');
is(events('unarchived') =~ s/.*withdrawn //r, 'delete_intended deleted', 'without archive_size it is deleted');

# --- a guard stops archiving, and does not begin again
sql(q{ALTER SERVER pulse OPTIONS (SET archive_size '1000', SET delete_size '1000000', ADD poll_interval '200ms')});
$broker->amqp('declare', 'large', 'durable', ',', 'publish', 'large', 30000, 2000);
sql('SELECT cloudsat.start()');
wait_until(q{SELECT count(*) FROM cloudsat.queue_events WHERE name = 'large' AND event = 'archive_started'}, '1', 60, 'a guard archives');
watch('^/$');
wait_until(q{SELECT level, archive FROM cloudsat.queues WHERE name = 'large'}, 'normal|', 60, 'it stops');
my $stored = sql(q{SELECT count(*) FROM cloudsat.archived_messages WHERE queue = 'large'});
is(events('large'), 'archive_started archived', 'which is recorded');
is(sql(q{SELECT messages FROM cloudsat.queue_events WHERE name = 'large' AND event = 'archived'}), $stored, 'with the number of messages');
my $cycle = sql('SELECT cycle FROM cloudsat.polls') + 3;
wait_until("SELECT cycle >= $cycle FROM cloudsat.polls", 't', 60, 'three more polls');
is(sql(q{SELECT count(*) FROM cloudsat.archived_messages WHERE queue = 'large'}), $stored, 'take nothing more');
is($broker->queues->{large}, 30000 - $stored, 'all else is in the queue');
sql('SELECT cloudsat.stop()');
done_testing;
