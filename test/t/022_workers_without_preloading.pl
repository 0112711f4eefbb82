# start() and stop() in a server that does not preload the library: the workers run, come back when they are ended, and
# leave nothing behind, whatever becomes of the extension, the transaction that started them, or the database.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

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
sql($server);

is(sql('SELECT count(*) FROM cloudsat.worker_status'), 0, 'nobody is there by itself');
is(sql('SELECT cloudsat.stop()'), 'f', 'stop() finds nobody');
is(sql('SELECT cloudsat.start()'), 't', 'start() starts them');
is(sql(q{SELECT kind, database FROM cloudsat.worker_status WHERE kind = 'launcher'}),
	'launcher|postgres', 'worker_status shows the launcher when start() returns');
is(sql('SELECT cloudsat.start()'), 'f', 'start() may be repeated');
wait_until($workers, $all, 30, 'a guard follows');

# --- being ended
for my $kind (qw(guard launcher)) {
	my $old = sql("SELECT pid FROM cloudsat.worker_status WHERE kind = '$kind'");
	sql("SELECT pg_terminate_backend($old, 2000)");
	wait_until("SELECT count(*) FROM cloudsat.worker_status WHERE kind = '$kind' AND pid <> $old", 1, 20,
		"a $kind that was terminated comes back");
}
crash();
wait_until($workers, $all, 60, 'they come back after a crash');

# --- who may
sql('CREATE ROLE nobody LOGIN; CREATE ROLE keeper LOGIN; GRANT cloudsat_admin TO keeper;
	CREATE ROLE watcher LOGIN; GRANT cloudsat_adhoc TO watcher');
for my $call (qw(start stop)) {
	my ($status, $out, $err) = $node->psql('postgres', "SELECT cloudsat.$call()", extra_params => [ '-U', 'watcher' ]);
	like($err, qr/permission denied for function $call/, "$call() is not for everybody");
}
is(as('watcher', 'SELECT count(*) FROM cloudsat.worker_status'), 2,
	'worker_status is for adhoc roles');
my ($status, $out, $err) =
  $node->psql('postgres', 'SELECT * FROM cloudsat.worker_status', extra_params => [ '-U', 'nobody' ]);
like($err, qr/permission denied/, 'and not for everybody');
within(2, 'stop()', sub {
	is(as('keeper', 'SELECT cloudsat.stop()'), 't', 'an admin may stop()');
});
is(sql($workers), '', 'nobody is there when stop() returns');
is(as('keeper', 'SELECT cloudsat.start()'), 't', 'and start()');
wait_until($workers, $all, 30, 'and they are back');

# --- the extension
sql('DROP EXTENSION cloudsat CASCADE');
wait_until($workers, '', 30, 'all end when the extension is dropped');
sql("BEGIN; CREATE EXTENSION cloudsat; SELECT cloudsat.start(); $server; COMMIT");
wait_until($workers, $all, 30, 'start() together with CREATE EXTENSION waits for the commit');
sql('DROP EXTENSION cloudsat CASCADE');
wait_until($workers, '', 30, 'dropped again');
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; CREATE EXTENSION cloudsat; SELECT cloudsat.start()');
wait_until($workers, 'cloudsat launcher postgres', 30, 'a launcher waits for a transaction that is open');
$session->query_safe('ROLLBACK');
wait_until($workers, '', 30, 'and ends when that is rolled back');
$session->quit;

# --- databases
sql('CREATE DATABASE one; CREATE DATABASE two');
for my $database (qw(one two)) {
	sql_in($database, 'CREATE EXTENSION cloudsat; SELECT cloudsat.start()');
}
wait_until($workers, 'cloudsat launcher one, cloudsat launcher two', 30, 'each database has workers of its own');
($status, $out, $err) = $node->psql('postgres', 'DROP DATABASE one');
like($err, qr/is being accessed by other users/, 'without preloading, workers keep their database from being dropped');
is(sql_in('one', 'SELECT cloudsat.stop()'), 't', 'stop() ends them');
is(sql($workers), 'cloudsat launcher two', 'there, and nowhere else');
sql('DROP DATABASE one');
pass('after which the database can be dropped');
sql('DROP DATABASE two WITH (FORCE)');
my $gone = qr/FATAL:  database \d+ does not exist/;
until_logged($gone, 'the launcher of a database that was dropped by force comes back once');

# --- no room
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
sql('CREATE EXTENSION cloudsat');
($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT cloudsat.start()");
like($err, qr/ERROR:  55000: .*all background workers are in use.*HINT:  Increase max_worker_processes/s,
	'start() says when there is no room');

is(() = slurp_file($node->logfile) =~ /$gone/g, 1, 'and only once');
nothing_broke();
$node->stop('fast');
done_testing;
