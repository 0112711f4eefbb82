# Whatever ALTER DEFAULT PRIVILEGES gives to whomever, a bot has the rights that the documentation says and no others: on what
# CREATE EXTENSION makes, on the partitions that come later, after a restore, and on what an update of the extension adds.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('rights', extension => 0);
sub generous {
	my ($in) = @_;
	return join ";\n", map { "ALTER DEFAULT PRIVILEGES $in GRANT ALL ON $_ TO PUBLIC, crowd" } qw(TABLES ROUTINES SEQUENCES TYPES);
}
# what the bot is told
sub refusal {
	my ($statement, $database) = @_;
	my (undef, undef, $stderr) = $node->psql($database // 'postgres', "\\set VERBOSITY sqlstate\nSET SESSION AUTHORIZATION mallory;\n$statement");
	return $stderr =~ /ERROR:  (\w+)/ ? $1 : 'nothing';
}
# on which objects somebody has rights who is neither the owner nor one of the groups
my $strangers = q{SELECT coalesce(string_agg(name, ' '), 'none') FROM _cloudsat.objects()
	WHERE EXISTS (SELECT FROM unnest(grantees) AS g WHERE g = 0 OR g NOT IN (SELECT oid FROM pg_roles WHERE rolname ~ '^cloudsat_(server|task|adhoc|admin)$'))};

sql('CREATE ROLE crowd; CREATE ROLE mallory LOGIN IN ROLE crowd');
sql(generous(''));
sql('ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC, crowd');
sql('CREATE EXTENSION cloudsat');
is(sql($strangers), 'none', 'CREATE EXTENSION leaves nothing to strangers');
sql(q{SELECT cloudsat.enlist('mallory', 'server', 'mallory.example.com')});
sql(generous('IN SCHEMA cloudsat'));
sql(q{SELECT cloudsat.post('secret.example.com', 'secret.example.com', 'x')});
sql('SELECT FROM cloudsat.maintain()');
is(sql($strangers), 'none', 'nor does maintain()');
my @partitions = split /\n/, sql(q{SELECT c.oid::regclass FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid
	WHERE inhparent::regclass::text IN ('cloudsat.messages', 'cloudsat.queue_history')});
cmp_ok(scalar @partitions, '>=', 8, 'partitions were made');
is(join(' ', map { refusal("SELECT count(*) FROM $_") } @partitions), join(' ', ('42501') x @partitions), 'a bot reads none of them');
is(join(' ', map { refusal("CREATE TEMP TABLE pin (x $_, y $_\[])") } @partitions), join(' ', ('42501') x @partitions), 'and makes no column of their types');
is(refusal('SELECT count(*) FROM cloudsat.messages'), '42501', 'it does not read the board');
is(refusal(q{SELECT cloudsat.register('{mallory.example.com}'); SELECT cloudsat.post('.', 'x')}), '42501', 'starts no thread');
is(refusal(q{SELECT FROM cloudsat.cleanup('0')}), '42501', 'and cleans nothing up');
is(refusal(q{SELECT cloudsat.register('{mallory.example.com}')}), 'nothing', 'but does what it may');

# --- the launcher's partitions
sql('SELECT cloudsat.start()');
sql('ALTER SYSTEM SET cloudsat.partitions_ahead = 5');
sql('SELECT pg_reload_conf()');
sql('SELECT cloudsat.stop()');
sql('SELECT cloudsat.start()');
wait_until(q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'cloudsat.messages'::regclass}, 7, 30, 'the launcher makes more');
is(sql($strangers), 'none', 'as closed as the others');

# --- a restore into a generous database: the rights on row types are in no dump
sql('CREATE DATABASE restored');
sql_in('restored', generous(''));
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'a dump');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'restored' ], 'is restored');
sql_in('restored', 'SELECT FROM cloudsat.maintain()');
is(sql_in('restored', $strangers), 'none', 'where maintain() closes the partitions again');
is(refusal("CREATE TEMP TABLE pin (x $partitions[0])", 'restored'), '42501', 'and their types');

# --- what an update script makes
sql('BEGIN; CREATE TABLE cloudsat.newcomer (id int); ALTER EXTENSION cloudsat ADD TABLE cloudsat.newcomer;
	GRANT SELECT (id) ON cloudsat.newcomer TO crowd; COMMIT');
is(sql($strangers), 'cloudsat.newcomer cloudsat.newcomer', 'a new member is open, and so is its type');
sql(q{GRANT SELECT ON cloudsat.outbox TO crowd});
sql(q{SELECT _cloudsat.revoke(kind, name, grantees) FROM _cloudsat.objects() WHERE name = 'cloudsat.newcomer'});
is(sql($strangers), 'cloudsat.outbox', 'the script closes it, and leaves what an administrator has granted');
is(sql(q{SELECT has_any_column_privilege('mallory', 'cloudsat.newcomer', 'SELECT')}), 'f', 'columns, too');
$node->stop;
done_testing;
