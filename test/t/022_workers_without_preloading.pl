# start() and stop() in a server that does not preload the library: the workers run, come back when they are ended, and
# leave nothing behind, whatever becomes of the extension, the transaction that started them, or the database.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('bare', preload => 0, conf => qq{
	max_worker_processes = 8
	max_logical_replication_workers = 0
	restart_after_crash = on
});
my $workers = q{SELECT string_agg(backend_type || ' ' || datname, ', ' ORDER BY backend_type, datname)
	FROM pg_stat_activity WHERE backend_type LIKE 'cloudsat%'};
my $server = q{
	CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:9');
	CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password 'x')};
my $all = 'cloudsat guard postgres, cloudsat launcher postgres';
$node->safe_psql('postgres', $server);

is($node->safe_psql('postgres', 'SELECT count(*) FROM cloudsat.worker_status'), 0, 'nobody is there by itself');
is($node->safe_psql('postgres', 'SELECT cloudsat.stop()'), 'f', 'stop() finds nobody');
is($node->safe_psql('postgres', 'SELECT cloudsat.start()'), 't', 'start() starts them');
is($node->safe_psql('postgres', q{SELECT kind, database FROM cloudsat.worker_status WHERE kind = 'launcher'}),
	'launcher|postgres', 'worker_status shows the launcher when start() returns');
is($node->safe_psql('postgres', 'SELECT cloudsat.start()'), 'f', 'start() may be repeated');
wait_until($node, $workers, $all, 30, 'a guard follows');

# --- being ended
for my $kind (qw(guard launcher)) {
	my $old = $node->safe_psql('postgres', "SELECT pid FROM cloudsat.worker_status WHERE kind = '$kind'");
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($old, 2000)");
	wait_until($node, "SELECT count(*) FROM cloudsat.worker_status WHERE kind = '$kind' AND pid <> $old", 1, 20,
		"a $kind that was terminated comes back");
}
my $victim = $node->background_psql('postgres', on_error_stop => 0);
my $backend = $victim->query('SELECT pg_backend_pid()');
kill 'KILL', $backend;
eval { $victim->quit };
$node->poll_query_until('postgres', 'SELECT 1', '1') or die 'the server does not recover';
wait_until($node, $workers, $all, 60, 'they come back after a crash');

# --- who may
$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN; CREATE ROLE keeper LOGIN; GRANT cloudsat_admin TO keeper;
	CREATE ROLE watcher LOGIN; GRANT cloudsat_adhoc TO watcher');
for my $call (qw(start stop)) {
	my ($status, $out, $err) = $node->psql('postgres', "SELECT cloudsat.$call()", extra_params => [ '-U', 'watcher' ]);
	like($err, qr/permission denied for function $call/, "$call() is not for everybody");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM cloudsat.worker_status', extra_params => [ '-U', 'watcher' ]), 2,
	'worker_status is for adhoc roles');
my ($status, $out, $err) =
  $node->psql('postgres', 'SELECT * FROM cloudsat.worker_status', extra_params => [ '-U', 'nobody' ]);
like($err, qr/permission denied/, 'and not for everybody');
within(2, 'stop()', sub {
	is($node->safe_psql('postgres', 'SELECT cloudsat.stop()', extra_params => [ '-U', 'keeper' ]), 't', 'an admin may stop()');
});
is($node->safe_psql('postgres', $workers), '', 'nobody is there when stop() returns');
is($node->safe_psql('postgres', 'SELECT cloudsat.start()', extra_params => [ '-U', 'keeper' ]), 't', 'and start()');
wait_until($node, $workers, $all, 30, 'and they are back');

# --- the extension
$node->safe_psql('postgres', 'DROP EXTENSION cloudsat CASCADE');
wait_until($node, $workers, '', 30, 'all end when the extension is dropped');
$node->safe_psql('postgres', "BEGIN; CREATE EXTENSION cloudsat; SELECT cloudsat.start(); $server; COMMIT");
wait_until($node, $workers, $all, 30, 'start() together with CREATE EXTENSION waits for the commit');
$node->safe_psql('postgres', 'DROP EXTENSION cloudsat CASCADE');
wait_until($node, $workers, '', 30, 'dropped again');
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; CREATE EXTENSION cloudsat; SELECT cloudsat.start()');
wait_until($node, $workers, 'cloudsat launcher postgres', 30, 'a launcher waits for a transaction that is open');
$session->query_safe('ROLLBACK');
wait_until($node, $workers, '', 30, 'and ends when that is rolled back');
$session->quit;

# --- databases
$node->safe_psql('postgres', 'CREATE DATABASE one; CREATE DATABASE two');
for my $database (qw(one two)) {
	$node->safe_psql($database, 'CREATE EXTENSION cloudsat; SELECT cloudsat.start()');
}
wait_until($node, $workers, 'cloudsat launcher one, cloudsat launcher two', 30, 'each database has workers of its own');
($status, $out, $err) = $node->psql('postgres', 'DROP DATABASE one');
like($err, qr/is being accessed by other users/, 'without preloading, workers keep their database from being dropped');
is($node->safe_psql('one', 'SELECT cloudsat.stop()'), 't', 'stop() ends them');
is($node->safe_psql('postgres', $workers), 'cloudsat launcher two', 'there, and nowhere else');
$node->safe_psql('postgres', 'DROP DATABASE one');
pass('after which the database can be dropped');
$node->safe_psql('postgres', 'DROP DATABASE two WITH (FORCE)');
my $gone = qr/FATAL:  database \d+ does not exist/;
my $end = time + patience(60);
select undef, undef, undef, 0.1 until slurp_file($node->logfile) =~ $gone || time > $end;
like(slurp_file($node->logfile), $gone, 'the launcher of a database that was dropped by force comes back once');

# --- no room
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION cloudsat');
($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT cloudsat.start()");
like($err, qr/ERROR:  55000: .*all background workers are in use.*HINT:  Increase max_worker_processes/s,
	'start() says when there is no room');

is(() = slurp_file($node->logfile) =~ /$gone/g, 1, 'and only once');
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|signal 11/, 'nothing broke meanwhile');
$node->stop('fast');
done_testing;
