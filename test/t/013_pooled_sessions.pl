# Sessions that a pool hands from one bot to another: whose a registration is, what DISCARD ALL leaves, registering without
# listening, registrations that change nothing, one nick in several sessions (bookmarks, leases), clients that do not read.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('pool', conf => "cloudsat.notify = off\nstatement_timeout = 60s");
my $plain = new_node('plain', preload => 0, conf => "cloudsat.notify = off\nstatement_timeout = 60s");

# --- a registration is the registering role's --------------------------------------------------------------------
my $boss = q{SELECT FROM cloudsat.register('{boss@x.example.com}')};
for my $on ($node, $plain) {
	my $name = $on->name;
	as($on, 'postgres', 'CREATE ROLE a LOGIN', 'CREATE ROLE b LOGIN', 'CREATE ROLE pool LOGIN', 'GRANT a, b TO pool',
		q{SELECT cloudsat.enlist('a', 'task', 'x.example.com'), cloudsat.enlist('b', 'task', 'y.example.com')},
		'GRANT cloudsat_adhoc TO pool',
		q{SELECT cloudsat.post('somebody@z.example.com', 'boss@x.example.com', 'for the boss')});
	is(as($on, 'pool', 'SET ROLE a', $boss, 'RESET ROLE', 'DISCARD ALL', 'SET ROLE b',
			'SELECT cloudsat.nick() IS NULL, cloudsat.addresses(), cloudsat.subscriptions(), (SELECT count(*) FROM cloudsat.inbox)'),
		't|{}|{}|0', "$name: the next role of a connection is not the last one");
	is(as($on, 'pool', 'SET ROLE a', $boss, 'SET ROLE b', 'SELECT cloudsat.nick() IS NULL, (SELECT count(*) FROM cloudsat.inbox)',
			'SET ROLE a', 'SELECT cloudsat.nick(), (SELECT count(*) FROM cloudsat.inbox)'), "t|0\nboss\@x.example.com|1",
		"$name: ... even without DISCARD ALL; the registration comes back with its role");
	my $secret = as($on, 'postgres', q{SELECT uuid FROM cloudsat.messages LIMIT 1});
	like(as($on, 'pool', 'SET ROLE a', $boss, 'SET ROLE b', "SELECT FROM cloudsat.$_"), qr/^55000: this session is not registered/,
		"$name: another role cannot: $_")
	  for q{post('z.example.com', 'forged')}, q{post('boss@x.example.com', 'z.example.com', 'forged')}, qq{reply('$secret', 'info', 'forged')},
	  'receive()', 'bookmark()', qq{claim('$secret')}, qq{release('$secret', 'end', 'forged')};
	is(as($on, 'pool', 'SET ROLE a', $boss, 'RESET ROLE', 'SELECT cloudsat.nick() IS NULL'), 't', "$name: nor can the login");
	is(as($on, 'pool', 'SET ROLE a', $boss, 'DISCARD ALL', 'SET ROLE a', 'SELECT cloudsat.nick() IS NULL',
			q{SELECT count(*) FROM pg_listening_channels()}, 'RESET ROLE', q{SELECT count(*) FROM cloudsat.connections WHERE pid = pg_backend_pid()},
			q{SELECT nick, cardinality(chans) > 0 FROM cloudsat.registered WHERE pid = pg_backend_pid() ORDER BY "timestamp"}),
		"t\n0\n0\nboss\@x.example.com|t\nboss\@x.example.com|f", "$name: DISCARD ALL ends it for its own role, too");
	is(as($on, 'pool', 'SET default_transaction_read_only = on', 'SET ROLE a', 'SET default_transaction_read_only = off', $boss,
			'SET default_transaction_read_only = on', 'DISCARD ALL', 'SET ROLE a', 'SELECT cloudsat.nick() IS NULL', 'RESET ROLE',
			q{SELECT count(*) FROM cloudsat.connections WHERE pid = pg_backend_pid()}), "t\n0",
		"$name: ... in a read-only session, too");
	is(as($on, 'pool', 'SET ROLE a', $boss, 'DISCARD TEMP', 'DISCARD PLANS', 'DISCARD SEQUENCES', 'RESET ALL', 'SELECT cloudsat.nick()'),
		'boss@x.example.com', "$name: other commands do not");
	my ($out, $err) = ('', '');
	$on->psql('postgres', "SET ROLE a; $boss; BEGIN; DISCARD ALL; ROLLBACK; SELECT cloudsat.nick();", stdout => \$out, stderr => \$err,
		on_error_stop => 0, extra_params => [ '-U', 'pool' ]);
	is($out, 'boss@x.example.com', "$name: nor does a DISCARD ALL that fails");
	is(as($on, 'pool', 'BEGIN', 'SET LOCAL ROLE a', $boss, 'COMMIT', 'SELECT cloudsat.nick() IS NULL', 'SET ROLE a', 'SELECT cloudsat.nick()',
			'BEGIN', 'SAVEPOINT s', 'SET LOCAL ROLE b', 'SELECT cloudsat.nick() IS NULL', 'ROLLBACK TO s', 'SELECT cloudsat.nick()', 'COMMIT'),
		"t\nboss\@x.example.com\nt\nboss\@x.example.com", "$name: the role of this moment counts, in transactions and savepoints");
	is(as($on, 'postgres', 'SET SESSION AUTHORIZATION a', $boss, 'SET SESSION AUTHORIZATION b', 'SELECT cloudsat.nick() IS NULL',
			'RESET SESSION AUTHORIZATION', 'SELECT cloudsat.nick() IS NULL', 'SET ROLE a', 'SELECT cloudsat.nick()'), "t\nt\nboss\@x.example.com",
		"$name: however it became that role");
	is(as($on, 'postgres', q{CREATE FUNCTION public.as_b() RETURNS bool LANGUAGE sql SET role = 'b' AS 'SELECT cloudsat.nick() IS NULL'},
			'GRANT EXECUTE ON FUNCTION public.as_b() TO a', 'SET ROLE a', $boss, 'SELECT public.as_b(), cloudsat.nick()'),
		't|boss@x.example.com', "$name: a function with a role of its own is not registered");
	is(as($on, 'pool', 'CREATE TEMP TABLE t AS SELECT 1', q{CREATE FUNCTION pg_temp.as_pool() RETURNS bool LANGUAGE sql SECURITY DEFINER
			AS 'SELECT cloudsat.nick() IS NULL'}, 'SET ROLE a', $boss, 'SELECT pg_temp.as_pool()'), 't',
		"$name: nor is a function that runs as the login");

	# the stream does not leak either
	is(as($on, 'pool', 'SET ROLE a', $boss, 'RESET ROLE', 'SET ROLE b', q{SELECT FROM cloudsat.register('{y.example.com}')},
			q{SELECT FROM cloudsat.post('boss@x.example.com', 'more')}, q{SELECT FROM cloudsat.post('y.example.com', 'own')},
			'SELECT message FROM cloudsat.receive(include_own => true)', 'SET ROLE a', 'SELECT cloudsat.nick() IS NULL',
			'RESET ROLE', q{SELECT nick FROM cloudsat.connections WHERE pid = pg_backend_pid()}),
		"own\nt\ny.example.com", "$name: a registration of another role takes the place of the last one, with its stream");
	is(as($on, 'pool', 'SET ROLE a', $boss, 'SET ROLE b', q{SELECT cloudsat.register('{}')}, 'SELECT count(*) FROM pg_listening_channels()',
			'SET ROLE a', 'SELECT cloudsat.nick() IS NULL'), "{}\n0\nt", "$name: an empty one cancels it");
}
$plain->stop;

# --- registering without listening -------------------------------------------------------------------------------
my $channels = 'SELECT count(*) FROM pg_listening_channels()';
is(sql(q{SELECT FROM cloudsat.register('{w1.web.example.com}', listen => false)}, $channels,
		q{SELECT FROM cloudsat.post('web.example.com', 'hello')}, 'SELECT message FROM cloudsat.receive(include_own => true)'),
	"0\nhello", 'who does not listen receives all the same');
is(sql('LISTEN mine', q{SELECT FROM cloudsat.register('{w1.web.example.com}')}, $channels,
		q{SELECT FROM cloudsat.register('{w1.web.example.com}', false)}, $channels,
		q{SELECT FROM cloudsat.register('{w1.web.example.com}', true)}, $channels),
	"6\n1\n6", 'listening ends and begins with a call, but for what the user listens to');
# in one transaction with commands of the client's own: PostgreSQL carries them out at its end, in order
my $register = q{SELECT FROM cloudsat.register('w1.web.example.com')};
my $listens = q{SELECT count(*) FILTER (WHERE c = 'w1.web.example.com'), count(*) FROM pg_listening_channels() AS c};
for my $said ('UNLISTEN *', 'UNLISTEN "w1.web.example.com"', 'LISTEN "w1.web.example.com"', 'UNLISTEN *; LISTEN "w1.web.example.com"') {
	for my $before ($register, 'LISTEN "w1.web.example.com"', 'SELECT') {
		is(sql($before, 'BEGIN', $said, $register, 'COMMIT', $listens), '1|5', "who registers listens afterwards: $before; $said");
	}
	is(sql($register, 'BEGIN', $said, q{SELECT FROM cloudsat.register('w1.web.example.com', listen => false)}, 'COMMIT', $listens), '0|0',
		"or does not: $said");
}
is(sql($register, 'BEGIN', $register, 'UNLISTEN *', 'COMMIT', $listens, $register, $listens), "0|0\n1|5", 'what the client says after it counts, until it registers again');
is(sql('LISTEN "w1.web.example.com"', 'BEGIN', 'UNLISTEN *', $register, 'COMMIT', q{SELECT FROM cloudsat.register('{}')}, $listens), '1|1',
	'what it listened to before stays its own');
is(sql($register, 'BEGIN', q{SELECT FROM cloudsat.register('other.example.org')}, $register, 'COMMIT', $listens, q{SELECT FROM cloudsat.register('{}')}, $listens),
	"1|5\n0|0", 'several registrations in one transaction listen as the last one says, and their channels stay theirs');
is(sql('BEGIN', $register, 'SAVEPOINT s', q{SELECT FROM cloudsat.register('other.example.org')}, 'ROLLBACK TO s', 'COMMIT', $listens), '1|5',
	'a savepoint takes its registration and its listening back');
like(as($node, 'postgres', q{SELECT cloudsat.register('{a.example.com}', NULL)}), qr/^22004: listen must not be null/, 'null is neither');

# --- a registration that changes nothing -------------------------------------------------------------------------
my $rows = 'SELECT count(*) FROM cloudsat.registered WHERE pid = pg_backend_pid()';
is(sql(q{SELECT count(cloudsat.register('{w1.web.example.com,x.example.com}')) FROM generate_series(1, 1000)}, $rows,
		'BEGIN', q{SELECT FROM cloudsat.register('{w1.web.example.com,x.example.com}')}, 'COMMIT', $rows,
		q{SELECT FROM cloudsat.register('{w1.web.example.com,x.example.com}', listen => false)}, $rows),
	"1000\n1\n1\n1", 'appends nothing');
is(sql(q{SELECT FROM cloudsat.register('{w1.web.example.com}')}, q{SELECT FROM cloudsat.register('{w1.web.example.com,x.example.com}')},
		q{SELECT FROM cloudsat.register('{w1.web.example.com}')}, $rows), '3', 'one that does, does');
is(sql('BEGIN', q{SELECT FROM cloudsat.register('{w1.web.example.com}')}, 'ROLLBACK', q{SELECT FROM cloudsat.register('{w1.web.example.com}')}, $rows),
	'1', '... after a rollback, too');

# --- leases of a pool --------------------------------------------------------------------------------------------
my $i_am_other = sub { return qq{SELECT FROM cloudsat.register('{w1.web.example.com,$_[0].example.com}')} };
my $told = q{SELECT nick, cardinality(chans) > 0 FROM cloudsat.registered WHERE pid = pg_backend_pid() ORDER BY "timestamp"};
my $shown = q{SELECT nick FROM %s WHERE pid = pg_backend_pid() AND nick = 'w%d.web.example.com'};
my @leases = map { my $n = $_; (qq{SELECT FROM cloudsat.register('{w$n.web.example.com}')}, sprintf($shown, 'cloudsat.connections', $n),
	sprintf($shown, 'cloudsat.listeners', $n), 'DISCARD ALL', sprintf($shown, 'cloudsat.connections', $n), sprintf($shown, 'cloudsat.listeners', $n)) } 1, 2;
my @names = map { ("w$_.web.example.com") x 2 } 1, 2;
is(sql((@leases) x 20, $told), join("\n", (@names) x 20, map { ("w$_.web.example.com|t", "w$_.web.example.com|f") } 1, 2),
	'a lease like the last one of the connection takes the place of its rows, and the views are right in between');
is(sql('SET ROLE a', $boss, 'RESET ROLE', q{SELECT FROM cloudsat.register('{w1.web.example.com}')}, 'SET ROLE a', $boss, 'RESET ROLE',
		q{SELECT FROM cloudsat.register('{w1.web.example.com}')}, $told),
	"boss\@x.example.com|t\nboss\@x.example.com|f\nw1.web.example.com|t",
	'... with a role of its own for each lease, too');
is(sql($i_am_other->('y'), 'DISCARD ALL', $i_am_other->('z'), 'DISCARD ALL', $told), join("\n", ('w1.web.example.com|t', 'w1.web.example.com|f') x 2),
	'a lease with other subscriptions does not');
is(sql('BEGIN', $i_am_other->('y'), 'COMMIT', 'DISCARD ALL', 'BEGIN', $i_am_other->('y'), 'ROLLBACK', $told), "w1.web.example.com|t\nw1.web.example.com|f",
	'nor does one that is rolled back');

# --- one nick in two sessions ------------------------------------------------------------------------------------
sql('CREATE EXTENSION dblink');
my $other = sprintf q{SELECT FROM dblink_connect('other', 'host=%s port=%s dbname=postgres');
	CREATE FUNCTION pg_temp.other(statement text) RETURNS text LANGUAGE sql AS
		$$ SELECT string_agg(t, ',') FROM dblink('other', statement) AS r (t text) $$;
	CREATE FUNCTION pg_temp.say(text) RETURNS uuid LANGUAGE sql AS $$ SELECT cloudsat.post('ask@example.org', 'web.example.com', $1) $$;
	CREATE FUNCTION pg_temp.mine() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(message, ',' ORDER BY uuid) FROM cloudsat.receive() $$;
	PREPARE others AS SELECT pg_temp.other('SELECT message FROM cloudsat.receive()')}, $node->host, $node->port;
my $i_am = sub { return qq{SELECT FROM cloudsat.register('{$_[0].web.example.com}')} };
my $other_is = sub { return qq{SELECT FROM pg_temp.other('SELECT FROM cloudsat.register(''{$_[0].web.example.com}'')')} };
$other_is = sub { return qq{SELECT FROM pg_temp.other('SELECT cloudsat.register(''{$_[0].web.example.com}'')::text')} };
my $other_marks = q{SELECT FROM pg_temp.other('SELECT cloudsat.bookmark()::text')};

is(sql($other, $i_am->('one'), 'SELECT cloudsat.bookmark()', $other_is->('one'), q{SELECT FROM pg_temp.say('one')},
		'EXECUTE others', $other_marks, $i_am->('one'), 'SELECT pg_temp.mine() IS NULL',
		'SELECT cloudsat.bookmark()', q{SELECT FROM pg_temp.say('two')}, $other_is->('fresh'), $other_is->('one'), 'EXECUTE others'),
	"\none\nt\n\ntwo", 'what one session has received and bookmarked, no other one of the nick receives again');
is(sql($other, $i_am->('two'), 'SELECT cloudsat.bookmark()', $other_is->('two'), q{SELECT FROM pg_temp.say('one')}, 'EXECUTE others', $other_marks,
		# behind, and not registered again: its bookmark does not move the nick back
		'SELECT cloudsat.bookmark()', $other_is->('fresh'), $other_is->('two'), 'EXECUTE others',
		# unless it says so
		'SELECT cloudsat.bookmark(force => true)', $other_is->('fresh'), $other_is->('two'), 'EXECUTE others'),
	"\none\n\n\n\none", 'a bookmark never moves a nick back, unless it is forced');
is(sql($other, $i_am->('three'), q{SELECT FROM pg_temp.say('one')}, 'SELECT pg_temp.mine()', $other_is->('three'), $other_marks,
		$i_am->('three'), 'SELECT pg_temp.mine() IS NULL'), "one\nt", 'nor does registering again move a session back');
# each is ahead of the other somewhere: the first has received what the second has not seen, and the other way round
is(sql($other, $i_am->('four'), $other_is->('four'), q{SELECT FROM pg_temp.say('first')}, 'SELECT pg_temp.mine()',
		q{SELECT FROM pg_temp.other('BEGIN')}, q{SELECT FROM pg_temp.other('SELECT cloudsat.post(''ask@example.org'', ''web.example.com'', ''late'')::text')},
		q{SELECT FROM pg_temp.say('second')}, 'SELECT pg_temp.mine()', 'SELECT cloudsat.bookmark()', q{SELECT FROM pg_temp.other('COMMIT')},
		'EXECUTE others', $other_marks, $i_am->('four'), 'SELECT pg_temp.mine() IS NULL'),
	"first\nsecond\n\nfirst,late,second\nt", 'positions are sets: nothing is missed and nothing repeated');
is(sql($i_am->('five'), 'SELECT cloudsat.bookmark()', 'SELECT cloudsat.bookmark()',
		q{SELECT count(*) FROM cloudsat.bookmarks WHERE nick = 'five.web.example.com'}), "\n\n1", 'a bookmark that changes nothing appends nothing');
like(as($node, 'postgres', $i_am->('five'), q{SELECT cloudsat.bookmark(force => NULL)}), qr/^22004: force must not be null/, 'force is true or false');
# two at the same time: the second one waits, and keeps what the first one has
my $slow = $node->background_psql('postgres');
$slow->query_safe($i_am->('six') . "; SELECT cloudsat.bookmark();");
my $fast = $node->background_psql('postgres');
$fast->query_safe($i_am->('six'));
sql(q{SELECT cloudsat.post('ask@example.org', 'web.example.com', 'six')});
is($slow->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;'), '1', 'an old snapshot');
$fast->query_safe('BEGIN; SELECT message FROM cloudsat.receive(); SELECT cloudsat.bookmark();');
$slow->query_until(qr/^waits$/m, "\\echo waits\nSELECT cloudsat.bookmark();\nCOMMIT;\n\\echo done\n");
wait_until(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}, '1', 30, 'a bookmark waits for another one of the nick');
$fast->query_safe('COMMIT');
$slow->query_safe('SELECT 1');
is(sql($i_am->('six'), q{SELECT count(*) FROM cloudsat.receive()}), '0', '... and does not move it back');
$slow->quit;
$fast->quit;

# --- from now on --------------------------------------------------------------------------------------------------
is(sql(q{SELECT FROM cloudsat.post('ask@example.org', 'now.example.com', 'before')}, 'SELECT cloudsat.current_snapshot() AS since \gset',
		q{SELECT FROM cloudsat.post('ask@example.org', 'now.example.com', 'after')},
		q{SELECT message FROM cloudsat.inbox('now.example.com', :'since')}), 'after',
	'a reader of inbox begins at current_snapshot()');
is(sql(q{UPDATE cloudsat.eras SET system_identifier = 1}, 'SELECT cloudsat.current_snapshot() AS since \gset',
		q{SELECT FROM cloudsat.post('ask@example.org', 'now.example.com', 'restored')},
		q{SELECT message FROM cloudsat.inbox('now.example.com', :'since')}), 'restored', '... on a board that was restored, too');

# --- leases are the nick's ---------------------------------------------------------------------------------------
my $task = q{SELECT pg_temp.say('task') AS task \gset};
my $claim = sub { return qq{SELECT pg_temp.other(format('SELECT (cloudsat.claim(%L, lease => $_[0]) IS NOT NULL)::text', :'task'))} };
is(sql($other, $task, $i_am->('w1'), $other_is->('w1'), $claim->(q{''1 hour''}),
		q{SELECT cloudsat.claim(:'task', lease => '2 hours') = (SELECT reply FROM cloudsat.claims WHERE message = :'task')},
		q{SELECT (SELECT lease_until > now() + interval '90 min' FROM cloudsat.claims WHERE message = :'task')},
		q{SELECT string_agg(action, ' ' ORDER BY "timestamp") FROM cloudsat.claim_log WHERE message = :'task'},
		$i_am->('w2'), q{SELECT cloudsat.claim(:'task', lease => '1 hour') IS NULL}, $i_am->('w1'),
		q{SELECT cloudsat.release(:'task', 'end', 'done') IS NOT NULL}, $claim->(q{''1 hour''})),
	"true\nt\nt\nclaimed renewed\nt\nt\nfalse", 'any session of the nick renews and releases a lease, no other one does');
is(sql($other, $task, $i_am->('w1'), $other_is->('w1'), $claim->('NULL'), q{SELECT cloudsat.claim(:'task') IS NULL}), "true\nt",
	'without a lease a claim is the connection\'s');
like(as($node, 'postgres', $other, $task, $i_am->('w1'), $other_is->('w1'), $claim->('NULL'), 'CREATE ROLE releaser LOGIN',
		q{SELECT cloudsat.enlist('releaser', 'server', 'web.example.com')}, 'SET ROLE releaser', $i_am->('w1'),
		q{SELECT cloudsat.release(:'task', 'end', 'x')}), qr/^55000: this session has not claimed message/, '... whom nobody releases from elsewhere');

# --- an enlistment that ends, while sessions are registered
sql('CREATE ROLE movable LOGIN', q{SELECT cloudsat.enlist('movable', 'task', 'one.example.com'), cloudsat.enlist('movable', 'task', 'two.example.com')});
my $movable = $node->background_psql('postgres', extra_params => [ '-U', 'movable' ], on_error_stop => 0);
$movable->query_safe(q{SELECT FROM cloudsat.register('one.example.com')});
sql('BEGIN', q{SELECT cloudsat.dismiss('movable')}, q{SELECT cloudsat.enlist('movable', 'task', 'two.example.com')}, 'COMMIT',
	q{SELECT cloudsat.post('root@example.com', 'one.example.com', 'for another one')});
is($movable->query_safe('SELECT cloudsat.nick() IS NULL, (SELECT count(*) FROM cloudsat.inbox)'), 't|0', 'who is enlisted for other addresses loses the registration');
$movable->query(q{SELECT cloudsat.post('two.example.com', 'forged')});
like($movable->{stderr}, qr/this session is not registered\nDETAIL:  Role "movable" is no longer enlisted/, 'and is told so');
$movable->{stderr} = '';
is($movable->query_safe(q{SELECT FROM cloudsat.register('two.example.com'); SELECT cloudsat.nick()}), 'two.example.com', 'but may register what it has');
sql(q{SELECT cloudsat.enlist('movable', 'task', 'one.example.com')});
is($movable->query_safe('SELECT cloudsat.nick()'), 'two.example.com', 'and what is added takes nothing away');
$movable->quit;

# --- a bookmark counts from its commit, whatever the reader's snapshot
my $b_is = q{SELECT FROM cloudsat.register('reader@r.example.com', listen => false)};
my $reader = $node->background_psql('postgres');
my $writer = $node->background_psql('postgres');
$writer->query_safe("$b_is; SELECT FROM cloudsat.bookmark();");
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM cloudsat.inbox;');
sql(q{SELECT cloudsat.post('root@example.com', 'reader@r.example.com', 'once')});
is($writer->query_safe('SELECT message FROM cloudsat.receive(); SELECT FROM cloudsat.bookmark();'), 'once', 'one session receives and saves its place');
is($reader->query_safe("$b_is; COMMIT; SELECT count(*) FROM cloudsat.receive();"), '0', 'another one with an older snapshot goes on behind it');
$_->quit for $reader, $writer;

# --- clients that do not read ------------------------------------------------------------------------------------
my $deaf = $node->background_psql('postgres');
$deaf->query_safe(q{SET application_name = 'deaf'; SELECT FROM cloudsat.register('{deaf.example.com}');});
my $stuck = q{SELECT kind, state, waits_for FROM cloudsat.horizon WHERE name = 'deaf'};
my $tries = 0;
while (sql($stuck) eq '' && $tries++ < 100) {
	sql(q{SELECT count(pg_notify('deaf.example.com', n || repeat('x', 7000))) FROM generate_series(1, 200) AS n});
}
wait_until($stuck, 'session|idle|ClientWrite', 30, 'the horizon shows a session whose client does not read');
sql(q{SELECT pg_terminate_backend(pid) FROM cloudsat.horizon WHERE name = 'deaf'});
eval { $deaf->quit };
is(sql(q{SELECT FROM cloudsat.register('{deaf.example.com}', listen => false)}, 'SELECT count(*) FROM pg_listening_channels()'), '0',
	'who registers without listening is sent nothing');

done_testing();
