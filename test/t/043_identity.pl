# Identity: bots that try to speak as others, to read what is not for them, and to get at the board's tables, each over a
# connection of its own. Who may call what is in test/pgtap/roles.sql; this is about what those calls let through.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('identity', conf => "max_connections = 30\nmax_locks_per_transaction = 512\nautovacuum = off");

# refused(ROLE, WHAT, STATEMENT...): insufficient privilege, and nothing but that
sub refused {
	my ($role, $what, @statements) = @_;
	like(as($role, @statements), qr/^42501: /, $what);
	return;
}

is(sql(q{CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE mallory LOGIN; CREATE ROLE watcher LOGIN;
		CREATE ROLE boss LOGIN; CREATE ROLE stranger LOGIN; GRANT CREATE ON DATABASE postgres TO mallory;
		CREATE EXTENSION dblink;
		SELECT cloudsat.enlist('alice', 'task', 'alice.example.com'), cloudsat.enlist('bob', 'server', 'bob.example.com'),
			cloudsat.enlist('mallory', 'task', 'mallory.example.com'), cloudsat.enlist('watcher', 'adhoc'), cloudsat.enlist('boss', 'admin')}),
	't|t|t|t|t', 'five bots');
my $i_am_alice = q{SELECT FROM cloudsat.register('{alice.example.com}')};
my $i_am_bob = q{SELECT FROM cloudsat.register('{bob.example.com}')};
my $i_am_mallory = q{SELECT FROM cloudsat.register('{mallory.example.com}')};
my $secret = as('alice', $i_am_alice, q{SELECT cloudsat.post('bob.example.com', 'the secret word')});
like($secret, qr/^[0-9a-f-]{36}$/, 'alice posts to bob');
is(as('bob', $i_am_bob, q{SELECT poster, message FROM cloudsat.inbox}), 'alice.example.com|the secret word', 'and bob reads it');
is(as('bob', $i_am_bob, 'SELECT FROM cloudsat.bookmark()', 'SELECT count(*) FROM cloudsat.receive()') . as('alice', $i_am_alice, q{SELECT FROM cloudsat.post('bob.example.com', 'more')})
	. as('bob', $i_am_bob, 'SELECT message FROM cloudsat.receive()'), '0more', 'and goes on from a bookmark');

# --- speaking as another -----------------------------------------------------------------------------------------
refused('mallory', "registering $_", "SELECT cloudsat.register('{$_}')")
  for 'alice.example.com', 'app@alice.example.com', 'example.com', '.', 'x.mallory.example.com,alice.example.com';
refused('mallory', "calling $_", $i_am_mallory, "SELECT cloudsat.$_")
  for q{post('alice.example.com', 'bob.example.com', 'forged')}, q{post('alice.example.com', 'bob.example.com', '{forged}'::text[])},
  qq{reply('alice.example.com', 'bob.example.com', 'forged', '$secret', 'info')}, q{post('sub.mallory.example.com', '.', 'forged')};
like(as('mallory', "SELECT cloudsat.$_"), qr/^55000: this session is not registered/, "$_ without a registration")
  for q{post('bob.example.com', 'forged')}, q{post('mallory.example.com', 'bob.example.com', 'forged')};
refused('mallory', $_, $_) for 'SET ROLE alice', 'SET ROLE cloudsat_admin', 'SET SESSION AUTHORIZATION alice',
  q{SELECT cloudsat.enlist('mallory', 'task', 'alice.example.com')}, q{GRANT cloudsat_admin TO mallory},
  q{SELECT _cloudsat.enlist('mallory', 'task', 'alice.example.com', 'boss')}, q{SELECT cloudsat.dismiss('alice')};
refused('mallory', 'registering as the group', 'SET ROLE cloudsat_task', q{SELECT cloudsat.register('{alice.example.com}')});
is(as('mallory', $i_am_mallory, 'SET ROLE cloudsat_task', 'RESET ROLE', 'SELECT cloudsat.nick()'), 'mallory.example.com',
	'a registration outlives SET ROLE');
is(sql($i_am_bob, 'SET SESSION AUTHORIZATION mallory', 'SELECT cloudsat.nick() IS NULL, count(*) FROM cloudsat.inbox'), 't|0',
	'and not SET SESSION AUTHORIZATION');
refused('bob', 'a server starts no thread', $i_am_bob, q{SELECT cloudsat.post('alice.example.com', 'x')});
refused('watcher', 'adhoc takes no address', q{SELECT cloudsat.register('{.}')});
refused('boss', 'an administrator makes no administrator', q{SELECT cloudsat.enlist('mallory', 'admin')});

# --- a function of mallory's in other sessions: called there, in a trigger, in an index that ANALYZE looks at --------
my $try = sub { return qq{EXECUTE 'SELECT cloudsat.$_[0]'} };
is(as('mallory', q{CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC},
		q{CREATE FUNCTION evil.run(command text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
			DECLARE result text; BEGIN EXECUTE 'SELECT ' || command INTO result; RETURN result; END $$},
		# quiet while the index is made
		q{CREATE FUNCTION evil.lie(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
			BEGIN
				IF session_user <> 'mallory' THEN PERFORM evil.run(command) FROM evil.commands; END IF;
				RETURN $1;
			END $$},
		q{CREATE TABLE evil.commands (command text)},
		q{CREATE TABLE evil.bait AS SELECT n FROM generate_series(1, 1000) AS n}, q{CREATE INDEX ON evil.bait (evil.lie(n))}),
	'', 'mallory prepares');
my %session = (boss => '', postgres => '', alice => $i_am_alice,
	registered => q{SELECT FROM cloudsat.register('{postgres.example.com}')});
my @crimes = (q{cloudsat.post('alice.example.com', 'bob.example.com', 'forged')}, q{cloudsat.post('bob.example.com', 'forged')},
	qq{cloudsat.reply('$secret', 'belay', 'forged')}, q{cloudsat.register('{mallory.example.com}')}, q{cloudsat.register('{}')},
	q{cloudsat.register('{alice.example.com}')}, q{cloudsat.enlist('mallory', 'admin')}, q{cloudsat.dismiss('alice')});
for my $who (sort keys %session) {
	for my $crime (@crimes) {
		(my $quoted = $crime) =~ s/'/''/g;
		like(as($who eq 'registered' ? 'postgres' : $who, $session{$who} || 'SELECT', "SELECT evil.run('$quoted')"),
			qr/^(?:42501|55000): /, "$who calls mallory's function: $crime");
	}
	like(as($who eq 'registered' ? 'postgres' : $who, $session{$who} || 'SELECT', "SELECT evil.run('$_')"), qr/^(?:42501|55000): /,
		"$who calls mallory's function: $_") for 'uuid FROM cloudsat.receive()', 'cloudsat.bookmark()', q{count(*) FROM cloudsat.inbox(''{bob.example.com}'')};
	is(as($who eq 'registered' ? 'postgres' : $who, $session{$who} || 'SELECT',
			q{SELECT evil.run('cloudsat.nick()'), evil.run('cloudsat.addresses()'), evil.run('count(*) FROM cloudsat.inbox')}),
		'|{}|0', "$who calls mallory's function, which is nobody there");
}
for my $crime (@crimes) {
	as('mallory', 'TRUNCATE evil.commands', "INSERT INTO evil.commands VALUES (\$\$$crime\$\$)");
	like(as('postgres', 'ANALYZE evil.bait'), qr/^(?:42501|55000): /, "ANALYZE runs mallory's function: $crime");
	like(as('postgres', $session{registered}, 'REINDEX TABLE evil.bait'), qr/^(?:42501|55000): /, "REINDEX in a registered session: $crime");
}
is(sql(q{CREATE FUNCTION public.lent() RETURNS uuid LANGUAGE sql SECURITY DEFINER
			RETURN cloudsat.post('alice.example.com'::cloudsat.address, 'bob.example.com'::cloudsat.address, 'forged'::text)},
		q{CREATE FUNCTION public.ask() RETURNS uuid LANGUAGE sql SECURITY DEFINER
			RETURN cloudsat.post('bob.example.com'::cloudsat.address, 'asked'::text)}), '', "an administrator's functions");
refused('mallory', "an administrator's function does not lend its voice", $i_am_mallory, 'SELECT public.lent()');
like(as('bob', $i_am_bob, 'SELECT public.ask()'), qr/^[0-9a-f-]{36}/, '... but may let a server start a thread, as itself');
is(sql(q{SELECT poster FROM cloudsat.messages WHERE message = 'asked'}), 'bob.example.com', '... as itself');
is(sql(q{SELECT count(*) FROM cloudsat.messages WHERE message = 'forged'}), '0', 'nothing was forged');
is(sql(q{SELECT count(*) FROM cloudsat.registered WHERE nick <@ 'mallory.example.com' AND chans = '{}'}), '0', 'nobody was registered');
is(sql(q{SELECT string_agg(role::text, ' ' ORDER BY role::text) FROM cloudsat.enlisted}), 'alice bob boss mallory watcher', 'nobody was enlisted');

# --- reading what is for another ---------------------------------------------------------------------------------
as('mallory', q{CREATE FUNCTION evil.leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS
		$$ BEGIN RAISE EXCEPTION 'saw %', $1; END $$},
	q{CREATE FUNCTION evil.leak(cloudsat.address, cloudsat.address) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS
		$$ BEGIN RAISE EXCEPTION 'saw % %', $1, $2; END $$},
	q{CREATE OPERATOR evil.<@ (FUNCTION = evil.leak, LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address)},
	q{CREATE OPERATOR evil.= (FUNCTION = evil.leak, LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address)},
	q{CREATE DOMAIN evil.seen AS text CHECK (evil.leak(VALUE))}, q{CREATE VIEW evil.inbox AS SELECT * FROM cloudsat.inbox},
	q{GRANT SELECT ON evil.inbox TO PUBLIC});
for my $condition ('evil.leak(message)', q{poster OPERATOR(evil.<@) '.'}, q{chan OPERATOR(evil.=) '.'}, 'message::evil.seen IS NOT NULL',
	q{1 / (position('secret' in message) - position('secret' in message)) = 1}, q{message::int = 1}) {
	# an index would hide what is not on the subscriptions before the condition is asked
	is(as('mallory', $i_am_mallory, 'SET enable_indexscan = off', 'SET enable_bitmapscan = off',
			"SELECT count(*) FROM cloudsat.inbox WHERE $condition"), '0', "the inbox does not leak: $condition");
}
is(as('mallory', $i_am_mallory, 'SET search_path = evil, pg_catalog', q{SELECT count(*) FROM cloudsat.inbox}), '0',
	'nor by an operator that comes first');
is(as('bob', $i_am_bob, q{SELECT message FROM evil.inbox WHERE poster <@ 'alice.example.com' ORDER BY uuid LIMIT 1}), 'the secret word',
	"a view over the inbox shows its reader's");
is(as('mallory', $i_am_mallory, 'SELECT count(*) FROM evil.inbox'), '0', '... and not another one');
refused('mallory', "reading $_", "SELECT * FROM cloudsat.$_") for qw(messages messages_default threads registered recent connections enlisted claim_log bookmarks eras tasks queues polls worker_status);
refused('mallory', $_, $_) for 'COPY cloudsat.messages TO STDOUT', 'COPY (SELECT * FROM cloudsat.messages) TO STDOUT',
  'BEGIN; LOCK TABLE cloudsat.messages IN ACCESS SHARE MODE', 'SELECT _cloudsat.sessions()', 'CREATE MATERIALIZED VIEW evil.m AS SELECT * FROM cloudsat.messages';
sql('ANALYZE cloudsat.messages', 'ANALYZE cloudsat.registered');
is(as('mallory', q{SELECT count(*) FROM pg_stats WHERE schemaname = 'cloudsat'}), '0', 'statistics show no addresses');
cmp_ok(as('watcher', q{SELECT count(*) FROM pg_stats WHERE schemaname = 'cloudsat' AND tablename = 'messages'}), '>', 0, '... but to whom may read');
refused('bob', "a server does not walk: $_", $i_am_bob, "SELECT cloudsat.$_('$secret')") for qw(thread thread_text root ancestors children participants task);
is(as('mallory', $i_am_mallory, "SELECT message FROM cloudsat.thread('$secret')"), 'the secret word', 'a task does, wherever it has a uuid from');
# by address, without a registration: one's own
refused('mallory', "reading $_", "SELECT * FROM cloudsat.inbox('{$_}')") for 'bob.example.com', 'example.com', '.', 'mallory.example.com,bob.example.com';
is(as('mallory', q{SELECT count(*) FROM cloudsat.inbox('{app@mallory.example.com}')}), '0', 'mallory reads what is for mallory');
is(as($_, q{SELECT message FROM cloudsat.inbox('{bob.example.com}') ORDER BY uuid LIMIT 1}), 'the secret word', "$_ reads what is for bob")
  for 'bob', 'watcher', 'boss', 'postgres';
is(as('mallory', $i_am_mallory, 'SELECT count(*) FROM cloudsat.receive(include_own => true)'), '0', 'a stream has nothing of others');
refused('watcher', 'adhoc has no stream', 'SELECT FROM cloudsat.receive()');

# a claim of what is not heard, and who holds it
like(as('bob', $i_am_bob, "SELECT cloudsat.claim('$secret', 'mine', '1 hour')"), qr/^[0-9a-f-]{36}/, 'bob claims it');
like(as('mallory', $i_am_mallory, "SELECT cloudsat.$_"), qr/^42501: message $secret is not on a subscription/, "mallory: $_")
  for "claim('$secret')", "release('$secret', 'end', 'forged')";
is(as('mallory', $i_am_mallory, 'SELECT (SELECT count(*) FROM cloudsat.claims) + (SELECT count(*) FROM cloudsat.orphaned_claims)'), '0',
	'... and sees no claim');
is(as('bob', $i_am_bob, 'SELECT nick FROM cloudsat.claims'), 'bob.example.com', 'bob does');
refused('stranger', 'a stranger sees not even the schema', 'SELECT cloudsat.nick()');

# a uuid from a channel that is another's
my $ear = qq{SELECT FROM dblink_connect('ear', 'host=@{[$node->host]} port=@{[$node->port]} dbname=postgres user=mallory');
	SELECT FROM dblink_exec('ear', 'LISTEN "bob.example.com"');};
is(sql($ear, $i_am_alice, q{SELECT FROM cloudsat.post('bob.example.com', 'heard')}, q{
		DO $$
		DECLARE heard record; BEGIN
			FOR i IN 1 .. 200 LOOP
				PERFORM FROM dblink('ear', 'SELECT 1') AS r (n int);
				SELECT * INTO heard FROM dblink_get_notify('ear') LIMIT 1;
				EXIT WHEN FOUND;
				PERFORM pg_sleep(0.05);
			END LOOP;
			CREATE TEMP TABLE heard AS SELECT heard.notify_name, heard.extra;
		END $$},
		q{SELECT notify_name, extra = uuid::text FROM heard, cloudsat.messages WHERE message = 'heard'}),
	'bob.example.com|t', 'who listens to another\'s channel hears a uuid and nothing else');

# --- getting at the tables ---------------------------------------------------------------------------------------
for my $role ('mallory', 'boss') {
	refused($role, "$role: $_", $_) for
	  q{INSERT INTO cloudsat.messages VALUES (gen_random_uuid(), now(), 'alice.example.com', '.', 'forged', NULL, NULL, NULL, NULL, pg_current_xact_id())},
	  q{INSERT INTO cloudsat.messages_default DEFAULT VALUES}, q{INSERT INTO cloudsat.inbox (message) VALUES ('forged')},
	  q{UPDATE cloudsat.inbox SET message = 'forged'}, q{DELETE FROM cloudsat.inbox}, q{UPDATE cloudsat.messages SET message = 'forged'},
	  q{DELETE FROM cloudsat.messages}, q{TRUNCATE cloudsat.messages}, q{DELETE FROM cloudsat.registered}, q{TRUNCATE cloudsat.registered},
	  q{INSERT INTO cloudsat.enlisted VALUES ('mallory', 'task', '.', now(), 'x')}, q{DELETE FROM cloudsat.enlisted},
	  q{COPY cloudsat.messages FROM STDIN}, q{BEGIN; LOCK TABLE cloudsat.messages IN ACCESS EXCLUSIVE MODE},
	  q{CREATE TRIGGER t BEFORE INSERT ON cloudsat.messages FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()},
	  q{CREATE RULE r AS ON SELECT TO cloudsat.inbox DO INSTEAD SELECT 1}, q{CREATE POLICY p ON cloudsat.messages}, q{CREATE INDEX ON cloudsat.messages (message)},
	  q{ALTER TABLE cloudsat.messages DISABLE TRIGGER ALL}, q{ALTER TABLE cloudsat.messages OWNER TO mallory}, q{DROP TABLE cloudsat.messages},
	  q{CREATE TABLE IF NOT EXISTS cloudsat.mine (n int)}, q{CREATE FUNCTION cloudsat.mine() RETURNS int LANGUAGE sql RETURN 1},
	  q{CREATE OR REPLACE VIEW cloudsat.inbox AS SELECT 1}, q{ALTER FUNCTION cloudsat.nick() SECURITY DEFINER}, q{DROP FUNCTION cloudsat.nick()},
	  q{ALTER EXTENSION cloudsat UPDATE}, q{DROP EXTENSION cloudsat}, q{CREATE CAST (cloudsat.address AS int) WITH INOUT AS IMPLICIT},
	  q{CREATE TABLE evil.t (uuid uuid REFERENCES cloudsat.messages_default)}, q{ALTER TYPE cloudsat.address SET (RECEIVE = NONE)},
	  q{ALTER TABLE cloudsat.messages DETACH PARTITION cloudsat.messages_default}, q{COMMENT ON TABLE cloudsat.messages IS 'x'};
}
refused('mallory', $_, $_) for map { "SET cloudsat.$_" } 'max_message_size = 2000000', 'max_thread_depth = 100000';
is(sql(q{SELECT count(*) FROM cloudsat.messages WHERE message = 'forged'}), '0', 'all is as it was');

# --- traps: a schema and temporary objects that take every name before the server's own ------------------------------
# A name that is not qualified, in what runs with more rights than its caller's, would spring one.
is(as('mallory', q{
	CREATE SCHEMA trap;
	GRANT ALL ON SCHEMA trap TO PUBLIC;
	CREATE FUNCTION trap.spring() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'sprung as %', current_user; END $$;
	DO $do$
	DECLARE
		f record;
		n int := 0;
		body CONSTANT text := $$ LANGUAGE plpgsql AS $f$ BEGIN PERFORM trap.spring(); RAISE EXCEPTION 'sprung'; END $f$ $$;
	BEGIN
		FOR f IN SELECT DISTINCT proname, oidvectortypes(proargtypes) AS arguments,
		                CASE WHEN proretset THEN 'SETOF ' ELSE '' END || CASE t.typtype WHEN 'p' THEN 'text' ELSE format_type(prorettype, NULL) END AS result
		           FROM pg_proc JOIN pg_type AS t ON t.oid = prorettype
		          WHERE pronamespace IN ('pg_catalog'::regnamespace, 'cloudsat'::regnamespace, '_cloudsat'::regnamespace) AND proname NOT LIKE 'RI\_%'
		            AND t.typname <> 'bound' AND NOT EXISTS (SELECT FROM unnest(proargtypes::oid[]) AS a JOIN pg_type AS t ON t.oid = a
		                             WHERE t.typtype = 'p' AND t.typname NOT LIKE 'any_%' OR t.typname = 'bound')
		LOOP
			BEGIN
				EXECUTE format('CREATE FUNCTION trap.%I(%s) RETURNS %s', f.proname, f.arguments, f.result) || body;
				n := n + 1;
			EXCEPTION WHEN duplicate_function THEN NULL; -- spring() itself
				WHEN feature_not_supported THEN NULL; -- PL/pgSQL learned anycompatiblemultirange in a minor release
			END;
		END LOOP;
		FOR f IN SELECT row_number() OVER () AS number, oprname, format_type(oprleft, NULL) AS l, format_type(oprright, NULL) AS r,
		                format_type(oprresult, NULL) AS result
		           FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprright::regtype::text <> '_cloudsat.bound'
		LOOP
			EXECUTE format('CREATE FUNCTION trap.operator_%s(%s) RETURNS %s', f.number, concat_ws(', ', nullif(f.l, '-'), f.r), f.result) || body;
			EXECUTE format('CREATE OPERATOR trap.%s (FUNCTION = trap.operator_%s, %s RIGHTARG = %s)', f.oprname, f.number,
				'LEFTARG = ' || nullif(f.l, '-') || ', ', f.r);
			n := n + 1;
		END LOOP;
		FOR f IN SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v') AND relnamespace IN ('pg_catalog'::regnamespace, 'cloudsat'::regnamespace, '_cloudsat'::regnamespace)
		LOOP
			EXECUTE format('CREATE VIEW trap.%I AS SELECT trap.spring()', f.relname);
			n := n + 1;
		END LOOP;
		FOR f IN SELECT typname, format_type(oid, NULL) AS type FROM pg_type
		          WHERE typtype = 'b' AND typcategory <> 'A' AND typnamespace IN ('pg_catalog'::regnamespace, 'cloudsat'::regnamespace, '_cloudsat'::regnamespace)
		            AND typname <> 'bound'
		LOOP
			EXECUTE format('CREATE DOMAIN trap.%I AS %s CHECK (trap.spring())', f.typname, f.type);
			n := n + 1;
		END LOOP;
		RAISE NOTICE '%', n;
	END $do$;
	SELECT count(*) > 3000 FROM pg_proc WHERE pronamespace = 'trap'::regnamespace}), 't', 'a schema full of traps');
# temporary relations and types come first whatever the search_path is
my $trapped = q{DO $$
	DECLARE name text; BEGIN
		FOREACH name IN ARRAY '{text,uuid,int4,int8,bool,name,oid,interval,timestamptz,jsonb,xid8,regclass,regrole}'::pg_catalog.text[] LOOP
			EXECUTE format('CREATE DOMAIN pg_temp.%I AS pg_catalog.%1$I CHECK (trap.spring())', name);
		END LOOP;
		FOREACH name IN ARRAY '{pg_class,pg_namespace,pg_inherits,pg_roles,pg_auth_members,pg_settings,pg_stat_activity,pg_extension,
			messages,messages_default,registered,enlisted,queues,polls,queue_policies,queue_events,bindings,
			accounts,account_owners,account_requests,archived_messages,outbox}'::pg_catalog.text[] LOOP
			EXECUTE format('CREATE TEMP VIEW %I AS SELECT trap.spring()', name);
		END LOOP;
	END $$;
	SET search_path = trap, pg_catalog};
like(as('mallory', $trapped, q{SELECT now()}), qr/sprung as mallory/, 'a trap works: function');
like(as('mallory', $trapped, q{SELECT 'a'::pg_catalog.text = 'b'}), qr/sprung as mallory/, 'a trap works: operator');
like(as('mallory', $trapped, q{SELECT 'a'::text}), qr/sprung as mallory/, 'a trap works: type');
like(as('mallory', $trapped, q{SELECT * FROM pg_roles}), qr/sprung as mallory/, 'a trap works: relation');

my $fake = Cloudsat::FakeBroker->start;
$fake->tell('/queues', { count => 3, prefix => 'q', messages => 1 });
$fake->queue('queue/alice@example.com/a', messages => 9000);
$fake->tell('/bindings', { vhost => '/', bindings => [ { source => 'amq.topic', destination => 'q-1', routing_key => 'a.#' } ] });
sql($fake->server_sql('pulse', enforce => 'on'), q{CREATE ROLE novice LOGIN});
sql(q{INSERT INTO cloudsat.queue_policies (queue, warn_size) VALUES ('^q-', 1)});
# the real broker, for what the other one cannot do; mail is written, and never sent
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;
my %names = map { $_ => "$_.$$" } qw(one two three);
END { local $?; $broker->api(DELETE => "/users/$_") for grep { $broker } values %names }
$broker->amqp('declare', 'plain', 'durable');
settings(smtp_url => 'smtp://127.0.0.1:9');
sql(Cloudsat::Broker::sql_for('live', 'admin', $broker->{admin_password}, management_url => $broker->management_url,
	amqp_url => $broker->amqp_url, vhosts => "^$vhost\$", reserved_owners => '^(admin|guardian)\$', admins => 'ops@example.com'));
sql(qq{INSERT INTO cloudsat.archived_messages (server, vhost, queue, archived_at, exchange, routing_key, redelivered, properties, body)
	SELECT 'live', '$vhost', 'plain', now(), '', 'plain', false, '\\x0000', 'x' FROM generate_series(1, 9)});
sql(qq{SELECT cloudsat.request_account('live', '$names{three}', 'three\@example.com')});
my ($token) = sql(q{SELECT body FROM cloudsat.outbox WHERE recipient = 'three@example.com'}) =~ /^    ([\w-]{32})$/m;
my %calls = ( # by name, so that a function that is missing here is noticed
	maintain => [ 'cloudsat.maintain()' ],
	cleanup => [ q{cloudsat.cleanup('1 day')}, q{cloudsat.cleanup('1 day', true)} ],
	_sessions => [], # by connections, which is among the views
	_transactions => [], # by horizon
	watching => [ q{cloudsat.throughput('yesterday')}, q{cloudsat.error_rates('yesterday')} ],
	poll => [ (q{cloudsat.poll('pulse')}) x 3, q{cloudsat.poll('live')} ],
	confirm_enforce => [ q{cloudsat.confirm_enforce('pulse')} ],
	explanations => [ q{cloudsat.explain_queue('pulse', '/', 'q-1')}, q{cloudsat.explain_queue('pulse', '/', 'queue/alice@example.com/a')} ],
	archives => [ "cloudsat.archived('live', '$vhost', 'plain')" ],
	replay => [ "cloudsat.replay('live', '$vhost', 'plain', 2)" ],
	take_archived => [ "cloudsat.take_archived('live', '$vhost', 'plain', 2)" ],
	create_account => [ map { "cloudsat.create_account('live', '$names{$_}', 'password', '{boss.example.com,ops\@example.com}')" } qw(one two) ],
	delete_account => [ "cloudsat.delete_account('live', '$names{one}')" ],
	set_account_owners => [ "cloudsat.set_account_owners('live', '$names{two}', '{boss.example.com}')" ],
	set_account_password => [ "cloudsat.set_account_password('live', '$names{two}', 'otherword')" ],
	request_account => [ q{cloudsat.request_account('live', 'four', 'four@example.com')} ],
	confirm_account => [ "cloudsat.confirm_account('$token', 'password')" ],
	_enlist => [ q{cloudsat.enlist('novice', 'task', 'novice.example.com')} ],
	_dismiss => [ q{cloudsat.dismiss('novice')} ],
	register => [ q{cloudsat.register('{boss.example.com,x.example.com}')} ],
	post => [ q{cloudsat.post('bob.example.com', 'x')}, q{cloudsat.post('boss.example.com', 'bob.example.com', 'x')},
		q{cloudsat.post('boss.example.com', 'bob.example.com', '{x,y}'::pg_catalog.text[])} ],
	reply => [ qq{cloudsat.reply('$secret', 'info', 'x')}, qq{cloudsat.reply('boss.example.com', '.', 'x', '$secret', 'end')} ],
	claims => [ "cloudsat.claim('$secret')", "cloudsat.claim('$secret', 'mine', '1 hour')", "cloudsat.release('$secret', 'problem', 'no')" ],
	streams => [ 'cloudsat.receive()', 'cloudsat.bookmark()', q{cloudsat.inbox('{bob.example.com}')}, q{cloudsat.inbox('{bob.example.com}', '1:1:')} ],
	walks => [ map { "cloudsat.$_('$secret')" } qw(thread thread_text root ancestors children
		participants acknowledgments failed incomplete task) ],
	session => [ map { "cloudsat.$_()" } qw(nick addresses subscriptions) ],
	views => [ split /\n/, sql(q{SELECT 'cloudsat.' || relname FROM pg_class
		WHERE relnamespace = 'cloudsat'::regnamespace AND relkind = 'v' ORDER BY 1}) ],
);
my $i_am_boss = q{SELECT FROM cloudsat.register('{boss.example.com}')};
for my $name (sort keys %calls) {
	unlike(as('boss', $i_am_boss, $trapped, "SELECT * FROM $_"), qr/^\w{5}: /, "springs no trap: $_") for @{ $calls{$name} };
}
is_deeply([ grep { !$calls{$_} } split /\n/, sql(q{SELECT DISTINCT proname FROM pg_proc
		WHERE pronamespace = 'cloudsat'::regnamespace AND prosecdef ORDER BY 1}) ], [], 'no SECURITY DEFINER function is left out');
is(sql(q{SELECT string_agg(event, ' ' ORDER BY id) FROM cloudsat.queue_events WHERE event <> 'appeared'}),
	'warned delete_intended deleted', 'the polls had something to do');
$fake->stop;

# --- dismissed, while registered ---------------------------------------------------------------------------------
my $session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'mallory' ]);
sub told { my $out = eval { $session->query($_[0]) }; my $err = $session->{stderr}; $session->{stderr} = ''; return $err =~ /ERROR:\s+(.*)/ ? $1 : $out }
is(told(qq{$i_am_mallory; PREPARE post AS SELECT cloudsat.post('bob.example.com', 'last words') IS NOT NULL; EXECUTE post}), 't', 'mallory speaks');
is(sql(q{SELECT cloudsat.dismiss('mallory')}), 't', 'and is dismissed');
like(told($_), qr/permission denied/, "refused from then on: $_")
  for 'EXECUTE post;', q{SELECT cloudsat.reply(gen_random_uuid(), 'info', 'x');}, 'SELECT count(*) FROM cloudsat.inbox;', $i_am_mallory . ';';
is(sql(q{SELECT cloudsat.enlist('mallory', 'task', 'mallory.example.org')}), 't', 'enlisted for another address');
is(told('EXECUTE post;'), 'this session is not registered', 'the registration does not outlive the dismissal');
eval { $session->quit };

# --- dumps and databases -----------------------------------------------------------------------------------------
is(sql('DROP SCHEMA evil, trap CASCADE', q{SELECT cloudsat.dismiss('novice')}, q{CREATE ROLE "Odd ""One" LOGIN}, q{SELECT cloudsat.enlist('"Odd ""One"', 'server', 'odd.example.com')},
	q{CREATE ROLE gone LOGIN}, q{SELECT cloudsat.enlist('gone', 'server', 'gone.example.com')}, q{DROP ROLE gone}), "t\nt\nt", 'one with an odd name, and one that is dropped');
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-f', "$dump.sql", 'postgres' ], 'pg_dump');
$node->command_ok([ 'pg_dumpall', '--roles-only', '-f', "$dump.roles" ], 'pg_dumpall --roles-only');
my ($rows) = slurp_file("$dump.sql") =~ /^COPY cloudsat\.enlisted .*?\n(.*?)^\\\.$/ms;
like($rows, qr/^alice\ttask\talice\.example\.com\t/m, 'a dump has the names of roles');
unlike($rows, qr/gone\.example\.com|^\d/m, 'and nothing of roles that were dropped');
my $other = new_node('other', extension => 0);
sql($other, join(';', map { "CREATE ROLE filler$_" } 1 .. 20)); # so that OIDs differ
$other->psql('postgres', slurp_file("$dump.roles"), on_error_stop => 0); # postgres is there already
$other->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-f', "$dump.sql" ], 'restored into another cluster, without an error');
is(sql($other, q{SELECT string_agg(role::text, ' ' ORDER BY role::text COLLATE "C") FROM cloudsat.enlisted}),
	'"Odd ""One" alice bob boss mallory watcher', 'the same bots');
isnt(sql($other, q{SELECT 'alice'::regrole::oid}), sql(q{SELECT 'alice'::regrole::oid}), 'by other numbers');
is(as($other, 'alice', q{SELECT FROM cloudsat.register('{alice.example.com}'); SELECT cloudsat.nick()}),
	'alice.example.com', 'who register');
$other->stop;

sql('CREATE DATABASE second');
sql_in('second', 'CREATE EXTENSION cloudsat');
like(($node->psql('second', $i_am_alice, extra_params => [ '-U', 'alice' ]))[2], qr/role "alice" may not register alice.example.com/,
	'a bot is one in its own database');
sql_in('second', q{SELECT cloudsat.enlist('alice', 'task', 'alice.example.org')});
is(sql(q{SELECT cloudsat.dismiss('alice')}), 't', 'dismissed here');
like(($node->psql('second', q{SELECT cloudsat.nick()}, extra_params => [ '-U', 'alice' ]))[2], qr/permission denied/, 'is dismissed everywhere');
is(sql_in('second', q{SELECT cloudsat.enlist('alice', 'task', 'alice.example.org'); SELECT FROM cloudsat.register('{alice.example.org}')}), 'f',
	'until enlisted again');
$node->safe_psql('second', q{SELECT cloudsat.register('{alice.example.org}')}, extra_params => [ '-U', 'alice' ]);
is(sql_in('second', q{DROP EXTENSION cloudsat; SELECT pg_has_role('alice', 'cloudsat_task', 'MEMBER')}), 't',
	'DROP EXTENSION leaves roles and memberships');
$node->stop;
done_testing();
