# Streams in a real server. First the promise itself: dozens of writers with random delays, rollbacks, savepoints and
# prepared transactions, receivers of every kind that roll back and reconnect, partitions that appear meanwhile; at the
# end every receiver has every message of its subscriptions once. CLOUDSAT_STREAM_SECONDS (8) says how long they write.
# Then waiting: what it holds, and what ends it.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{CLOUDSAT_STREAM_SECONDS} // 8;
my $node = new_node('streams', conf => "max_connections = 150\nmax_prepared_transactions = 50\nsynchronous_commit = off\ncloudsat.notify = off"); # so that transactions may be prepared
my @connect = ('-h', $node->host, '-p', $node->port);

# bench(NAME, CLIENTS, SECONDS, OPTIONS, SCRIPT[@WEIGHT] => TEXT...): pgbench in the background
sub bench {
	my ($name, $clients, $for, $options, %scripts) = @_;
	my @files;
	for my $script (sort keys %scripts) {
		my ($short, $weight) = split /@/, $script;
		my $file = $node->basedir . "/$name-$short.sql";
		append_to_file($file, $scripts{$script});
		push @files, '-f', "$file\@" . ($weight // 1);
	}
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-j', 1, '-T', $for, @$options, @files, @connect, 'postgres' ],
		'>', \$out, '2>', \$err);
	return { name => $name, run => $run, out => \$out, err => \$err };
}

sub finished {
	my ($bench) = @_;
	IPC::Run::finish($bench->{run});
	unlike(${ $bench->{err} }, qr/ERROR|abort/, "$bench->{name}: no error") or diag(${ $bench->{err} });
	my ($done) = ${ $bench->{out} } =~ /transactions actually processed: (\d+)/;
	note("$bench->{name}: $done transactions");
	return;
}

# --- every message once ------------------------------------------------------------------------------------------
sql(q{CREATE TABLE got (receiver text, uuid uuid)}, q{CREATE TABLE pollers (receiver text PRIMARY KEY, upto pg_snapshot)},
	# addresses of receivers: four bots on one host, others elsewhere, one above them all
	q{CREATE FUNCTION bot(kind text, n int) RETURNS cloudsat.address LANGUAGE sql AS $$
		SELECT (kind || n || '.h' || n % 3 || '.example.com')::cloudsat.address $$},
	q{CREATE FUNCTION anywhere() RETURNS cloudsat.address LANGUAGE sql AS $$
		SELECT (ARRAY['.', 'com', 'example.com', 'h0.example.com', 'h1.example.com', 'h2.example.com', 'keep0.h0.example.com',
			'move1.h1.example.com', 'poll2.h2.example.com', 'elsewhere.example.org'])[1 + floor(random() * 10)]::cloudsat.address $$},
	q{CREATE FUNCTION say() RETURNS uuid LANGUAGE sql AS $$SELECT cloudsat.post('writer.example.net', anywhere(), 'x')$$},
	# those who keep their position themselves
	q{CREATE FUNCTION poll_inbox(n int) RETURNS void LANGUAGE plpgsql AS $$
		DECLARE
			me text := bot('poll', n);
			since pg_snapshot := (SELECT upto FROM pollers WHERE receiver = me);
		BEGIN
			WITH new AS MATERIALIZED (SELECT * FROM cloudsat.inbox(ARRAY[me::cloudsat.address], since)),
				inserted AS (INSERT INTO got SELECT me, uuid FROM new)
			UPDATE pollers SET upto = new.upto FROM (SELECT upto FROM new LIMIT 1) AS new WHERE receiver = me;
		END $$});

# A receiver whose connection stays: it takes batches of any size at both isolation levels, and rolls back every third,
# whole or to a savepoint. One that begins a new connection for each batch resumes from its bookmark.
my %stays = (
	'batch@4' => q{
		\if :known = 0
			SELECT cloudsat.register(ARRAY[bot('keep', :client_id)]);
			\set known 1
		\endif
		\set max random(1, 40)
		\set luck random(1, 6)
		CALL cloudsat.wait('10 ms');
		BEGIN;
		INSERT INTO got SELECT bot('keep', :client_id), uuid FROM cloudsat.receive(max => :max);
		\if :luck = 1
			ROLLBACK;
		\elif :luck = 2
			SAVEPOINT s;
			INSERT INTO got SELECT bot('keep', :client_id), uuid FROM cloudsat.receive(max => :max, timeout => '10ms');
			ROLLBACK TO s;
			INSERT INTO got SELECT bot('keep', :client_id), uuid FROM cloudsat.receive(max => :max);
			SELECT cloudsat.bookmark();
			COMMIT;
		\else
			SELECT cloudsat.bookmark();
			COMMIT;
		\endif
	},
	'frozen' => q{
		\if :known = 0
			SELECT cloudsat.register(ARRAY[bot('keep', :client_id)]);
			\set known 1
		\endif
		\set pause random(0, 30000)
		BEGIN ISOLATION LEVEL REPEATABLE READ;
		SELECT count(*) FROM pg_class;
		\sleep :pause us
		INSERT INTO got SELECT bot('keep', :client_id), uuid FROM cloudsat.receive(max => 7);
		INSERT INTO got SELECT bot('keep', :client_id), uuid FROM cloudsat.receive(timeout => '5ms');
		SELECT cloudsat.bookmark();
		COMMIT;
	});
my %moves = ('batch' => q{
	\set max random(1, 40)
	\set luck random(1, 6)
	SELECT cloudsat.register(ARRAY[bot('move', :client_id)]);
	BEGIN;
	INSERT INTO got SELECT bot('move', :client_id), uuid FROM cloudsat.receive(max => :max);
	SELECT cloudsat.bookmark();
	\if :luck = 1
		ROLLBACK;
	\else
		COMMIT;
	\endif
});
my %polls = ('batch' => q{
	\set luck random(1, 6)
	BEGIN;
	SELECT poll_inbox(:client_id);
	\if :luck = 1
		ROLLBACK;
	\else
		COMMIT;
	\endif
	\sleep 20 ms
});
my %writes = (
	'one@8' => 'SELECT say();',
	'slow@4' => q{
		\set pause random(1, 50000)
		\set luck random(1, 3)
		BEGIN;
		SELECT say();
		\sleep :pause us
		SELECT say() FROM generate_series(1, :luck);
		\if :luck = 1
			ROLLBACK;
		\else
			COMMIT;
		\endif
	},
	'savepoints@4' => q{
		\set pause random(1, 20000)
		BEGIN;
		SAVEPOINT a;
		SELECT say();
		\sleep :pause us
		ROLLBACK TO a;
		SELECT say();
		SAVEPOINT b;
		SELECT say();
		RELEASE b;
		COMMIT;
	},
	'prepared@3' => q{
		\set luck random(1, 3)
		\set n random(1, 1000000000)
		\set pause random(1, 60000)
		BEGIN;
		SELECT say();
		SELECT say();
		PREPARE TRANSACTION 'p:client_id.:n';
		\sleep :pause us
		\if :luck = 1
			ROLLBACK PREPARED 'p:client_id.:n';
		\else
			COMMIT PREPARED 'p:client_id.:n';
		\endif
	},
	'many' => q{SELECT count(*) FROM cloudsat.post('writer.example.net', anywhere(), array_fill('x'::text, ARRAY[150]));},
	'reply@2' => q{SELECT cloudsat.reply('writer.example.net', anywhere(), 'x', uuid, 'info') FROM (SELECT say() AS uuid) AS s;});

# Beside them transactions that stay open for long. They begin later, because maintain() would give up for them.
my %stalls = ('long' => q{
	BEGIN;
	SELECT say();
	\sleep 1500 ms
	SELECT say();
	COMMIT;
});

# all of them are there before the first message
sql(q{SELECT FROM (SELECT n, cloudsat.register(ARRAY[bot('move', n)]), cloudsat.bookmark() FROM generate_series(0, 3) AS n) AS s},
	q{INSERT INTO pollers SELECT bot('poll', n), pg_current_snapshot() FROM generate_series(0, 3) AS n});
my $stays = bench('stays', 8, $seconds + 6, [ '-D', 'known=0' ], %stays);
wait_until(q{SELECT count(*) FROM cloudsat.connections WHERE nick <@ 'example.com' AND nick::text LIKE 'keep%'}, '8', 30, 'receivers are registered');
my $moves = bench('moves', 4, $seconds + 2, ['-C'], %moves);
my $polls = bench('polls', 4, $seconds + 2, [], %polls);
my $writes = bench('writes', 32, $seconds, [], %writes);
wait_until('SELECT count(*) > 500 FROM cloudsat.messages', 't', 30, 'writers post into the default partition');
like(sql(q{SELECT sum(moved) > 0 FROM cloudsat.maintain()}), qr/^t$/, 'which is emptied meanwhile');
my $stalls = bench('stalls', 8, $seconds - 2, [], %stalls);
finished($_) for $writes, $stalls, $polls, $moves;
is(sql('SELECT count(*) FROM pg_prepared_xacts'), '0', 'no transaction is left prepared');
# what is left, in new connections
for my $kind ('keep', 'move') {
	if ($kind eq 'keep') {
		wait_until(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'}, 't', 30, 'receivers end');
		finished($stays);
	}
	sql(qq{SELECT FROM cloudsat.register(ARRAY[bot('$kind', $_)])},
		qq{INSERT INTO got SELECT '$kind$_.h' || $_ % 3 || '.example.com', uuid FROM cloudsat.receive(max => 1000000)},
		q{INSERT INTO got SELECT cloudsat.nick(), uuid FROM cloudsat.receive(max => 1000000)}, 'SELECT cloudsat.bookmark()')
	  for 0 .. ($kind eq 'keep' ? 7 : 3);
}
sql('SELECT poll_inbox(n) FROM generate_series(0, 3) AS n');
my $verdict = q{
	WITH receivers AS (SELECT bot('keep', n)::text AS receiver FROM generate_series(0, 7) AS n
		UNION ALL SELECT bot(kind, n)::text FROM generate_series(0, 3) AS n, unnest('{move,poll}'::text[]) AS kind),
	due AS (SELECT receiver, uuid FROM receivers JOIN cloudsat.messages ON chan = ANY (cloudsat.suffixes(receiver::cloudsat.address))),
	had AS (SELECT receiver, uuid, count(*) AS times FROM got GROUP BY receiver, uuid)
	SELECT count(*) FILTER (WHERE had.uuid IS NULL) || ' missed, ' || count(*) FILTER (WHERE times > 1) || ' twice, '
		|| count(*) FILTER (WHERE due.uuid IS NULL) || ' not theirs'
	  FROM due FULL JOIN had USING (receiver, uuid)};
is(sql($verdict), '0 missed, 0 twice, 0 not theirs', 'every receiver has every message once');
note(sql(q{SELECT (SELECT count(*) FROM cloudsat.messages) || ' messages, ' || count(*) || ' received by ' || count(DISTINCT receiver) FROM got}));
# the test itself: it would see one that is missing, and one that came twice
is(sql('BEGIN', q{DELETE FROM got WHERE ctid = (SELECT ctid FROM got LIMIT 1)}, q{INSERT INTO got SELECT * FROM got LIMIT 1}, $verdict, 'ROLLBACK'),
	'1 missed, 1 twice, 0 not theirs', 'a missing one and one too many would be noticed');

# --- waiting -----------------------------------------------------------------------------------------------------
my $waits = q{FROM pg_stat_activity WHERE pid = };
my $bot = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $bot->query(q{SELECT pg_backend_pid() FROM cloudsat.register('{wait.example.com}')});

# while(STATEMENT, sub { ... }): what it prints in the end, when the action is done as soon as it waits
sub while_waiting {
	my ($statement, $action) = @_;
	my $began = time;
	$bot->{stdin} .= "$statement;\n";
	$bot->{run}->pump_nb;
	wait_until("SELECT state = 'active' AND wait_event_type = 'Extension' $waits $pid", 't', 30, 'it waits');
	$action->() if $action;
	my $answer = $bot->query(q{SELECT 'answered'});
	return ($answer, time - $began);
}

my ($answer, $took);
my $call = q{CALL cloudsat.wait('1 min')};
my $batch = q{SELECT message, cloudsat.root(uuid) = uuid FROM cloudsat.receive()};
for my $how ([ 'wait', '' ], [ 'wait in a DO block', q{DO $$ BEGIN PERFORM count(*) FROM got; CALL cloudsat.wait('1 min'); END $$} ],
	[ 'wait after DISCARD ALL and another register()', $call, q{DISCARD ALL; SELECT FROM cloudsat.register('{wait.example.com}')} ],
	[ 'wait where transactions keep their snapshot', $call, q{SET default_transaction_isolation = 'repeatable read'} ],
	[ 'wait below an open cursor', $call, q{BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT FROM got; COMMIT} ]) {
	$bot->query($how->[2]) if $how->[2];
	($answer, $took) = while_waiting(
		($how->[1] || $call) . ";\n$batch",
		sub {
			is(sql("SELECT backend_xmin IS NULL, backend_xid IS NULL $waits $pid"), 't|t', "$how->[0]: the session holds no snapshot");
			is(sql("SELECT count(*) FROM pg_locks WHERE pid = $pid AND locktype <> 'virtualxid'"), '0', 'and no lock');
			is(sql('DROP TABLE IF EXISTS victim', 'CREATE TABLE victim AS SELECT FROM generate_series(1, 1000)', 'DELETE FROM victim', 'VACUUM victim',
					q{SELECT pg_relation_size('victim')}), '0', 'VACUUM removes what was deleted after the wait began');
			is(sql('SELECT count(*) FROM cloudsat.maintain()'), '0', 'maintain() gets its locks');
			wait_until("SELECT backend_xmin IS NULL $waits $pid AND query_start < now() - interval '1.5 s'", 't', 30, 'still none after it has looked again');
			sql(q{SELECT FROM cloudsat.post('.', 'wait.example.com', 'wake up')});
		});
	is($answer, "wake up|t\nanswered", 'a message ends it, which receive() gives then, seen by what is called on it');
	cmp_ok($took, '<', patience(20), 'soon');
}
$bot->query('RESET ALL; CLOSE ALL');
sql(q{SELECT FROM cloudsat.post('.', 'wait.example.com', 'there already')});
within(20, 'wait() with something to receive', sub { $bot->query($call) });
is($bot->query('SELECT message FROM cloudsat.receive()'), 'there already', 'returns at once, and takes nothing');
sql(q{SELECT FROM cloudsat.post('.', 'wait.example.com', ARRAY['one', 'two'])});
is($bot->query('SELECT message FROM cloudsat.receive(max => 1)'), 'one', 'one of two in a transaction');
within(20, 'wait() in the middle of a transaction of messages', sub { $bot->query($call) });
is($bot->query('SELECT message FROM cloudsat.receive()'), 'two', 'returns for the rest');
$bot->query(q{SELECT FROM cloudsat.post('wait.example.com', 'wait.example.com', 'mine')});
within(20, q{wait() with one's own message}, sub { $bot->query($call) });
is($bot->query('SELECT count(*) FROM cloudsat.receive()'), '0', 'returns, too: with include_own it is received');
($answer, $took) = while_waiting(q{CALL cloudsat.wait('1.2 s')});
is($answer, 'answered', 'the time that is over ends it');
cmp_ok($took, '>', 1.2, 'not before') and cmp_ok($took, '<', patience(10), 'and soon after');

# it commits, so there must be nobody else's transaction to end
sql('CREATE FUNCTION waits() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL cloudsat.wait(); END $$',
	'CREATE PROCEDURE waits_pinned() LANGUAGE plpgsql SET work_mem = 1024 AS $$ BEGIN CALL cloudsat.wait(); END $$');
for my $where ([ 'in a transaction block', 'BEGIN; CALL cloudsat.wait()', qr/25001: cloudsat\.wait\(\) cannot run inside a transaction block/ ],
	[ 'after another statement of one message', 'SELECT 1\; CALL cloudsat.wait()', qr/25001: cloudsat\.wait\(\) cannot run inside a transaction block/ ],
	[ 'in a function', 'SELECT waits()', qr/2D000: cloudsat\.wait\(\) cannot run inside a function/ ],
	[ 'in a procedure with settings of its own', 'CALL waits_pinned()', qr/2D000: cloudsat\.wait\(\) cannot run inside a function/ ],
	[ 'in a block that catches errors', 'DO $$ BEGIN CALL cloudsat.wait(); EXCEPTION WHEN division_by_zero THEN NULL; END $$',
		qr/25001: cloudsat\.wait\(\) cannot run inside a subtransaction/ ]) {
	my (undef, undef, $refused) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT FROM cloudsat.register('{w.example.com}', false);\n$where->[1]");
	like($refused, $where->[2], "wait() $where->[0] is refused");
	like($refused, qr/HINT:  Send CALL cloudsat\.wait\(\) as a statement of its own, in autocommit mode\./, 'with a hint');
}
like(error('CALL cloudsat.wait()'), qr/55000: this session is not registered/, 'nor may it be called without a registration');
like(error(q{SELECT FROM cloudsat.register('{w.example.com}', false)}, 'DISCARD ALL', 'CALL cloudsat.wait()'), qr/55000: this session is not registered/,
	'as after DISCARD ALL');
like(error(q{SELECT FROM cloudsat.register('{w.example.com}', false)}, q{CALL cloudsat.wait('-1 s')}), qr/22023: timeout must not be negative/, 'or backwards');
like(error(q{SELECT FROM cloudsat.register('{w.example.com}', false)}, q{CALL cloudsat.wait(NULL)}), qr/22004: timeout must not be null/, 'or for null');

# receive() may wait by itself, and then its statement's snapshot does
for my $where ([ 'alone', q{SELECT FROM cloudsat.receive(timeout => '1 min')} ],
	[ 'in a function', q{DO $$ BEGIN PERFORM FROM cloudsat.receive(timeout => '1 min'); END $$} ],
	[ 'beside a table', q{SELECT count(*) > 0 FROM cloudsat.receive(timeout => '1 min'), (SELECT FROM got LIMIT 1) AS g} ],
	[ 'into a table', q{CREATE TEMP TABLE kept AS SELECT message FROM cloudsat.receive(timeout => '1 min')} ],
	[ 'below a cursor', q{BEGIN; DECLARE c CURSOR FOR SELECT FROM got; FETCH 1 FROM c; SELECT FROM cloudsat.receive(timeout => '1 min'); COMMIT} ],
	[ 'in an old snapshot', q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM cloudsat.receive(timeout => '1 min'); COMMIT} ]) {
	($answer, $took) = while_waiting(
		$where->[1],
		sub {
			is(sql("SELECT backend_xmin IS NOT NULL $waits $pid"), 't', "receive() $where->[0] waits with the statement's snapshot");
			is(sql("SELECT count(*) FROM pg_locks WHERE pid = $pid AND locktype = 'relation' AND relation = 'cloudsat.messages'::regclass"), '0',
				'but without a lock on the messages');
			sql(q{SELECT FROM cloudsat.post('.', 'wait.example.com', 'wake up')});
		});
	like($answer, qr/answered$/, 'and is woken as well');
	cmp_ok($took, '<', patience(20), 'soon');
}
$bot->query('SELECT FROM cloudsat.receive()');
($answer, $took) = while_waiting(q{SELECT message FROM cloudsat.receive(timeout => '1.2s')});
is($answer, 'answered', 'the timeout ends it without a row');
cmp_ok($took, '>', 1.2, 'not before') and cmp_ok($took, '<', patience(10), 'and soon after');
for my $statement (q{SELECT FROM cloudsat.receive(timeout => '1 min')}, $call) {
	for my $end ([ "SELECT pg_cancel_backend($pid)", qr/canceling statement due to user request/ ],
		[ 'SELECT 1', qr/canceling statement due to statement timeout/, "SET statement_timeout = '500ms'" ]) {
		$bot->query($end->[2]) if $end->[2];
		$bot->{stderr} = '';
		($answer, $took) = while_waiting($statement, sub { sql($end->[0]) });
		like($bot->{stderr}, $end->[1], "it can be cancelled: $statement");
		cmp_ok($took, '<', patience(10), 'at once');
		$bot->query('RESET statement_timeout');
	}
}
# in a transaction that goes on afterwards
($answer) = while_waiting(q{BEGIN; SAVEPOINT s; SELECT FROM cloudsat.receive(timeout => '1 min')}, sub { sql("SELECT pg_cancel_backend($pid)") });
is($bot->query(q{ROLLBACK TO s; SELECT count(*) FROM cloudsat.receive(); COMMIT}), '0', 'cancelled in a savepoint, the transaction goes on');
($answer) = while_waiting(q{BEGIN; SELECT message FROM cloudsat.receive(timeout => '1 min'); SELECT count(*) > 0 FROM got; COMMIT},
	sub { sql(q{SELECT FROM cloudsat.post('.', 'wait.example.com', 'again')}) });
is($answer, "again\nt\nanswered", 'and reads tables after a wait');
is(sql('SELECT waiting FROM cloudsat.waking'), '0', 'whoever was cancelled is not among those who wait');
# waiter(STATEMENT): another session that waits, and its process
sub waiter {
	my ($statement) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $process = $session->query(q{SELECT pg_backend_pid() FROM cloudsat.register('{gone.example.com}')});
	$session->{stdin} .= "$statement;\n";
	$session->{run}->pump_nb;
	wait_until("SELECT wait_event_type = 'Extension' $waits $process", 't', 30, "it waits: $statement");
	return ($session, $process);
}
for my $statement (q{SELECT FROM cloudsat.receive(timeout => '1 day')}, q{CALL cloudsat.wait('1 day')}) {
	my ($session, $process) = waiter($statement);
	within(10, 'it ends with its connection', sub { is(sql("SELECT pg_terminate_backend($process, 10000)"), 't', 'terminated') });
	eval { $session->quit };
	($session, $process) = waiter($statement);
	$session->{run}->kill_kill;
	wait_until("SELECT count(*) $waits $process", 0, 10, 'and with its client');
}
eval { $bot->quit };

# --- prepared transactions, which give nothing back ---------------------------------------------------------------
like(error(q{SELECT FROM cloudsat.register('{p.example.com}')}, q{SELECT FROM cloudsat.post('.', 'p.example.com', 'x')}, 'BEGIN',
		'SELECT FROM cloudsat.receive()', q{PREPARE TRANSACTION 'p'}),
	qr/^0A000: cannot PREPARE a transaction that has received messages/, 'no receive in a prepared transaction');

# --- memory ------------------------------------------------------------------------------------------------------
my ($small, $large) = grep { /\d/ } split /\n/, sql(q{SELECT FROM cloudsat.register('{m.example.com}')}, q{
	CREATE PROCEDURE pg_temp.take(n int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. n LOOP
			PERFORM FROM cloudsat.post('.', 'm.example.com', ARRAY['x', 'y', 'z']);
			COMMIT;
			PERFORM FROM cloudsat.receive(max => 2);
			BEGIN
				PERFORM FROM cloudsat.receive();
				IF i % 2 = 0 THEN RAISE division_by_zero; END IF;
			EXCEPTION WHEN division_by_zero THEN NULL;
			END;
			PERFORM cloudsat.bookmark();
			COMMIT;
		END LOOP;
	END $$}, 'CALL pg_temp.take(100)', q{SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name IN ('TopMemoryContext', 'CacheMemoryContext')},
	'CALL pg_temp.take(1500)', q{SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name IN ('TopMemoryContext', 'CacheMemoryContext')});
cmp_ok($large - $small, '<=', 16384, 'thousands of batches, half of them rolled back, leave memory flat');

# --- the end of the server ----------------------------------------------------------------------------------------
my ($last, $process) = waiter(q{CALL cloudsat.wait('1 day')});
$node->kill9;
wait_for(30, sub { !kill 0, $process });
ok(!kill(0, $process), 'who waits ends when the postmaster has died');
eval { $last->quit };

done_testing();
