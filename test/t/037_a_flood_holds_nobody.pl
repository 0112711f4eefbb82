# A peer that never stops talking keeps nobody waiting, whichever protocol it floods: not stop(), not
# pg_terminate_backend, not DROP SERVER, no statement_timeout; and it fills nobody's memory.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# --- peers. Each process of them ends with the test.
my @peers;
END { local $?; kill 'KILL', @peers if @peers }

# For each connection $begin, and then $flood over and over. Gives the port.
sub peer {
	my ($begin, $flood) = @_;
	my $listener = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.1') or die "cannot listen: $!\n";
	$flood x= 1 + int 65536 / length $flood;
	my $pid = fork // die "cannot fork: $!\n";
	if (!$pid) {
		local $SIG{PIPE} = 'IGNORE';
		local $SIG{CHLD} = 'IGNORE';
		while (my $client = $listener->accept) {
			next if fork;
			sysread $client, my $greeting, 8;
			my $well = $client->syswrite($begin) || !length $begin;
			$well = $client->syswrite($flood) while $well;
			POSIX::_exit(0);
		}
		POSIX::_exit(0);
	}
	push @peers, $pid;
	return $listener->sockport;
}

# AMQP frames
sub frame { my ($type, $channel, $payload) = @_; return pack('CnN', $type, $channel, length $payload) . $payload . "\xCE" }
sub method { my ($channel, $class, $method, $fields) = @_; return frame(1, $channel, pack('nn', $class, $method) . $fields) }
my $start = method(0, 10, 10, "\0\x09" . pack('N', 0) . pack('N/a', 'PLAIN') . pack('N/a', 'en_US'));
my $handshake = $start . method(0, 10, 30, pack('nNn', 2047, 131072, 60)) . method(0, 10, 41, "\0") . method(1, 20, 11, pack('N', 0));
my $heartbeat = frame(8, 0, '');
my %amqp = (
	'heartbeats' => peer($handshake, $heartbeat),
	'heartbeats before the handshake' => peer('', $heartbeat),
	'channel.flow' => peer($handshake, method(1, 20, 20, "\1")),
	'connection.start' => peer($handshake, $start),
	'deliveries' => peer($handshake, method(1, 60, 60, "\x08cloudsat" . pack('Q>C', 1, 0) . "\0\0") . frame(2, 1, pack('nnQ>n', 60, 0, 0, 0))),
);
# HTTP
my %http = (
	'100-continue' => peer('', "HTTP/1.1 100 Continue\r\n\r\n"),
	'headers' => peer("HTTP/1.1 200 OK\r\n", "x: y\r\n"),
	'the header of a chunk' => peer("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1;", 'x'),
	'chunks of a byte' => peer("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\n \r\n"),
);

my $fake = Cloudsat::FakeBroker->start;
$fake->queue('queue/big', messages => 10000);
my $node = new_node('flood', conf => "cloudsat.databases = 'postgres'\nmax_worker_processes = 20");

sub memory { my ($pid) = @_; return slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m ? $1 / 1024 : 0 }

# a guard is at work, and stays at it
sub wait_until_flooded {
	my ($what) = @_;
	wait_until(q{SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'guard' AND state = 'working'
		AND since < clock_timestamp() - interval '1 s'}, 1, 60, "a guard is flooded with $what");
}
# $room: MB that the guard may take meanwhile
sub try_all {
	my ($what, $server, $room) = @_;
	sql($server);
	wait_until_flooded($what);
	my $pid = guard('pid', 'flood');
	within(2, 'pg_terminate_backend', sub { is(sql("SELECT pg_terminate_backend($pid, 5000)"), 't', 'the guard ends') });
	wait_until(qq{SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'guard' AND pid <> $pid}, 1, 30, 'another begins');
	wait_until_flooded($what);
	within(2, 'stop()', sub { sql('SELECT cloudsat.stop()') });
	sql('SELECT cloudsat.start()');
	wait_until_flooded($what);
	my $before = memory(guard('pid', 'flood'));
	my $burst = time + 2;
	wait_until("SELECT extract(epoch FROM clock_timestamp()) > $burst", 't', 10, 'it goes on');
	cmp_ok(memory(guard('pid', 'flood')), '<', $before + $room, 'the memory of the guard stays bounded');
	within(2, 'DROP SERVER', sub { sql('DROP SERVER flood CASCADE') });
	wait_until(q{SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'guard'}, 0, 10, 'and its guard goes');
	return;
}

# --- AMQP: before a queue is deleted, its guard asks how many messages there are
for my $what (sort grep { /heartbeats/ } keys %amqp) {
	try_all($what, $fake->server_sql('flood', amqp_url => "amqp://127.0.0.1:$amqp{$what}", timeout => '600s',
		poll_interval => '1s', enforce => 'on', delete_size => 5000, warn_size => 1000), 20);
}
for my $what (sort keys %amqp) {
	sql($fake->server_sql('other', amqp_url => "amqp://127.0.0.1:$amqp{$what}", timeout => '600s', poll_interval => '300s'));
	my ($status, $error);
	within(2, "replay() amid $what", sub {
		($status, undef, $error) = $node->psql('postgres', q{SET statement_timeout = '1s'; SELECT cloudsat.replay('other', '/', 'q', 1)});
	});
	like($error, $what =~ /heartbeats/ ? qr/statement timeout/ : qr/not asked for/, 'is cancelled, or ends in a fault');
	sql('DROP SERVER other CASCADE');
}

# --- HTTP. What comes in chunks of a byte is a body, which may be as long as max_body.
for my $what (sort grep { /chunk/ } keys %http) {
	try_all($what, Cloudsat::Broker::sql_for('flood', 'u', 'p', management_url => "http://127.0.0.1:$http{$what}",
		timeout => '600s', max_body => '1 GB'), $what =~ /of a byte/ ? 1024 : 20);
}
for my $what (sort grep { !/chunk/ } keys %http) {
	sql(Cloudsat::Broker::sql_for('other', 'u', 'p', management_url => "http://127.0.0.1:$http{$what}", timeout => '600s', poll_interval => '300s'));
	within(5, "poll() amid $what", sub { $node->psql('postgres', q{SELECT cloudsat.poll('other')}) });
	is(sql(q{SELECT last_error_kind FROM cloudsat.polls WHERE server = 'other'}), 'too_large', 'ends in a fault');
	sql('DROP SERVER other CASCADE');
}
within(2, 'pg_ctl stop -m fast', sub { $node->stop('fast') });
done_testing;
