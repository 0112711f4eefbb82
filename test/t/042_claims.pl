# Claims among many sessions: one winner of fifty at every isolation level, whoever rolls back; connections that end, leases
# that run out, takeover; prepared transactions; a restart.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('claims', conf => "cloudsat.notify = off\nmax_connections = 80\nmax_prepared_transactions = 2\nstatement_timeout = 300s");
my ($socket, $port) = ($node->host, $node->port);

# --- fifty at once -----------------------------------------------------------------------------------------------
sql('CREATE TABLE work (run text, n int, task uuid)', 'CREATE TABLE outcome (run text, n int, won bool)',
	'CREATE TABLE ready (run text)', q{
	CREATE PROCEDURE wait_for_all(run text) LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO ready VALUES (run);
		COMMIT;
		WHILE (SELECT count(*) FROM ready AS r WHERE r.run = wait_for_all.run) < 50 LOOP PERFORM pg_sleep(0.02); END LOOP;
	END $$});

# compete(RUN, ISOLATION, NICK, MESSAGES): all claim all messages, in the same order. Half of them roll back what they win.
# Nobody leaves before all have been there: a claim ends with its connection.
sub compete {
	my ($run, $isolation, $nick, $messages) = @_;
	sql(qq{INSERT INTO work SELECT '$run', n, cloudsat.post('boss\@example.com', 'web.example.com', n::text)
		FROM generate_series(1, $messages) AS n});
	my $script = $node->basedir . "/$run.sql";
	append_to_file($script, "SELECT cloudsat.register(ARRAY[$nick]::cloudsat.address[]);\n");
	append_to_file($script, <<"END") for 1 .. $messages;
BEGIN ISOLATION LEVEL $isolation;
SELECT (cloudsat.claim(task) IS NOT NULL)::int AS won FROM work WHERE run = '$run' AND n = $_ \\gset
\\if :won = 1 and :client_id < 25
ROLLBACK;
\\else
INSERT INTO outcome VALUES ('$run', $_, :won = 1);
COMMIT;
\\endif
END
	append_to_file($script, "CALL wait_for_all('$run');\n");
	my ($out, $err);
	IPC::Run::run([ 'pgbench', '-n', '-c', '50', '-j', '2', '-t', '1', '-f', $script, '-h', $socket, '-p', $port, 'postgres' ],
		'>', \$out, '2>', \$err);
	unlike($err, qr/ERROR|aborted/, "$run: nobody fails") or diag($err);
	is(sql(qq{SELECT count(*), min(winners), max(winners), min(losers) >= 24 FROM (
			SELECT count(*) FILTER (WHERE won) AS winners, count(*) FILTER (WHERE NOT won) AS losers
			FROM outcome WHERE run = '$run' GROUP BY n) AS o}),
		"$messages|1|1|t", "$run: each message has one winner");
	is(sql(qq{SELECT count(*), count(DISTINCT l.message), count(DISTINCT m.before) FROM work AS w
			JOIN cloudsat.claim_log AS l ON l.message = w.task AND l.action = 'claimed'
			JOIN cloudsat.messages AS m ON m.before = w.task AND m.uuid = l.reply AND m.poster = l.nick WHERE w.run = '$run'}),
		"$messages|$messages|$messages", "$run: and one entry in the log, with one reply");
	is(sql(qq{SELECT count(*) FROM cloudsat.messages WHERE before IN (SELECT task FROM work WHERE run = '$run')}),
		$messages, "$run: nothing is left of those who rolled back");
}
my $own = q{'w' || :client_id || '.web.example.com'};
compete('read_committed', 'READ COMMITTED', $own, 20);
compete('serializable', 'SERIALIZABLE', $own, 20);
compete('one_nick', 'REPEATABLE READ', q{'w.web.example.com'}, 5);
is(sql('SELECT (SELECT count(*) FROM cloudsat.claims), (SELECT count(*) FROM cloudsat.orphaned_claims)'), '0|45',
	'when their connections have ended, all of them are orphaned');

# --- another session that comes and goes, by dblink -------------------------------------------------------------
sql('CREATE EXTENSION dblink', 'TRUNCATE cloudsat.claim_log');
my $holder = qq{
	SELECT FROM cloudsat.register('{w1.web.example.com}');
	SELECT cloudsat.post('boss\@example.com', 'web.example.com', 'x') AS task \\gset
	SELECT FROM dblink_connect('holder', 'host=$socket port=$port dbname=postgres');
	SELECT FROM dblink('holder', 'SELECT cloudsat.register(''{w2.web.example.com}'')::text') AS r (t text);
	CREATE FUNCTION pg_temp.by_holder(statement text) RETURNS text LANGUAGE sql AS
		\$\$ SELECT t FROM dblink('holder', 'SELECT ' || statement) AS r (t text) \$\$;
	CREATE FUNCTION pg_temp.log(uuid) RETURNS text LANGUAGE sql AS
		\$\$ SELECT string_agg(action || ' ' || nick, ', ' ORDER BY "timestamp") FROM cloudsat.claim_log WHERE message = \$1 \$\$;
	CREATE FUNCTION pg_temp.state(uuid) RETURNS text LANGUAGE sql AS \$\$
		SELECT CASE WHEN EXISTS (SELECT FROM cloudsat.claims WHERE message = \$1) THEN 'live' ELSE '' END ||
		       CASE WHEN EXISTS (SELECT FROM cloudsat.orphaned_claims WHERE message = \$1) THEN 'orphaned' ELSE '' END \$\$;
	CREATE FUNCTION pg_temp.lost(uuid) RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN
			WHILE pg_temp.state(\$1) <> 'orphaned' LOOP PERFORM pg_sleep(0.01); END LOOP; END \$\$;
	CREATE FUNCTION pg_temp.kill() RETURNS bool LANGUAGE sql AS
		\$\$ SELECT pg_terminate_backend(pid, 30000) FROM cloudsat.connections WHERE nick = 'w2.web.example.com' \$\$;
};
is(sql($holder, q{
		SELECT pg_temp.by_holder(format('cloudsat.claim(%L) IS NOT NULL', :'task'));
		SELECT pg_temp.state(:'task'), cloudsat.claim(:'task') IS NULL;
		SELECT pg_temp.kill();
		SELECT pg_temp.state(:'task'), cloudsat.claim(:'task') IS NOT NULL;
		SELECT pg_temp.state(:'task'), pg_temp.log(:'task');
		SELECT cloudsat.release(:'task', 'end', 'done') IS NOT NULL, pg_temp.state(:'task')}),
	"t\nlive|t\nt\norphaned|t\nlive|claimed w2.web.example.com, taken_over w1.web.example.com\nt|",
	'without a lease a claim ends with its connection, and is taken over');
is(sql($holder, q{
		SELECT pg_temp.by_holder(format('cloudsat.claim(%L, lease => ''1 hour'') IS NOT NULL', :'task'));
		SELECT pg_temp.kill();
		SELECT pg_temp.state(:'task'), cloudsat.claim(:'task') IS NULL;
		SELECT FROM cloudsat.register('{w2.web.example.com}');
		SELECT cloudsat.claim(:'task', 'back', '1 hour') IS NOT NULL, pg_temp.log(:'task')}),
	"t\nt\nlive|t\nt|claimed w2.web.example.com, renewed w2.web.example.com",
	'with one it outlives its connection; the same nick goes on with it, nobody else');
is(sql($holder, q{
		SELECT pg_temp.by_holder(format('cloudsat.claim(%L, lease => ''200 ms'') IS NOT NULL', :'task'));
		SELECT FROM pg_temp.lost(:'task');
		SELECT pg_temp.state(:'task'), cloudsat.claim(:'task', lease => '1 hour') IS NOT NULL;
		SELECT pg_temp.log(:'task'), count(*) FROM cloudsat.connections WHERE nick = 'w2.web.example.com';
		SELECT pg_temp.by_holder(format('cloudsat.claim(%L) IS NULL', :'task'))}),
	"t\norphaned|t\nclaimed w2.web.example.com, taken_over w1.web.example.com|1\nt",
	'a lease that has run out is lost although the connection lives');
sql('CREATE ROLE bot LOGIN', q{SELECT cloudsat.enlist('bot', 'server', 'w2.web.example.com')});
like( ($node->psql('postgres', $holder . q{
			SELECT FROM pg_temp.by_holder('set_config(''role'', ''bot'', false)');
			SELECT FROM pg_temp.by_holder('cloudsat.register(''{w2.web.example.com}'')');
			SELECT pg_temp.by_holder(format('cloudsat.claim(%L, lease => ''1 ms'') IS NOT NULL', :'task'));
			SELECT FROM pg_temp.lost(:'task');
			SELECT FROM cloudsat.claim(:'task');
			SELECT pg_temp.by_holder(format('cloudsat.release(%L, ''end'', ''too late'')', :'task'))}))[2],
	qr/ERROR:  this session has not claimed message .*\nDETAIL:  w1\.web\.example\.com holds it/,
	'who has lost a claim cannot release it any more');

# --- prepared transactions hold it, too -------------------------------------------------------------------------
sql(q{TRUNCATE cloudsat.claim_log, work}, q{INSERT INTO work SELECT '', n, cloudsat.post('boss@example.com', 'web.example.com', 'x')
	FROM generate_series(1, 2) AS n});
sql(q{SELECT FROM cloudsat.register('{w1.web.example.com}')}, 'BEGIN', 'SELECT cloudsat.claim(task) FROM work WHERE n = 1',
	q{PREPARE TRANSACTION 'one'});
my $attempt = q{SELECT FROM cloudsat.register('{w3.web.example.com}'); SET lock_timeout = '100ms';
	SELECT cloudsat.claim(task) IS NOT NULL FROM work WHERE n = 1;};
like(($node->psql('postgres', $attempt))[2], qr/canceling statement due to lock timeout/, 'a prepared claim makes others wait');
is(sql(q{SELECT FROM cloudsat.register('{w3.web.example.com}')}, 'SELECT cloudsat.claim(task) IS NOT NULL FROM work WHERE n = 2'),
	't', 'but not those of another message');
sql(q{ROLLBACK PREPARED 'one'});
is(sql($attempt), 't', 'rolled back, it is free');

# --- a restart ---------------------------------------------------------------------------------------------------
sql(q{SELECT FROM cloudsat.register('{w1.web.example.com}')}, q{SELECT cloudsat.claim(task, lease => '1 hour') FROM work WHERE n = 2});
$node->restart;
is(sql('SELECT (SELECT count(*) FROM cloudsat.claims), (SELECT count(*) FROM cloudsat.orphaned_claims)'), '1|1',
	'after a restart only leases are left');

done_testing();
