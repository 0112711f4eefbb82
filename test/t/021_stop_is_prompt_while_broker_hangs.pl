# A broker that takes the connection and never answers keeps nobody waiting: not pg_terminate_backend, not DROP SERVER,
# DROP EXTENSION or ALTER EXTENSION, no command that needs a database for itself, no vacuum, no fast shutdown.
use strict;
use warnings;
use Cloudsat::Test;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The kernel completes connections to a socket that listens; nobody ever accepts or answers them.
my $broker = IO::Socket::INET->new(Listen => 100, LocalAddr => '127.0.0.1', Proto => 'tcp') or die "no socket: $!\n";
my $url = 'http://127.0.0.1:' . $broker->sockport;

my $node = new_node('hanging', extension => 0, conf => qq{
	cloudsat.databases = 'postgres, watched'
	max_worker_processes = 20
});
# The path makes it another broker in each database: of one and the same, all but one guard would stand by.
sub create_server {
	my ($database) = @_;
	return qq{
	CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url '$url/$database', timeout '600s');
	CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password 'x')};
}

# waits for a guard that waits for the broker, in the database named
sub wait_until_hanging {
	my ($database) = @_;
	wait_until(qq{SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'guard' AND database = '$database'
		AND state = 'working' AND since < clock_timestamp() - interval '0.3 s'}, 1, 60,
		"a guard in database $database waits for the broker");
}
sub make_watched {
	my ($database) = @_;
	sql("CREATE DATABASE $database");
	sql_in($database, "CREATE EXTENSION cloudsat; " . create_server($database));
	wait_until_hanging($database);
}
sub prompt { my ($command, $database) = @_;
	within(2, $command, sub { sql_in($database // 'postgres', $command) }) }

sql("CREATE EXTENSION cloudsat; " . create_server('postgres'));
wait_until_hanging('postgres');
is(sql(q{SELECT state, xact_start, backend_xmin FROM pg_stat_activity
	WHERE backend_type = 'cloudsat guard'}), 'active||', 'it holds no transaction and no snapshot meanwhile');

# --- the process
my $old = sql(q{SELECT pid FROM cloudsat.worker_status WHERE kind = 'guard'});
within(2, 'pg_terminate_backend', sub {
	is(sql("SELECT pg_terminate_backend($old, 5000)"), 't', 'the guard ends');
});
wait_until(qq{SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'guard' AND pid <> $old}, 1, 20,
	'and another takes over');
wait_until_hanging('postgres');
prompt('SELECT cloudsat.stop()');
prompt('SELECT cloudsat.start()');
wait_until_hanging('postgres');

# --- other databases: a barrier goes through every process
sql('CREATE DATABASE unrelated');
prompt('DROP DATABASE unrelated');

# --- its own database
make_watched('watched');
prompt('CREATE DATABASE copy TEMPLATE watched');
wait_until_hanging('watched');
prompt('ALTER DATABASE watched RENAME TO other');
wait_until(q{SELECT count(*) FROM cloudsat.worker_status WHERE database = 'other'}, 0, 20,
	'workers do not follow a database to a name that is not listed');
sql('ALTER DATABASE other RENAME TO watched');
wait_until_hanging('watched');
prompt('BEGIN; ALTER DATABASE watched RENAME TO other; ROLLBACK');
wait_until_hanging('watched');
mkdir $node->basedir . '/space' or die;
sql(sprintf q{CREATE TABLESPACE space LOCATION '%s'}, $node->basedir . '/space');
prompt('ALTER DATABASE watched SET TABLESPACE space');
wait_until_hanging('watched');
prompt('DROP DATABASE watched');
make_watched('watched');
prompt('DROP DATABASE watched WITH (FORCE)');
make_watched('watched');

# --- commands that fail stop nobody, or not for long
sql('CREATE ROLE nobody LOGIN');
$old = sql(q{SELECT pid FROM cloudsat.worker_status WHERE database = 'watched' AND kind = 'guard'});
for my $command ('DROP DATABASE watched', 'ALTER DATABASE watched RENAME TO x', 'CREATE DATABASE x TEMPLATE watched') {
	$node->psql('postgres', $command, extra_params => [ '-U', 'nobody' ]);
	$node->psql('postgres', "BEGIN; $command") if $command !~ /RENAME/;
}
$node->psql('watched', 'DROP DATABASE watched');
is(sql(q{SELECT pid FROM cloudsat.worker_status WHERE database = 'watched' AND kind = 'guard'}),
	$old, 'commands that are refused from the start stop nobody');
my $client = $node->background_psql('watched');
my ($status, $out, $err) = $node->psql('postgres', 'DROP DATABASE watched');
like($err, qr/There is 1 other session using the database/, 'somebody else keeps the database from being dropped');
$client->quit;
wait_until_hanging('watched');

# --- the extension, and the server
prompt('DROP SERVER pulse CASCADE');
wait_until(q{SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'guard' AND database = 'postgres'}, 0, 10,
	'the guard of a server that was dropped does not wait for its broker');
sql(create_server('postgres'));
wait_until_hanging('postgres');
prompt('ALTER EXTENSION cloudsat UPDATE');
prompt('DROP EXTENSION cloudsat CASCADE');
wait_until(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cloudsat guard' AND datname = 'postgres'},
	0, 10, 'nor does that of an extension that was dropped');
sql("CREATE EXTENSION cloudsat; " . create_server('postgres'));
wait_until_hanging('postgres');

# --- the end
within(2, 'pg_ctl stop -m fast', sub { $node->stop('fast') });

# --- where no worker runs
command_ok([ 'pg_ctl', '-D', $node->data_dir, '-l', $node->logfile, '-w', '-o', '-b -c listen_addresses=', 'start' ],
	'a server in the mode of pg_upgrade starts');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'cloudsat%'}), 0,
	'and runs no worker');
command_ok([ 'pg_ctl', '-D', $node->data_dir, '-w', '-m', 'fast', 'stop' ], 'and stops');
my $said;
IPC::Run::run([ 'postgres', '--single', '-D', $node->data_dir, 'postgres' ],
	'<', \"SELECT cloudsat.stop()\nSELECT cloudsat.start()\nDROP DATABASE watched\nSELECT 'done' AS said\n", '>&', \$said);
like($said, qr/cannot start cloudsat's workers in this mode/, 'start() is refused in single-user mode');
like($said, qr/said = "done"/, 'where a database can be dropped');
unlike($said, qr/database "watched"/, 'without complaint');
nothing_broke();
done_testing;
