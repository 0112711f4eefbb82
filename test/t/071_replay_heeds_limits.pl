# What a broker would confirm and then drop is not sent back to its queue: of a queue with limits as much as fits, and nothing
# to a queue where messages do not live. The rest stays in the archive, with the reason. On a real RabbitMQ.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Test::More;

my $node = new_node('limits', preload => 0);
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;
my $path = Cloudsat::Broker::escape($vhost);
sub replay { my ($queue, $max) = @_; return sql("SELECT * FROM cloudsat.replay('pulse', '$vhost', '$queue', $max)") }
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
is(stored('policy-a') . '|' . $broker->queues->{'policy-a'}, '320|100', 'no message is lost');
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
is(stored('narrow') . '|' . bodies('narrow', 10), '7|1 2 3', 'has what is not here any more');
store('hour', 1200, 'i::text');
is(replay('hour', 1200), '1000|0|the queue has no room: its max-length is 1000', 'a queue that takes more than is sent between two counts');

# --- bytes
store('bytes', 20, "repeat('x', 100)");
my ($sent) = replay('bytes', 20) =~ /^(\d+)\|0\|the queue has no room: its max-length-bytes is 1000$/;
cmp_ok($sent, '>=', 9, 'bytes are limited');
is(stored('bytes') + $broker->queues->{bytes}, 20, 'no message is lost');
is(stored('bytes'), 20 - $sent, 'nor sent twice');
is(replay('bytes', 20), '0|0|the queue has no room: its max-length-bytes is 1000', 'at once again');
is(stored('bytes') + $broker->queues->{bytes}, 20, 'no message is lost then, either');

# --- time
$broker->amqp('declare', @$_) for grep { $_->[0] eq 'leased' } @queues;    # renews its lease
for my $case ([ 'zero', qr/message TTL is below a minute/ ], [ 'brief-a', qr/message TTL is below a minute/ ], [ 'leased', qr/expires after less than a minute/ ]) {
	my ($queue, $reason) = @$case;
	store($queue, 5, 'i::text');
	like(replay($queue, 5), qr/^0\|0\|.*$reason/, "nothing is sent to $queue");
	is(stored($queue), 5, 'all of it stays');
}
store('open', 1, "'soon'", '0100' . '03' . unpack('H*', '500'));
store('open', 2, "'later'", '0100' . '06' . unpack('H*', '600000'));
is(replay('open', 10), '2|0|1 stay because they expire within a minute', 'a message that would expire at once stays');
is(stored('open'), 1, 'in the archive');

# --- a policy that came a moment ago
$broker->must_api(PUT => "/policies/$path/short", { pattern => '^policy-', definition => { 'max-length' => 20 }, 'apply-to' => 'queues' });
$broker->amqp('declare', 'policy-new', 'durable');
store('policy-new', 50, 'i::text');
is(replay('policy-new', 50), '20|0|the queue has no room: its max-length is 20', 'of a queue that was just declared the broker is asked until it knows');

# waits until the broker says so
sub eventually {
	my ($what, $condition) = @_;
	return wait_for(60, $condition) || die "$what: not within 60 s\n";
}

# --- a policy that came a moment ago, to a queue that the statistics know: they are up to 10 s behind
sub put_policy { my ($kind, $name, $pattern, $definition, $priority) = @_;
	$broker->must_api(PUT => "/$kind/$path/$name", { pattern => $pattern, definition => $definition, 'apply-to' => 'queues', priority => $priority // 0 }) }
my @late = qw(late-ttl late-length late-operator Late-case);
$broker->amqp('declare', $_, 'durable') for @late;
for my $queue (@late) {
	eventually("statistics of $queue", sub { ($broker->api(GET => "/queues/$path/$queue"))[1]{effective_policy_definition} });
	store($queue, 50, 'i::text');
}
put_policy('policies', 'late-ttl', '^late-ttl$', { 'message-ttl' => 500 });
like(replay('late-ttl', 50), qr/^0\|0\|the queue's message TTL is below a minute/, 'a TTL that was set a moment ago');
put_policy('policies', 'late-length', 'late-l', { 'max-length' => 20 }, 1);
is(replay('late-length', 50), '20|0|the queue has no room: its max-length is 20', 'a length that was set a moment ago');
put_policy('operator-policies', 'loose', '.*', { 'max-length' => 45 }, 1);
put_policy('operator-policies', 'tight', '^late-op|^\s', { 'max-length' => 20 }, 7);
is(replay('late-operator', 50), '20|0|the queue has no room: its max-length is 20', 'an operator policy that was set a moment ago');
is(replay('Late-case', 50), '45|0|the queue has no room: its max-length is 45', 'is not that of others: patterns heed letter case');
$broker->must_api(DELETE => "/operator-policies/$path/$_") for 'loose', 'tight';
is(stored('late-ttl') . '|' . stored('late-length') . '|' . stored('late-operator'), '50|30|30', 'no message is lost');

# --- and one that comes while messages are sent: the session stands still meanwhile
$broker->amqp('declare', 'sudden', 'durable');
sql($broker->server_sql('roomy', amqp_url => $broker->amqp_url, delete_size => 1_000_000));
store('sudden', 30_000, "repeat('x', 2000)");
sql("UPDATE cloudsat.archived_messages SET server = 'roomy' WHERE queue = 'sudden'");
my $sender = $node->background_psql('postgres');
my $pid = $sender->query('SELECT pg_backend_pid()');
$sender->query_until(qr/begun/, "\\echo begun\nSELECT unconfirmed > 0, reason FROM cloudsat.replay('roomy', '$vhost', 'sudden', 30000);\n");
eventually('messages are sent', sub { ($broker->queues->{sudden} // 0) > 0 });
kill STOP => $pid;
put_policy('policies', 'sudden', '^sudden$', { 'max-length' => 1 });
kill CONT => $pid;
like($sender->query('SELECT 1'), qr/t\|the limits of the queue became stricter during the replay/, 'limits that became stricter end it');
$sender->quit;
cmp_ok(stored('sudden'), '>', 0, 'and what was confirmed since the last look is not removed');

# --- the guardian's own limits
sub limits { my ($name, %options) = @_;
	sql($broker->server_sql($name, amqp_url => $broker->amqp_url, %options));
	return sub { my ($queue, $max) = @_; sql("UPDATE cloudsat.archived_messages SET server = '$name' WHERE queue = '$queue'");
		return sql("SELECT * FROM cloudsat.replay('$name', '$vhost', '$queue', $max)") } }
$broker->amqp('declare', $_, 'durable') for qw(own own-archived own-unbounded);
my $strict = limits('strict', warn_size => 100, delete_size => 1000);
store('own', 1500, 'i::text');
is($strict->('own', 300), '300|0|', 'what stays below needs no reason');
is($strict->('own', 1500), '700|0|the queue would exceed its delete_size, 1000, and be deleted', 'the queue is not lifted above delete_size');
is(stored('own') . '|' . $broker->queues->{own}, '500|1000', 'the rest stays');
is($strict->('own', 1500), '0|0|the queue would exceed its delete_size, 1000, and be deleted', 'as ever');
bodies('own', 400);
is($strict->('own', 400), '400|0|', 'what a consumer has taken makes room, as soon as the broker tells that it is done');
sql("INSERT INTO cloudsat.queue_policies (queue, unbounded) VALUES ('^own-unbounded\$', true)");
store('own-unbounded', 1500, 'i::text');
is($strict->('own-unbounded', 1500), '1500|0|', 'where nothing is deleted there is no such limit');
my $archiving = limits('archiving', warn_size => 100, archive_size => 300, delete_size => 1000, enforce => 'on');
store('own-archived', 1500, 'i::text');
is($archiving->('own-archived', 1500), '300|0|the queue would exceed its archive_size, 300, and be archived again', 'nor above archive_size');
sql("ALTER SERVER archiving OPTIONS (SET enforce 'off')");
is($archiving->('own-archived', 1500), '700|0|the queue would exceed its delete_size, 1000, and be deleted', 'where archiving is off, only delete_size counts');

# --- those that expire do not block the others
$broker->amqp('declare', 'heads', 'durable');
store('heads', 5, "'soon'", '0100' . '03' . unpack('H*', '500'));
store('heads', 15, 'i::text');
is(replay('heads', 5), '5|0|5 stay because they expire within a minute', 'what is passed over does not count');
is(replay('heads', 50), '10|0|5 stay because they expire within a minute', 'nor does it keep the others');
is(bodies('heads', 50), join(' ', 1 .. 15), 'which come in their order');

# --- a broker that does not tell
sql("ALTER SERVER pulse OPTIONS (SET management_url 'http://127.0.0.1:9')");
like(($node->psql('postgres', "SELECT cloudsat.replay('pulse', '$vhost', 'policy-a', 5)"))[2],
	qr/broker "pulse" does not report the limits of the queue: .*\nDETAIL:  The kind of fault is refused\./, 'is an error');
is(stored('policy-a'), 240, 'and nothing is sent');
done_testing;
