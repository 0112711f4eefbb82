# Old days go in a moment while bots post: nobody waits for long, whatever stands in the way, and the launcher does it.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('cleanup', conf => "max_prepared_transactions = 2\nautovacuum = off\ncloudsat.notify = off");
my $at = 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres';

# fill(DAY, MESSAGES): a partition of that day, by SQL
sub fill {
	my ($day, $count) = @_;
	sql(qq{INSERT INTO cloudsat.messages SELECT cloudsat.uuid_floor(t), t, 'a.example.com', 'b.example.com', repeat('x', 100),
			NULL, NULL, NULL, NULL, pg_current_xact_id() FROM generate_series(1, $count) AS n,
			LATERAL (SELECT '$day 00:00Z'::timestamptz + n * interval '100 us') AS at (t)},
		'SELECT FROM cloudsat.maintain()', 'SELECT pg_stat_force_next_flush()');
	return;
}
sql('CREATE EXTENSION dblink');
my @days = map { sprintf '2020-01-%02d', $_ } 1 .. 6;
fill($days[0], 200_000);
fill($_, 10) for @days[ 1 .. 5 ];
my $since = "now() - '2020-01-02Z'";    # one day

# --- while bots post -----------------------------------------------------------------------------------------------
my $script = $node->basedir . '/bot.sql';
append_to_file($script, q{SELECT cloudsat.post('a.example.com', 'b.example.com', 'x');});
my $log = $node->basedir . '/latency';
my ($out, $err) = ('', '');
my $bots = IPC::Run::start([ 'pgbench', '-n', '-M', 'prepared', '-c', '8', '-T', '60', '-l', "--log-prefix=$log", '-f', $script,
		'-h', $node->host, '-p', $node->port, 'postgres' ], '>', \$out, '2>', \$err);
my $posted = q{SELECT count(*) > %d FROM cloudsat.messages WHERE uuid >= cloudsat.uuid_floor(now() - interval '1 day')};
wait_until(sprintf($posted, 500), 't', 30, 'bots post');
my $before = sql('CHECKPOINT', 'SELECT pg_current_wal_insert_lsn()');
my $dropped;
within(10, 'cleanup of a day', sub { $dropped = sql("SELECT partition, messages BETWEEN 180000 AND 220000, bytes > 30e6 FROM cloudsat.cleanup($since)") });
is($dropped, 'messages_20200101|t|t', 'returns what it dropped, with an estimate of its messages');
my $now = sql('SELECT count(*) FROM cloudsat.messages WHERE uuid >= cloudsat.uuid_floor(now())');
wait_until("SELECT count(*) > $now + 500 FROM cloudsat.messages WHERE uuid > cloudsat.uuid_floor(now() - interval '1 day')", 't', 30,
	'and bots go on posting');
$bots->signal('INT');
IPC::Run::finish($bots);
unlike($err, qr/ERROR|aborted|FATAL/, 'no post fails');
my $longest = 0;
for my $file (glob "$log.*") {
	for my $line (split /\n/, slurp_file($file)) {
		my ($latency) = (split ' ', $line)[2];
		$longest = $latency if $latency > $longest;
	}
}
cmp_ok($longest, '>', 0, 'posts were timed');
cmp_ok($longest, '<', patience(1_000_000), sprintf 'none took a second, the longest %.0f ms', $longest / 1000);

# --- what it writes ------------------------------------------------------------------------------------------------
fill($days[0], 20_000);
sql('CHECKPOINT');
cmp_ok( sql(qq{SELECT pg_current_wal_insert_lsn() AS before \\gset
			SELECT FROM cloudsat.cleanup($since);
			SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), :'before')}),
	'<', 1_000_000, 'a day costs less than a megabyte of WAL, right after a checkpoint');

# --- who is in the way ---------------------------------------------------------------------------------------------
my $days = q{SELECT string_agg(right(relation, 2), ' ' ORDER BY relation) FROM cloudsat.space_usage WHERE relation ~ '^messages_2020'};
my $all = "now() - '2020-01-07Z'";
is(sql($days), '02 03 04 05 06', 'five days are left');
within(20, 'it gives up', sub {
	like(reports("SELECT FROM dblink_connect('r', '$at'); SELECT FROM dblink_exec('r', 'BEGIN');
			SELECT FROM dblink('r', 'SELECT count(*) FROM cloudsat.messages') AS r (n int8)", "SELECT * FROM cloudsat.cleanup($all)"),
		qr/ERROR:  55P03: could not lock cloudsat.messages\nDETAIL:  .*Nothing was dropped.\nHINT:  .*cloudsat.horizon/,
		'with an error that says why, when somebody reads the whole board all the time');
});
is(sql($days), '02 03 04 05 06', 'and has dropped nothing');
like(reports("SELECT FROM dblink_connect('r', '$at'); SELECT FROM dblink_exec('r', 'BEGIN');
		SELECT FROM dblink('r', 'SELECT count(*) FROM cloudsat.messages_20200102') AS r (n int8)", "SELECT * FROM cloudsat.cleanup($all + interval '2 days')"),
	qr/WARNING:  55P03: could not drop partition "messages_20200102": /, 'somebody who reads one partition keeps that one');
is(sql($days), '02 05 06', 'and no other');

is(sql("SELECT FROM cloudsat.cleanup($since)", q{SELECT string_agg(setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN ('lock_timeout', 'deadlock_timeout')}),
	'1000 0', 'the session has its settings back');

# somebody waits: it stops. The first drop takes longer than anybody's patience, by an event trigger
sql(q{CREATE FUNCTION public.slow() RETURNS event_trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM public.dblink_connect('p', '} . $at . q{');
		PERFORM public.dblink_send_query('p', 'SELECT cloudsat.post(''.'', ''.'', ''has waited'')::text');
		WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'cloudsat.messages'::regclass
				AND waitstart < clock_timestamp() - interval '60 ms') LOOP
			PERFORM pg_sleep(0.005);
		END LOOP;
	END $$},
	'CREATE EVENT TRIGGER slow ON sql_drop EXECUTE FUNCTION public.slow()');
like(reports("SELECT * FROM cloudsat.cleanup($all)"), qr/NOTICE:  00000: partitions not yet dropped: 2\nHINT:  Call/, 'when a poster waits it stops');
sql('DROP EVENT TRIGGER slow');
is(sql($days), '05 06', 'having dropped the oldest one');
wait_until(q{SELECT count(*) FROM cloudsat.messages WHERE message = 'has waited'}, '1', 10, 'and the poster goes on');

# --- who holds things up -------------------------------------------------------------------------------------------
is(sql(q{BEGIN; SELECT FROM cloudsat.post('.', '.', 'x'); PREPARE TRANSACTION 'later'},
		"SELECT FROM dblink_connect('w', '$at application_name=writer'); SELECT FROM dblink_exec('w', 'BEGIN');
			SELECT FROM dblink('w', 'SELECT cloudsat.post(''.'', ''.'', ''x'')::text') AS r (t text);
			SELECT FROM dblink_connect('i', '$at application_name=idle'); SELECT FROM dblink_exec('i', 'BEGIN ISOLATION LEVEL REPEATABLE READ');
			SELECT FROM dblink('i', 'SELECT 1') AS r (n int)",
		'SELECT kind, name, state, writes, xid IS NOT NULL AS xid, xmin IS NOT NULL AS xmin, lasts > interval \'0\' FROM cloudsat.horizon'),
	"prepared|later|prepared|t|t|f|t\nsession|idle|idle in transaction|f|f|t|t\nsession|writer|idle in transaction|t|t|f|t",
	'horizon shows open transactions, prepared ones, too, the oldest first, and which of them post');
sql(q{ROLLBACK PREPARED 'later'});
sql('CREATE ROLE watcher LOGIN IN ROLE cloudsat_adhoc');
is(sql("SELECT FROM dblink_connect('w', '$at application_name=writer'); SELECT FROM dblink_exec('w', 'BEGIN');
			SELECT FROM dblink('w', 'SELECT cloudsat.post(''.'', ''.'', ''x'')::text') AS r (t text)",
		'SET SESSION AUTHORIZATION watcher', 'SELECT name, usename, writes FROM cloudsat.horizon'),
	'writer|' . sql('SELECT session_user') . '|t', 'to cloudsat_adhoc, too, whose transactions they ever are');
like(reports('SET SESSION AUTHORIZATION watcher', q{SELECT cloudsat.cleanup('1 day')}), qr/ERROR:  42501/, 'who may not clean up');

# --- the launcher --------------------------------------------------------------------------------------------------
sql(q{INSERT INTO cloudsat.registered VALUES ('old.example.com', '2020-01-01Z', '{.}', 0, '2020-01-01Z')});
$node->append_conf('postgresql.conf', "cloudsat.retention = '30 d'\ncloudsat.databases = 'postgres'");
$node->reload;
wait_until($days, '', 30, 'the launcher drops what is older than cloudsat.retention');
wait_until(q{SELECT count(*) FROM cloudsat.registered WHERE nick = 'old.example.com'}, '0', 10, 'and prunes the logs');
like(slurp_file($node->logfile), qr/cloudsat launcher for postgres dropped old partitions of messages: 2/, 'in the log');
is(sql(q{SELECT count(*) > 1000 FROM cloudsat.messages}), 't', 'and nothing else');

# a session that cleans up leaves it to the launcher to remove the files, but not what is in use otherwise
fill($_, 10) for @days[ 0, 1 ];
sql('CREATE VIEW hanging AS SELECT uuid FROM cloudsat.messages_20200102');
my $detached = q{SELECT count(*) FROM pg_class WHERE relname ~ '^detached_' AND relkind = 'r'};
my ($result, $left, $warning);
(undef, $result, $warning) = $node->psql('postgres', qq{BEGIN; SELECT partition, messages FROM cloudsat.cleanup($all); $detached; COMMIT});
is($result, "messages_20200101|10\n1", 'what a session drops is detached at first');
like($warning, qr/WARNING:  could not drop partition "messages_20200102": .*depend/, 'unless a view hangs on it');
wait_until($detached, 0, 10, 'and dropped by the launcher');
is(sql($days), '02', 'the view keeps its partition');
$node->stop;
# --- vacuum passes over a message once -------------------------------------------------------------------------------
my $frozen = new_node('frozen', conf => "autovacuum_naptime = 1s\ncloudsat.notify = off");
sql($frozen, 'CREATE EXTENSION pg_visibility', 'SELECT FROM cloudsat.maintain()',
	q{SELECT count(*) FROM generate_series(1, 3000) AS n, cloudsat.post('ann.example.org', 'h1.example.com', n::text)});
wait_until($frozen, q{SELECT count(*) FROM (SELECT tableoid FROM cloudsat.messages GROUP BY 1) AS m, pg_visibility_map_summary(m.tableoid) AS v
	WHERE v.all_frozen > 0 AND v.all_frozen = v.all_visible}, 1, 90, 'autovacuum freezes messages in its first pass');

done_testing();
