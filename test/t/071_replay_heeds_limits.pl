# What a broker would confirm and then drop is not sent back to its queue: of a queue with limits as much as fits, and nothing
# to a queue where messages do not live. The rest stays in the archive, with the reason. On a real RabbitMQ.
use strict;
use warnings;
use Cloudsat::Test;
use Test::More;

my $node = new_node('limits', preload => 0);
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;
my $path = Cloudsat::Broker::escape($vhost);
sub sql { return $node->safe_psql('postgres', $_[0]) }
sub replay { my ($queue, $max) = @_; return sql("SELECT * FROM cloudsat.replay('pulse', '$vhost', '$queue', $max)") }
sub left { return sql("SELECT count(*) FROM cloudsat.archived_messages WHERE queue = '$_[0]'") }
sub store {
	my ($queue, $count, $body, $properties) = @_;
	$properties //= '100002';
	sql("INSERT INTO cloudsat.archived_messages (server, vhost, queue, archived_at, exchange, routing_key, redelivered, properties, body)
		SELECT 'pulse', '$vhost', '$queue', now(), '', '$queue', false, '\\x$properties', convert_to($body, 'UTF8') FROM generate_series(1, $count) AS i");
}
sub bodies { my ($queue, $count) = @_; return join ' ', map { (split ' ')[-1] } $broker->amqp('dump', $queue, $count) }

sql($broker->server_sql('pulse', amqp_url => $broker->amqp_url));
$broker->must_api(PUT => "/policies/$path/short", { pattern => '^policy-', definition => { 'max-length' => 100 }, 'apply-to' => 'queues' });
$broker->must_api(PUT => "/operator-policies/$path/strict", { pattern => '^operator-', definition => { 'max-length' => 70 }, 'apply-to' => 'queues' });
$broker->must_api(PUT => "/policies/$path/brief", { pattern => '^brief-', definition => { 'message-ttl' => 1000 }, 'apply-to' => 'queues' });
my @queues = ([ 'policy-a', 'durable' ], [ 'policy-q', 'durable', 'x-queue-type=quorum' ],
	[ 'operator-a', 'durable', 'x-max-length=90' ], [ 'bytes', 'durable', 'x-max-length-bytes=1000' ], [ 'narrow', 'durable', 'x-max-length=3', 'x-overflow=reject-publish' ],
	[ 'zero', 'durable', 'x-message-ttl=0' ], [ 'brief-a', 'durable' ], [ 'leased', 'durable', 'x-expires=30000' ],
	[ 'hour', 'durable', 'x-message-ttl=3600000', 'x-max-length=1000' ], [ 'open', 'durable' ]);
$broker->amqp('declare', @$_) for @queues;

# --- length
store('policy-a', 420, 'i::text');
is(replay('policy-a', 1000), '100|0|the queue has no room: its max-length is 100', 'a policy limits the length');
is(left('policy-a') . '|' . $broker->queues->{'policy-a'}, '320|100', 'no message is lost');
is(replay('policy-a', 1000), '0|0|the queue has no room: its max-length is 100', 'a full queue gets nothing');
is(bodies('policy-a', 30), join(' ', 1 .. 30), 'the oldest were sent first');
is(replay('policy-a', 1000), '30|0|the queue has no room: its max-length is 100', 'what a consumer has taken makes room');
is(bodies('policy-a', 1000), join(' ', 31 .. 130), 'nothing was dropped in between');
is(replay('policy-a', 50), '50|0|', 'what fits needs no reason');
store('policy-q', 130, 'i::text');
is(replay('policy-q', 1000), '100|0|the queue has no room: its max-length is 100', 'a quorum queue');
is(bodies('policy-q', 1000), join(' ', 1 .. 100), 'has the oldest');
store('operator-a', 200, 'i::text');
is(replay('operator-a', 1000), '70|0|the queue has no room: its max-length is 70', 'an operator policy that is stricter than the argument');
store('narrow', 10, 'i::text');
is(replay('narrow', 10), '3|0|the queue has no room: its max-length is 3', 'a queue that refuses more');
is(left('narrow') . '|' . bodies('narrow', 10), '7|1 2 3', 'has what is not here any more');
store('hour', 1200, 'i::text');
is(replay('hour', 1200), '1000|0|the queue has no room: its max-length is 1000', 'a queue that takes more than is sent between two counts');

# --- bytes
store('bytes', 20, "repeat('x', 100)");
my ($sent) = replay('bytes', 20) =~ /^(\d+)\|0\|the queue has no room: its max-length-bytes is 1000$/;
cmp_ok($sent, '>=', 9, 'bytes are limited');
is(left('bytes') + $broker->queues->{bytes}, 20, 'no message is lost');
is(left('bytes'), 20 - $sent, 'nor sent twice');
is(replay('bytes', 20), '0|0|the queue has no room: its max-length-bytes is 1000', 'at once again');
is(left('bytes') + $broker->queues->{bytes}, 20, 'no message is lost then, either');

# --- time
for my $case ([ 'zero', qr/message TTL is below a minute/ ], [ 'brief-a', qr/message TTL is below a minute/ ], [ 'leased', qr/expires when it is unused/ ]) {
	my ($queue, $reason) = @$case;
	store($queue, 5, 'i::text');
	like(replay($queue, 5), qr/^0\|0\|.*$reason/, "nothing is sent to $queue");
	is(left($queue), 5, 'all of it stays');
}
store('open', 1, "'soon'", '0100' . '03' . unpack('H*', '500'));
store('open', 2, "'later'", '0100' . '06' . unpack('H*', '600000'));
is(replay('open', 10), '2|0|1 stay, because they expire within a minute', 'a message that would expire at once stays');
is(left('open'), 1, 'in the archive');

# --- a policy that came a moment ago
$broker->must_api(PUT => "/policies/$path/short", { pattern => '^policy-', definition => { 'max-length' => 20 }, 'apply-to' => 'queues' });
$broker->amqp('declare', 'policy-new', 'durable');
store('policy-new', 50, 'i::text');
is(replay('policy-new', 50), '20|0|the queue has no room: its max-length is 20', 'of a queue that was just declared the broker is asked until it knows');

# --- a broker that does not tell
sql("ALTER SERVER pulse OPTIONS (SET management_url 'http://127.0.0.1:9')");
like(($node->psql('postgres', "SELECT cloudsat.replay('pulse', '$vhost', 'policy-a', 5)"))[2],
	qr/broker "pulse" does not tell the limits of the queue: .*\nDETAIL:  The kind of fault is refused\./, 'is an error');
is(left('policy-a'), 240, 'and nothing is sent');
done_testing;
