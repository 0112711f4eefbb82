# Deleting with amqp_url: the last look is at the number there is now, the audit has the number that went, and an
# intention is withdrawn when the queue has drained, is consumed from, or is another one now. All on a real RabbitMQ.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use IO::Socket::INET;
use Test::More;

my $node = new_node('exact', preload => 0);
my $broker = Cloudsat::Broker->new;
sub last_event { return sql("SELECT event, messages, detail->>'reason' FROM cloudsat.queue_events WHERE name = '$_[0]' AND event <> 'appeared' ORDER BY id DESC LIMIT 1") }
# polls until the column says so: the numbers of quorum queues are up to 5 s old
sub poll_to {
	my ($queue, $what, $expected) = @_;
	return wait_for(40, sub { poll(); column($queue, $what) eq $expected }) || is(column($queue, $what), $expected, "$queue: $what");
}
sub intended { return poll_to($_[0], 'intended_at IS NOT NULL', 't') }
sub enforce { return sql("ALTER SERVER pulse OPTIONS (SET enforce '$_[0]')") }

sql($broker->server_sql('pulse', amqp_url => $broker->amqp_url, enforce => 'off', warn_size => 10, delete_size => 50));
poll();

# --- how many went
$broker->amqp('declare', 'classic', 'durable', ',', 'publish', 'classic', 60, ',',
	'declare', 'quorum', 'durable', 'x-queue-type=quorum', ',', 'publish', 'quorum', 60);
my $held = $broker->hold('declare', 'held', 'durable', ',', 'publish', 'held', 60, ',', 'consume', 'held', 5);
poll_to('held', 'unacknowledged', '5');
enforce('on');
intended('classic');
$broker->amqp('publish', 'classic', 7);
poll();
is(last_event('classic'), 'deleted|67|', 'the number of messages that went is the broker\'s own');
poll_to('held', 'gone_at IS NOT NULL', 't');
is(last_event('held'), 'deleted|60|', 'and those that a consumer held');
$held->finish;
intended('quorum');
$broker->amqp('publish', 'quorum', 3);
poll();
is(last_event('quorum'), 'deleted|63|', 'of a quorum queue, whose listed number is old');
is(join(' ', sort keys %{ $broker->queues }), '', 'they are gone');

# --- withdrawn
$broker->queue('drained', 60, 'x-queue-type=quorum');
intended('drained');
$broker->amqp('get', 'drained', 20);
poll();
like(last_event('drained'), qr/^delete_withdrawn\|\d+\|it has drained$/, 'a queue that has drained a moment ago stays');
$broker->amqp('delete', 'drained', ',', 'declare', 'busy', 'durable', ',', 'publish', 'busy', 60);
intended('busy');
$held = $broker->hold('consume', 'busy', 2);
poll();
like(last_event('busy'), qr/^delete_withdrawn\|\d+\|it has a new consumer$/, 'so does one that is consumed from now');
is(column('busy', 'consumers'), '1', 'which is noted');
poll_to('busy', 'unacknowledged', '2');
poll_to('busy', 'gone_at IS NOT NULL', 't');
is(last_event('busy'), 'deleted|60|', 'but not for ever');
$held->finish;
$broker->queue('other', 60);
intended('other');
$broker->amqp('delete', 'other', ',', 'declare', 'other', 'transient', ',', 'publish', 'other', 60);
poll();
is(last_event('other'), 'delete_withdrawn|60|it was declared again', 'and one that is another now') or diag(events('other'));
$broker->amqp('delete', 'other', ',', 'declare', 'missing', 'durable', ',', 'publish', 'missing', 60);
intended('missing');
$broker->amqp('delete', 'missing');
poll();
is(last_event('missing'), 'deleted||it was gone at the second look', 'a missing queue is not asked for');

# --- one that expires is not asked over AMQP, which would be use; one of somebody else's connection is refused
$broker->queue('expiring', 60, 'x-expires=600000');
$held = $broker->hold('declare', 'mine', 'exclusive', ',', 'publish', 'mine', 60);
intended('expiring');
intended('mine') if events('mine') eq '';
poll();
is(last_event('expiring'), 'deleted|60|', 'one that expires');
like(last_event('mine'), qr/^action_failed\|60\|.*exclusive/, 'one that belongs to a connection');
$held->finish;

# --- the way over AMQP fails: then HTTP does
for my $case (['refused', 'amqp://127.0.0.1:1'], ['deaf', undef]) {
	my ($name, $url) = @$case;
	my $deaf = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die $!;
	$url //= 'amqp://127.0.0.1:' . $deaf->sockport;
	sql("ALTER SERVER pulse OPTIONS (SET amqp_url '$url', " . ($name eq 'refused' ? 'ADD' : 'SET') . " timeout '1500ms')");
	$broker->queue($name, 60);
	intended($name);
	within(5, $name, sub { poll() });
	is(last_event($name), 'deleted|60|', "$name: it is deleted over HTTP");
	$broker->amqp('declare', "new-$name", 'durable', ',', 'publish', "new-$name", 60);
	intended("new-$name");
	$held = $broker->hold('consume', "new-$name", 2);
	my $path = '/queues/' . Cloudsat::Broker::escape($broker->vhost) . "/new-$name";
	wait_for(10, sub { ($broker->api(GET => $path)->{consumers} // 0) > 0 });
	poll();
	like(last_event("new-$name"), qr/it has a new consumer$/, "$name: a new consumer is seen all the same");
	$held->finish;
	$broker->amqp('delete', "new-$name");
}
done_testing;
