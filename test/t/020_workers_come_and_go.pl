# The processes of a preloaded cluster: they begin where cloudsat.databases says and the extension is, follow what
# becomes of it, come back when they are ended, and hold no transaction while they wait.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('workers', extension => 0, conf => qq{
	cloudsat.databases = 'postgres, "Late One", missing'
	max_worker_processes = 16
	autovacuum = off
	restart_after_crash = on
});

# who is there: kind, database, server and state, one per line
my $who = q{SELECT string_agg(concat_ws('/', kind, database, server), ' ' ORDER BY kind, database, server)
	FROM cloudsat.worker_status WHERE kind <> 'supervisor'};
my $launchers = q{SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_stat_activity
	WHERE backend_type = 'cloudsat launcher'};
my $guards = q{SELECT string_agg(application_name, ' ' ORDER BY application_name) FROM pg_stat_activity
	WHERE backend_type = 'cloudsat guard'};
sub pid_of { return sql("SELECT pid FROM cloudsat.worker_status WHERE $_[0]") }

# --- databases
wait_until($launchers, 'postgres', 60, 'a launcher begins in a database that is named');
until_logged(qr/names database "missing", which does not exist/, 'a database that does not exist is told');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cloudsat supervisor'
	AND datname IS NULL}), 1, 'the supervisor is connected to no database');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cloudsat launcher'
	AND state = 'idle' AND application_name = 'cloudsat launcher for postgres'}), 1, 'pg_stat_activity names it');
sql('CREATE DATABASE "Late One"');
wait_until($launchers, 'Late One postgres', 60, 'and in one that is created later');
is(() = slurp_file($node->logfile) =~ /names database "missing"/g, 1, 'a missing database is told once');

# --- the extension
sql('CREATE EXTENSION cloudsat');
wait_until(q{SELECT state FROM cloudsat.worker_status WHERE kind = 'launcher' AND database = 'postgres'}, 'idle', 60,
	'the launcher finds an extension that is created later');
is(sql(q{SELECT state FROM cloudsat.worker_status WHERE database = 'Late One'}),
	'waiting for the extension', 'the other goes on waiting');

wait_until(q{SELECT count(*) > 1 FROM pg_inherits WHERE inhparent = 'cloudsat.messages'::regclass}, 't', 60,
	'maintain() has been called');

# --- servers
sql(q{
	CREATE SERVER incomplete FOREIGN DATA WRAPPER rabbitmq;
	CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:9');
	CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password 'x')});
wait_until($guards, 'cloudsat guard for pulse', 60, 'a server gets a guard, and an incomplete one does not');
sql(q{
	CREATE USER MAPPING FOR CURRENT_USER SERVER incomplete OPTIONS (user 'guardian', password 'x');
	ALTER SERVER incomplete OPTIONS (ADD management_url 'http://127.0.0.1:9')});
wait_until($who, 'guard/postgres/incomplete guard/postgres/pulse launcher/Late One launcher/postgres notifier/postgres', 60,
	'a server that is completed gets one');
sql('ALTER SERVER incomplete RENAME TO other');
wait_until($who, qr{guard/postgres/other}, 60, 'worker_status learns that a server was renamed');
sql('DROP SERVER other CASCADE');
wait_until($guards, 'cloudsat guard for pulse', 60, 'a server that is dropped loses its guard');
until_logged(qr/cloudsat guard for incomplete ends: its server no longer exists/, 'which takes its leave by itself');
sql(q{DROP USER MAPPING FOR CURRENT_USER SERVER pulse});
wait_until($guards, '', 60, 'so does one that lost its mapping');
sql(q{CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password 'x')});
wait_until($guards, 'cloudsat guard for pulse', 60, 'until it has one again');

# --- waiting
wait_until(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'cloudsat %' AND state = 'idle'
	AND backend_xmin IS NULL AND xact_start IS NULL}, 5, 60, 'who waits has no transaction and no snapshot');

# --- being ended
wait_until(q{SELECT state FROM cloudsat.worker_status WHERE kind = 'supervisor'}, 'idle', 30, 'the supervisor says that it is idle');
for my $kind (qw(guard notifier launcher supervisor)) {
	my $condition = "kind = '$kind' AND coalesce(database, 'postgres') = 'postgres'";
	my $old = pid_of($condition);
	ok(sql("SELECT pg_terminate_backend($old, 2000)") eq 't', "a $kind ends within 2 s");
	wait_until("SELECT count(*) FROM cloudsat.worker_status WHERE $condition AND pid <> $old", 1, 20,
		"and another $kind takes over");
}
is(sql(q{SELECT count(*), count(DISTINCT (kind, database, server)) FROM cloudsat.worker_status}),
	'5|5', 'no duty is done twice');

# --- what a database's owner sets for sessions is not for workers
sql(q{
	CREATE ROLE nobody;
	CREATE SCHEMA trap;
	CREATE FUNCTION trap.unnest(text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$;
	ALTER DATABASE postgres SET default_transaction_read_only = on;
	ALTER DATABASE postgres SET role = nobody;
	ALTER DATABASE postgres SET search_path = trap, pg_catalog;
	ALTER DATABASE postgres SET statement_timeout = 1;
	ALTER DATABASE postgres SET lock_timeout = 1});
my $launcher = sql_in('template1', q{SELECT pid FROM pg_stat_activity
	WHERE application_name = 'cloudsat launcher for postgres'});
sql_in('template1', "SELECT pg_terminate_backend($launcher, 5000)");
sql_in('template1', "ALTER DATABASE postgres RESET ALL");
wait_until("SELECT rounds > 3 AND failures = 0 FROM cloudsat.worker_status
	WHERE kind = 'launcher' AND database = 'postgres' AND pid <> $launcher", 't', 60,
	'a launcher works whatever the database sets for its sessions');
unlike(slurp_file($node->logfile), qr/ERROR:(?!.*cloudsat\.worker_status)/, 'without an error');

# --- a crash
my $before = pid_of(q{kind = 'guard'});
crash();
wait_until($who, 'guard/postgres/pulse launcher/Late One launcher/postgres notifier/postgres', 60, 'and the workers return');
isnt(pid_of(q{kind = 'guard'}), $before, 'as new processes');

# --- settings
$node->append_conf('postgresql.conf', q{cloudsat.databases = 'missing'});
$node->reload;
wait_until($launchers, '', 60, 'reloading a shorter list ends launchers');
wait_until($guards, '', 60, 'and guards');
$node->append_conf('postgresql.conf', q{cloudsat.databases = 'postgres, a b'});
$node->reload;
until_logged(qr/invalid value for parameter "cloudsat.databases": "postgres, a b"/, 'a list that cannot be split is refused');
$node->append_conf('postgresql.conf', q{cloudsat.databases = 'postgres'});
$node->reload;
wait_until($who, 'guard/postgres/pulse launcher/postgres notifier/postgres', 60, 'reloading a longer list starts them');

# --- by hand
is(sql('SELECT cloudsat.start()'), 'f', 'start() says that they run already');
within(2, 'stop()', sub { is(sql('SELECT cloudsat.stop()'), 't', 'stop() says that they ran') });
is(sql($who), '', 'nobody is there when it returns');
is(sql('SELECT cloudsat.stop()'), 'f', 'stop() may be repeated');
$node->reload;
my $supervisor = pid_of(q{kind = 'supervisor'});
sql("SELECT pg_terminate_backend($supervisor)");
wait_until("SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'supervisor' AND pid <> $supervisor AND rounds > 0",
	1, 60, 'a new supervisor looks around');
is(sql($who), '', 'and starts nobody against a stop()');
is(sql('SELECT cloudsat.start()'), 't', 'start() says that it started them');
wait_until($who, 'guard/postgres/pulse launcher/postgres notifier/postgres', 60, 'and they are back');

# --- the extension goes, and comes
sql('DROP EXTENSION cloudsat CASCADE');
wait_until($guards, '', 60, 'guards end when the extension is dropped');
sql(q{CREATE EXTENSION cloudsat;
	CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:9');
	CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password 'x')});
wait_until($who, 'guard/postgres/pulse launcher/postgres notifier/postgres', 60, 'and begin when it is created again');

unlike(slurp_file($node->logfile), qr/TRAP|PANIC|signal 11|unrecognized/, 'nothing broke meanwhile');
$node->stop('fast');
done_testing;
