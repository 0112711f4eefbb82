# The board in a real server: what rings and when; partitions while bots post; dump and restore; DROP EXTENSION; prepared
# transactions; a standby; memory.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('board', allows_streaming => 1, conf => "max_prepared_transactions = 2\nmax_connections = 50");
my $socket = $node->host;
my $port = $node->port;

# --- ringing: another connection listens, by dblink --------------------------------------------------------------
# what it heard comes with the answer to its next query
sql('CREATE EXTENSION dblink', q{
	CREATE FUNCTION heard() RETURNS TABLE (channel text, payload text) LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM FROM dblink('ear', 'SELECT 1') AS r (n int);
		RETURN QUERY SELECT notify_name, extra FROM dblink_get_notify('ear');
	END $$});
my $listen = qq{
	SELECT FROM dblink_connect('ear', 'host=$socket port=$port dbname=postgres');
	SELECT FROM dblink('ear', 'SELECT cloudsat.register(''{app\@h1.example.com}'')::text') AS r (t text);
	SELECT FROM cloudsat.register('{speaker.example.org}');
	CREATE FUNCTION pg_temp.heard() RETURNS text LANGUAGE sql AS
		'SELECT coalesce(string_agg(channel || '' '' || payload, '', ''), ''nothing'') FROM heard()'};
is(sql($listen, q{
		BEGIN; SELECT FROM cloudsat.post('h1.example.com', 'x'); SELECT pg_temp.heard(); ROLLBACK; SELECT pg_temp.heard();
		BEGIN; SAVEPOINT s; SELECT FROM cloudsat.post('h1.example.com', 'x'); ROLLBACK TO s; COMMIT; SELECT pg_temp.heard()}),
	"nothing\nnothing\nnothing", 'nothing rings before the commit, nor after a rollback, whole or to a savepoint');
is(sql($listen, q{
		CREATE TEMP TABLE posted AS SELECT cloudsat.post('h1.example.com', 'x') AS uuid;
		SELECT pg_temp.heard() = (SELECT 'h1.example.com ' || uuid FROM posted);
		CREATE TEMP TABLE replied AS SELECT cloudsat.reply('speaker.example.org', 'com', 'x', uuid, 'info') AS uuid FROM posted;
		SELECT pg_temp.heard() = (SELECT 'com ' || uuid FROM replied);
		SELECT FROM cloudsat.post('h2.example.com', 'x');
		SELECT pg_temp.heard()}),
	"t\nt\nnothing", 'a post rings on the channel of its address, with its uuid, and on no other');
is(sql($listen, q{
		SELECT count(*) FROM cloudsat.post('speaker.example.org', 'example.com', array_fill('the same'::text, ARRAY[1000]));
		SELECT count(DISTINCT payload), count(*) FROM heard()}),
	"1000\n1000|1000", 'a thousand posts in one transaction ring a thousand times');
is(sql($listen, q{SET cloudsat.notify = off; SELECT FROM cloudsat.post('h1.example.com', 'x'); SELECT pg_temp.heard()}),
	'nothing', 'notify = off');
my $long = 'app@' . 'long-label.' x 12 . 'example.com';
is(sql(qq{
		SELECT FROM dblink_connect('ear', 'host=$socket port=$port dbname=postgres');
		SELECT FROM dblink('ear', 'SELECT cloudsat.register(''{$long}'')::text') AS r (t text);
		SELECT FROM cloudsat.post('.', '$long', 'x');
		SELECT channel = cloudsat.channel('$long'), octet_length(channel) FROM heard()}),
	't|63', 'an address too long for a channel rings on its short name');
is(sql($listen, q{
		SELECT FROM dblink('ear', 'SELECT cloudsat.register(''{}'')::text') AS r (t text);
		SELECT FROM cloudsat.post('h1.example.com', 'x');
		SELECT pg_temp.heard(), count(*) FILTER (WHERE nick <@ 'h1.example.com') FROM cloudsat.connections}),
	'nothing|0', 'who cancelled hears nothing and is not connected');
is(sql(q{SELECT FROM cloudsat.register('{gone.example.com}')}) . sql(q{
		SELECT (SELECT count(*) FROM cloudsat.recent WHERE nick = 'gone.example.com' AND cardinality(chans) > 0),
		       (SELECT count(*) FROM cloudsat.connections WHERE nick = 'gone.example.com')}),
	'1|0', 'who disconnected is recent, and not connected');

# --- partitions, while bots post ---------------------------------------------------------------------------------
sql('DELETE FROM cloudsat.messages', 'ALTER SYSTEM SET cloudsat.notify = off', 'SELECT pg_reload_conf()');
my $script = $node->basedir . '/bot.sql';
append_to_file($script, q{SELECT cloudsat.reply('b.example.com', 'a.example.com', 'y',
	cloudsat.post('a.example.com', 'b.example.com', 'x'), 'end');});
my ($out, $err) = ('', '');
my $bots = IPC::Run::start(
	[ 'pgbench', '-n', '-M', 'prepared', '-c', '8', '-T', '6', '-f', $script, '-h', $socket, '-p', $port, 'postgres' ],
	'>', \$out, '2>', \$err);
wait_until('SELECT count(*) > 1000 FROM cloudsat.messages_default', 't', 30, 'bots post into the default partition');
my @maintaining = map {
	my $result = '';
	[ IPC::Run::start([ 'psql', '-XAtq', '-h', $socket, '-p', $port, '-c', 'SELECT count(*) FROM cloudsat.maintain()', 'postgres' ],
			'>', \$result, '2>&1'), \$result ]
} 1 .. 3;
IPC::Run::finish($_->[0]) for @maintaining;
is(join(' ', sort map { my $text = ${ $_->[1] }; $text =~ s/\s+//gr } @maintaining), '0 0 4',
	'of three maintain() at once one makes the partitions');
IPC::Run::finish($bots);
my ($transactions) = $out =~ /transactions actually processed: (\d+)/;
unlike($err, qr/ERROR|aborted/, 'no post fails, no reply misses its parent, while their partition is attached');
is(sql(q{SELECT count(*) FILTER (WHERE before IS NULL), count(*) FILTER (WHERE before IS NOT NULL) FROM cloudsat.messages},
		'SELECT count(*) FROM cloudsat.messages_default'),
	"$transactions|$transactions\n0", 'every message is there once, and none in the default partition');
is(sql(q{SELECT count(*) FROM cloudsat.messages WHERE NOT (uuid = ANY (ARRAY(SELECT uuid FROM cloudsat.messages)))}), '0',
	'and found by its uuid');

# somebody reads the default partition and does not end
sql(q{INSERT INTO cloudsat.messages VALUES (cloudsat.uuid_floor('2020-01-01Z'), '2020-01-01Z', '.', '.', 'old',
	NULL, NULL, NULL, NULL, pg_current_xact_id())});
my $tables = sql(q{SELECT count(*) FROM pg_tables WHERE schemaname = 'cloudsat'});
within(15, 'maintain() gives up', sub {
	like( (	$node->psql('postgres', qq{
				SELECT FROM dblink_connect('reader', 'host=$socket port=$port dbname=postgres');
				SELECT FROM dblink_exec('reader', 'BEGIN');
				SELECT FROM dblink('reader', 'SELECT count(*) FROM cloudsat.messages_default') AS r (n int8);
				\\set VERBOSITY verbose
				SELECT cloudsat.maintain();}))[2],
		qr/ERROR:  55P03: could not lock cloudsat.messages\nDETAIL:  .* No partition was made.\nHINT: /,
		'with an error that says what to do');
});
is(sql(q{SELECT count(*) FROM pg_tables WHERE schemaname = 'cloudsat'}), $tables, 'and leaves nothing behind');
is(sql('SELECT partition, moved FROM cloudsat.maintain()'), 'messages_20200101|1', 'once the reader is gone it succeeds');

# the guardian's history is kept, too; somebody who reads it does not stop the rest
sql(q{DO $$ DECLARE leaf regclass; BEGIN
		FOR leaf IN SELECT inhrelid FROM pg_inherits WHERE inhparent IN ('cloudsat.messages'::regclass, 'cloudsat.queue_history'::regclass)
			AND inhrelid::regclass::text !~ 'default$' LOOP EXECUTE 'DROP TABLE ' || leaf; END LOOP;
	END $$});
my ($status, $made, $warning) = $node->psql('postgres', qq{
	SELECT FROM dblink_connect('reader', 'host=$socket port=$port dbname=postgres');
	SELECT FROM dblink_exec('reader', 'BEGIN');
	SELECT FROM dblink('reader', 'SELECT count(*) FROM cloudsat.queue_history_default') AS r (n int8);
	SELECT count(*) FROM cloudsat.maintain();});
is($made, '4', 'a reader of queue_history does not keep the board from its partitions');
like($warning, qr/WARNING:  could not lock cloudsat.queue_history/, 'and there is a warning');
is(sql('SELECT count(*) FROM cloudsat.maintain()', q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'cloudsat.queue_history'::regclass}),
	"0\n5", 'which is maintained the next time');

# a poster that waits for the default partition while somebody attaches one for its rows goes there
is(sql(qq{
		DO \$\$ DECLARE leaf regclass; BEGIN
			FOR leaf IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'cloudsat.messages'::regclass
				AND inhrelid <> 'cloudsat.messages_default'::regclass LOOP EXECUTE 'DROP TABLE ' || leaf; END LOOP;
		END \$\$;
		SELECT FROM dblink_connect('poster', 'host=$socket port=$port dbname=postgres application_name=poster');
		SELECT FROM dblink('poster', 'SELECT cloudsat.post(''.'', ''.'', ''warm'')::text') AS r (t text);
		BEGIN;
		LOCK TABLE cloudsat.messages IN SHARE UPDATE EXCLUSIVE MODE;
		LOCK TABLE cloudsat.messages_default IN ACCESS EXCLUSIVE MODE;
		SELECT dblink_send_query('poster', 'SELECT cloudsat.post(''.'', ''.'', ''waited'')::text');
		DO \$\$ BEGIN
			WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'cloudsat.messages_default'::regclass) LOOP
				PERFORM pg_sleep(0.01);
			END LOOP;
		END \$\$;
		DELETE FROM cloudsat.messages_default;
		CREATE TABLE cloudsat.by_hand (LIKE cloudsat.messages INCLUDING ALL, PRIMARY KEY (uuid));
		DO \$\$ BEGIN
			EXECUTE format('ALTER TABLE cloudsat.messages ATTACH PARTITION cloudsat.by_hand FOR VALUES FROM (%L) TO (%L)',
				cloudsat.uuid_floor(now() - interval '1 h'), cloudsat.uuid_floor(now() + interval '1 h'));
		END \$\$;
		COMMIT;
		SELECT FROM dblink_get_result('poster') AS r (t text);
		SELECT tableoid::regclass FROM cloudsat.messages WHERE message = 'waited';
		DROP TABLE cloudsat.by_hand}),
	"1\ncloudsat.by_hand", 'who waits meanwhile posts into the new partition');

# --- dump and restore --------------------------------------------------------------------------------------------
sql(q{SELECT FROM cloudsat.register('{dumped.example.com}')},
	q{INSERT INTO cloudsat.messages VALUES (cloudsat.uuid_floor('2020-06-01Z'), '2020-06-01Z', '.', '.', 'old',
		NULL, NULL, NULL, NULL, pg_current_xact_id())},
	q{SELECT FROM cloudsat.reply('a.example.com', '.', 'late', cloudsat.uuid_floor('2020-06-01Z'), 'belay')},
	q{SELECT FROM cloudsat.maintain()},
	q{INSERT INTO cloudsat.messages VALUES (cloudsat.uuid_floor('2021-06-01Z'), '2021-06-01Z', '.', '.', 'in the default one',
		NULL, NULL, NULL, NULL, pg_current_xact_id())});
my $rows = q{SELECT tableoid::regclass, count(*), md5(string_agg(m::text, '|' ORDER BY uuid)) FROM cloudsat.messages AS m GROUP BY tableoid ORDER BY tableoid::regclass::text;
	SELECT count(*), md5(string_agg(r::text, '|' ORDER BY r::text)) FROM cloudsat.registered AS r};
my $before = sql($rows);
like($before, qr/messages_20200601\|1\|.*messages_default\|1\|/s, 'messages in dated partitions and in the default one');
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-f', "$dump.sql", 'postgres' ], 'pg_dump');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump.custom", 'postgres' ], 'pg_dump -Fc');
sql('CREATE DATABASE plain', 'CREATE DATABASE custom');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-1', '-d', 'plain', '-f', "$dump.sql" ], 'restored by psql, without an error');
$node->command_ok([ 'pg_restore', '-e', '-j', '2', '-d', 'custom', "$dump.custom" ], 'restored by pg_restore, without an error');
for my $database ('plain', 'custom') {
	is(sql_in($database, $rows), $before, "$database: the same rows in the same partitions");
	$node->command_ok([ 'pg_dump', '-f', "$dump.again", $database ]);
	# newer pg_dump put a random key there
	is( join("\n", grep { !/^\\(un)?restrict/ } split /\n/, slurp_file("$dump.again")),
		join("\n", grep { !/^\\(un)?restrict/ } split /\n/, slurp_file("$dump.sql")), "$database: and it dumps the same");
	is(sql_in($database, q{
			SELECT cloudsat.reply('b.example.com', '.', 'after the restore', uuid, 'end') IS NOT NULL FROM cloudsat.messages WHERE message = 'late';
			SELECT partition, moved FROM cloudsat.maintain() WHERE starts < '2022-01-01Z'}),
		"t\nmessages_20210601|1", "$database: replies find their parents, maintain() goes on");
	like(error_in($database, q{UPDATE cloudsat.messages_20200601 SET message = 'forged'}), qr/^55000: the board is append-only/,
		"$database: restored partitions are append-only");
}
is(sql_in('plain', q{DROP EXTENSION cloudsat; SELECT count(*) FROM pg_class WHERE relname LIKE 'messages%';
		SELECT count(*) FROM pg_namespace WHERE nspname ~ 'cloudsat'}),
	"0\n0", 'DROP EXTENSION takes restored partitions along');

# --- dropped and created again, in one session -------------------------------------------------------------------
is(sql_in('custom', q{
		SELECT FROM cloudsat.register('{one.example.com}'); SELECT FROM cloudsat.post('one.example.com', 'x');
		DROP EXTENSION cloudsat; CREATE EXTENSION cloudsat;
		SELECT cloudsat.nick() IS NULL;
		SELECT FROM cloudsat.register('{two.example.com}'); SELECT FROM cloudsat.post('one.example.com', 'y');
		SELECT FROM cloudsat.maintain();
		SELECT cloudsat.reply(uuid, 'info', 'z') <> uuid FROM cloudsat.messages;
		SELECT array_agg(message ORDER BY uuid), array_agg(DISTINCT poster) FROM cloudsat.messages;
		SELECT channel FROM pg_listening_channels() AS channel ORDER BY 1 DESC LIMIT 1}),
	"t\nt\n{y,z}|{two.example.com}\ntwo.example.com", 'dropped and created again, in one session');

# --- prepared transactions ---------------------------------------------------------------------------------------
like(error(q{SELECT FROM cloudsat.register('{p.example.com}'); BEGIN; SELECT FROM cloudsat.register('{p.example.com}');
		PREPARE TRANSACTION 'p'}),
	qr/^0A000: cannot PREPARE a transaction that has registered its session/, 'no registration in a prepared transaction');
is(sql(q{BEGIN; SELECT FROM cloudsat.post('.', 'prepared.example.com', 'x'); PREPARE TRANSACTION 'p'},
		q{SELECT count(*) FROM cloudsat.messages WHERE chan = 'prepared.example.com'}, q{COMMIT PREPARED 'p'},
		q{SELECT count(*) FROM cloudsat.messages WHERE chan = 'prepared.example.com'}),
	"0\n1", 'a prepared post is there when it is committed');

# --- a standby ---------------------------------------------------------------------------------------------------
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
sql(q{SELECT FROM cloudsat.post('.', 'standby.example.com', 'seen from afar')});
wait_until($standby, q{SELECT message FROM cloudsat.messages WHERE chan = 'standby.example.com'}, 'seen from afar', 30,
	'the board is readable on a standby');
is(sql($standby, 'SELECT count(*), cloudsat.nick() IS NULL FROM cloudsat.inbox'), '0|t', 'the inbox, too');
for my $call (q{post('.', '.', 'x')}, q{post('.', '.', '{x}'::text[])}, q{reply(gen_random_uuid(), 'info', 'x')}, q{register('{a.example.com}')}) {
	my ($name) = $call =~ /^(\w+)/;
	like(($standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT cloudsat.$call"))[2],
		qr/ERROR:  25006: cannot execute cloudsat\.$name\(\) in a read-only transaction/, "$call is refused there");
}
$standby->stop;

# --- memory ------------------------------------------------------------------------------------------------------
my ($small, $large) = split /\n/, sql(q{
	CREATE FUNCTION pg_temp.speak(n int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. n LOOP
			BEGIN
				PERFORM cloudsat.register(ARRAY[('h' || i || '.example.com')::cloudsat.address]);
				PERFORM cloudsat.post('x.example.com', 'x');
				IF i % 2 = 0 THEN RAISE division_by_zero; END IF;
			EXCEPTION WHEN division_by_zero THEN NULL;
			END;
		END LOOP;
	END $$;
	DO $$ BEGIN PERFORM pg_temp.speak(100); END $$;
	SELECT total_bytes FROM pg_backend_memory_contexts WHERE name = 'TopMemoryContext';
	DO $$ BEGIN PERFORM pg_temp.speak(2000); END $$;
	SELECT total_bytes FROM pg_backend_memory_contexts WHERE name = 'TopMemoryContext'});
cmp_ok($large - $small, '<=', 8192, '2,000 registrations and posts, half of them rolled back, leave memory flat');
is(sql(q{SELECT FROM cloudsat.register('{a.example.com}'); DO $$ BEGIN FOR i IN 1 .. 500 LOOP PERFORM cloudsat.register('{a.example.com}');
		PERFORM cloudsat.register('{b.example.com}'); COMMIT; END LOOP; END $$;
		SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'cloudsat registration'}),
	'1', 'an old registration is forgotten when the new one is committed');

# --- walking a thread looks where its replies can be -----------------------------------------------------------------
my $old = sql(q{INSERT INTO cloudsat.messages SELECT cloudsat.uuid_floor('2020-02-02Z'), '2020-02-02Z', '.', '.', 'old', NULL, NULL, NULL, NULL,
	pg_current_xact_id() RETURNING uuid});
sql('SELECT FROM cloudsat.maintain()');
my $locks_it = q{SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'cloudsat.messages_20200202'::regclass};
my $new = sql(q{SELECT cloudsat.post('ann.example.org', 'h1.example.com', 'new')});
is(sql('BEGIN', "SELECT count(*) FROM cloudsat.thread('$new')", $locks_it, "SELECT count(*) FROM cloudsat.thread('$old')", $locks_it, 'COMMIT') =~ s/\s+/ /gr,
	'1 0 1 1', 'not in partitions that ended before it began');
$node->stop;

# --- without preloading ------------------------------------------------------------------------------------------
my $plain = new_node('plain', preload => 0, conf => 'max_prepared_transactions = 2');
is(sql($plain, 'SELECT count(*) FROM cloudsat.maintain()'), '4', 'maintain() is the first call of a session');
is(sql($plain, q{SELECT cloudsat.nick() IS NULL; SELECT FROM cloudsat.register('{a.example.com}');
		SELECT cloudsat.post('b.example.com', 'x') IS NOT NULL}), "t\nt", 'not preloaded');
like(($plain->psql('postgres', q{BEGIN; SELECT FROM cloudsat.post('.', '.', 'x'); PREPARE TRANSACTION 'p'}))[2],
	qr/cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY/, 'what rings cannot be prepared');
$plain->stop;

done_testing();
