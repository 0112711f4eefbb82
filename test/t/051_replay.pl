# From the archive back to the queue, on a real RabbitMQ, over TLS: as it was, in order, and only what the broker has
# confirmed is removed.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use IO::Socket::INET;
use Test::More;

my $node = new_node('replay', preload => 0);
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;
sub replay { my ($queue, $max, $server) = @_; return "SELECT * FROM cloudsat.replay('" . ($server // 'pulse') . "', '$vhost', '$queue', $max)" }
# puts messages into the archive, as a guard would: properties in hexadecimal, bodies as an SQL expression over i
sub store {
	my ($queue, $count, $properties, $body) = @_;
	sql("INSERT INTO cloudsat.archived_messages (server, vhost, queue, archived_at, exchange, routing_key, redelivered, properties, body)
		SELECT 'pulse', '$vhost', '$queue', now(), '', '$queue', false, '\\x$properties', convert_to($body, 'UTF8')
		FROM generate_series(1, $count) AS i");
}
my $persistent = '100002';

sql($broker->server_sql('pulse', amqp_url => $broker->amqps_url, ca_file => $broker->ca_file));

# --- there and back
$broker->amqp('declare', 'plain', 'durable');
store('plain', 2500, $persistent, 'i::text');
is(sql(replay('plain', 1000)), '1000|0|', 'a thousand are sent back');
is(stored('plain'), '1500', 'and removed here');
is(sql(replay('plain', 1_000_000)), '1500|0|', 'and all the others');
is($broker->queues->{plain}, 2500, 'the queue has them');
my @dumped = $broker->amqp('dump', 'plain', 2500);
is(join(' ', map { (split ' ')[-1] } @dumped), join(' ', 1 .. 2500), 'in their order');
is($dumped[0], " plain $persistent 1 1", 'through the default exchange, with what they had');
is(sql(replay('plain', 10)), '0|0|', 'there is nothing more');

# --- as they were
$broker->amqp('declare', 'rich', 'durable', ',', 'rich', 'rich');
my $before = (split ' ', ($broker->amqp('dump', 'rich', 1))[0])[1];
store('rich', 1, $before, "'body'");
is(sql(replay('rich', 1)), '1|0|', 'a message with everything');
my $after = (split ' ', ($broker->amqp('dump', 'rich', 1))[0])[1];
(my $expected = $before) =~ s/^fff8/ffe8/;
$expected =~ s/0561646d696e//;    # what another user was called
is($after, $expected, 'has all it had, bit for bit, but the user');
my $headers = join '', map { sprintf '%02x%s5300000001%s', length, unpack('H*', $_), '76' } qw(CC a BCC x-delivery-count x-stream-offset b);
store('rich', 1, '2000' . sprintf('%08x', length($headers) / 2) . $headers, "'body'");
sql(replay('rich', 1));
is((split ' ', ($broker->amqp('dump', 'rich', 1))[0])[1], '2000' . '00000010' . '0161530000000176' . '0162530000000176',
	'headers that would send it elsewhere, or are the broker\'s own, are left out');
store('rich', 1, 'ffff', "'body'");
is(sql(replay('rich', 1)), '1|0|', 'properties that are none');
is((split ' ', ($broker->amqp('dump', 'rich', 1))[0])[1], '0000', 'are sent as none');

# --- large, small, quorum, priorities
$broker->amqp('declare', 'large', 'durable', ',', 'declare', 'quorum', 'durable', 'x-queue-type=quorum', ',',
	'declare', 'ranks', 'durable', 'x-max-priority=5');
store('large', 3, $persistent, "repeat('x', 16777216)");
store('large', 20, $persistent, "''");
is(sql(replay('large', 100)), '23|0|', 'bodies of 16 MB, and none');
is(join(' ', map { (split ' ')[2] } $broker->amqp('dump', 'large', 100)), join(' ', (16777216) x 3, (0) x 20), 'are whole');
store('quorum', 500, $persistent, 'i::text');
is(sql(replay('quorum', 500)), '500|0|', 'a quorum queue');
is(join(' ', map { (split ' ')[-1] } $broker->amqp('dump', 'quorum', 500)), join(' ', 1 .. 500), 'gets them in order');
store('ranks', 1, '080001', "'low'");
store('ranks', 1, '080005', "'high'");
sql(replay('ranks', 2));
is(join(' ', map { (split ' ')[-1] } $broker->amqp('dump', 'ranks', 2)), 'high low', 'priorities count');

# --- what the broker does not take stays
store('nowhere', 5, $persistent, "'body'");
is(sql(replay('nowhere', 5)), '0|5|the queue does not exist', 'without a queue nothing is lost');
is(stored('nowhere'), '5', 'all of it is still here');
$broker->amqp('declare', 'narrow', 'durable', 'x-max-length=3', 'x-overflow=reject-publish');
store('narrow', 10, $persistent, 'i::text');
is(sql(replay('narrow', 10)), '3|0|the queue has no room: its max-length is 3', 'a queue that is full');
is($broker->queues->{narrow} + stored('narrow'), 10, 'has what is not here any more');
is(join(' ', map { (split ' ')[-1] } $broker->amqp('dump', 'narrow', 10)), join(' ', 1 .. 10 - stored('narrow')), 'the oldest');
$broker->must_api(PUT => '/permissions/' . Cloudsat::Broker::escape($vhost) . '/guardian', { configure => '.*', write => '', read => '.*' });
store('plain', 5, $persistent, "'body'");
like(sql(replay('plain', 5)), qr/^0\|5\|.*ACCESS_REFUSED/, 'without the right to write');
is(stored('plain'), '5', 'nothing is removed');
$broker->must_api(PUT => '/permissions/' . Cloudsat::Broker::escape($vhost) . '/guardian', { configure => '.*', write => '^amq\.default$', read => '' });
is(sql(replay('plain', 5)), '5|0|', 'that right is enough');
$broker->amqp('get', 'plain', 5);

# --- the transaction around it
store('plain', 4, $persistent, 'i::text');
sql('BEGIN; ' . replay('plain', 2) . '; ROLLBACK');
is(stored('plain') . '|' . $broker->queues->{plain}, '4|2', 'rolled back, they are here and there');
my $taker = $node->background_psql('postgres');
$taker->query("BEGIN; SELECT count(*) FROM cloudsat.take_archived('pulse', '$vhost', 'plain', 1)");
is(sql(replay('plain', 10)), '3|0|', 'what somebody else is taking is passed over, without waiting');
$taker->query('ROLLBACK');
$taker->quit;
is(stored('plain'), '1', 'and stays when he thinks better of it');
is(sql(replay('plain', 10)), '1|0|', 'for the next time');

# --- how to get through
sql($broker->server_sql('untrusted', amqp_url => $broker->amqps_url));
sql($broker->server_sql('careless', amqp_url => $broker->amqps_url, tls_verify => 'off'));
sql($broker->server_sql('clear', amqp_url => $broker->amqp_url));
sub refused {
	my ($server, $pattern, $what, $more) = @_;
	my ($status, $out, $error) = $node->psql('postgres', ($more // '') . replay('plain', 1, $server));
	like($error, $pattern, $what);
}
refused('untrusted', qr/could not be reached over AMQP: could not secure the connection.*\nDETAIL:  The kind of fault is tls\./, 'a certificate that is not trusted');
is(sql(replay('plain', 1, 'careless')), '0|0|', 'unless nobody cares');
is(sql(replay('plain', 1, 'clear')), '0|0|', 'without TLS');
sql('ALTER USER MAPPING FOR CURRENT_USER SERVER clear OPTIONS (SET password \'wrong\')');
refused('clear', qr/ACCESS_REFUSED.*\nDETAIL:  The kind of fault is unauthorized\./, 'a wrong password');
(my $elsewhere = replay('plain', 1)) =~ s/\Q$vhost\E/nowhere/;
like(($node->psql('postgres', $elsewhere))[2], qr/vhost nowhere not found/, 'a virtual host that is not there');

# --- a broker that hangs keeps nobody
my $deaf = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die $!;
sql($broker->server_sql('deaf', amqp_url => 'amqp://127.0.0.1:' . $deaf->sockport, timeout => '60s'));
within(3, 'cancelling', sub { refused('deaf', qr/statement timeout/, 'a broker that says nothing', "SET statement_timeout = '500ms'; ") });
sql("ALTER SERVER deaf OPTIONS (SET timeout '700ms')");
within(3, 'its timeout', sub { refused('deaf', qr/did not answer within 700 ms/, 'ends the wait') });
done_testing;
