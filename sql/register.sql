-- Registering: nick, addresses, subscriptions, channels; what a rollback leaves; the inbox.
\set ON_ERROR_ROLLBACK off
SET cloudsat.notify = off;
CREATE FUNCTION pg_temp.refusal(statement text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
                            hint = PG_EXCEPTION_HINT;
END $$;
CREATE TEMP VIEW here AS SELECT cloudsat.nick(), cloudsat.addresses(), cloudsat.subscriptions(),
    (SELECT array_agg(channel ORDER BY channel COLLATE "C") FROM pg_listening_channels() AS channel) AS channels;

-- before
SELECT * FROM here;
SELECT count(*) FROM cloudsat.inbox;
SELECT cloudsat.register('{}') AS cancelled_nothing;
SELECT count(*) AS rows FROM cloudsat.registered WHERE pid = pg_backend_pid();

-- repetitions count once, the first is the nick
SELECT cloudsat.register('{App@H1.aws.example.com, h2.aws.example.com, app@h1.aws.example.com}');
SELECT * FROM here;
SELECT nick, chans, pid = pg_backend_pid() AS ours, "timestamp" <= clock_timestamp() AS timed FROM cloudsat.registered WHERE pid = pg_backend_pid();
SELECT nick, usename = current_user AS me, state FROM cloudsat.connections WHERE pid = pg_backend_pid();

-- another one: stale channels go, common ones stay; a channel that the user listens to stays the user's
LISTEN "ops.example.org";
LISTEN "com";
SELECT cloudsat.register('{x.example.org, ops.example.org}');
SELECT * FROM here;
SELECT cloudsat.register('{y.example.net}');
SELECT * FROM here;
-- who said UNLISTEN * hears again
UNLISTEN *;
SELECT cloudsat.register('{y.example.net}');
SELECT * FROM here;
SELECT nick, chans FROM cloudsat.recent WHERE pid = pg_backend_pid() ORDER BY nick;
SELECT nick FROM cloudsat.connections WHERE pid = pg_backend_pid();

-- a channel's name has at most 63 octets, an address may have more
SELECT cloudsat.register(ARRAY[('app@' || repeat('long-label.', 10) || 'example.com')::cloudsat.address]) IS NOT NULL AS registered;
SELECT channel, octet_length(channel) FROM pg_listening_channels() AS channel WHERE octet_length(channel) > 50 ORDER BY channel COLLATE "C";
SELECT cloudsat.register('{y.example.net}');

-- refused, and nothing changed
SELECT r.* FROM (VALUES
    (1, 'SELECT cloudsat.register(NULL)'), (2, 'SELECT cloudsat.register(''{a.example.com,NULL}'')'),
    (3, 'SELECT cloudsat.register(''{a..b}'')'),
    (4, 'SELECT cloudsat.register(ARRAY(SELECT (''h'' || n || ''.example.com'')::cloudsat.address FROM generate_series(1, 998) AS n))'),
    (5, 'SELECT cloudsat.register(ARRAY(SELECT (''h'' || n || ''.example.com'')::cloudsat.address FROM generate_series(1, 100000) AS n))'))
    AS v (n, statement), pg_temp.refusal(statement) AS r ORDER BY n;
SELECT * FROM here;
-- as many as may be, and the same address a hundred thousand times
SELECT cardinality(cloudsat.register(ARRAY(SELECT ('h' || n || '.example.com')::cloudsat.address FROM generate_series(1, 997) AS n)));
SELECT count(*) FROM pg_listening_channels();
SELECT cloudsat.register(array_fill('y.example.net'::cloudsat.address, ARRAY[100000]));
SELECT * FROM here;
-- everyone's address alone; two dimensions are as good as one
SELECT cloudsat.register('{.}'), cloudsat.register('{{y.example.net},{z.example.net}}');

-- rolled back, and to savepoints at several levels
SELECT cloudsat.register('{one.example.com}') IS NOT NULL AS registered;
BEGIN;
SELECT cloudsat.register('{two.example.com}') IS NOT NULL AS registered;
SELECT cloudsat.nick();
ROLLBACK;
SELECT * FROM here;
BEGIN;
SAVEPOINT a;
SELECT cloudsat.register('{two.example.com}') IS NOT NULL AS registered;
SAVEPOINT b;
SELECT cloudsat.register('{three.example.com}') IS NOT NULL AS registered;
SELECT cloudsat.register('{four.example.com}') IS NOT NULL AS registered;
RELEASE b;
SELECT cloudsat.nick();
SAVEPOINT c;
SELECT cloudsat.register('{}');
SELECT cloudsat.nick(), cloudsat.addresses();
ROLLBACK TO c;
SELECT cloudsat.nick();
ROLLBACK TO a;
SELECT cloudsat.nick();
SELECT cloudsat.register('{five.example.com}') IS NOT NULL AS registered;
COMMIT;
SELECT * FROM here;
-- a released savepoint, then all rolled back
BEGIN;
SAVEPOINT a;
SELECT cloudsat.register('{six.example.com}') IS NOT NULL AS registered;
RELEASE a;
SELECT cloudsat.nick();
ROLLBACK;
SELECT cloudsat.nick();
-- an EXCEPTION block is a savepoint, too
DO $$
BEGIN
    PERFORM cloudsat.register('{seven.example.com}');
    RAISE EXCEPTION USING ERRCODE = '22000';
EXCEPTION WHEN data_exception THEN
    RAISE NOTICE '% speaks', cloudsat.nick();
END $$;
SELECT * FROM here;
SELECT nick, cardinality(chans) AS chans FROM cloudsat.registered WHERE pid = pg_backend_pid() ORDER BY "timestamp";

-- the inbox: what is on the subscriptions, whoever posted it
SELECT cloudsat.register('{app@h1.aws.example.com}') IS NOT NULL AS registered;
SELECT cloudsat.post('boss.example.org', chan, 'to ' || chan::text) IS NOT NULL AS posted
  FROM unnest('{app@h1.aws.example.com,h1.aws.example.com,aws.example.com,.,h2.aws.example.com,x@aws.example.com}'::cloudsat.address[]) AS chan;
SELECT cloudsat.reply(uuid, 'ignored', 'not now') IS NOT NULL FROM cloudsat.inbox WHERE chan = '.';
SELECT poster, chan, message, disposition, depth FROM cloudsat.inbox WHERE uuid >= cloudsat.uuid_floor(now() - interval '1 hour') ORDER BY uuid;
SELECT message FROM cloudsat.inbox WHERE poster <@ 'example.org' ORDER BY uuid DESC LIMIT 2;
-- by the index on chan
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM cloudsat.inbox;
RESET enable_seqscan;
RESET enable_bitmapscan;
-- a reader's own function must not see what is not on its subscriptions
CREATE ROLE regress_cloudsat_reader LOGIN;
SELECT cloudsat.enlist('regress_cloudsat_reader', 'server', 'h2.aws.example.com');
CREATE FUNCTION public.regress_leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN false; END $$;
SET ROLE regress_cloudsat_reader;
SELECT cloudsat.register('{h2.aws.example.com}') IS NOT NULL AS registered;
SELECT count(*) FROM cloudsat.inbox WHERE public.regress_leak(message);
SELECT * FROM cloudsat.messages;
RESET ROLE;
DROP FUNCTION public.regress_leak;
SELECT cloudsat.dismiss('regress_cloudsat_reader');
DROP ROLE regress_cloudsat_reader;

-- a registration is its role's: another one in the same connection has none
SELECT cloudsat.nick(), cloudsat.addresses();
SELECT cloudsat.register('{h2.aws.example.com}') IS NOT NULL AS registered;
CREATE ROLE regress_cloudsat_other SUPERUSER;
SET SESSION AUTHORIZATION regress_cloudsat_other;
SELECT cloudsat.nick(), cloudsat.addresses();
SELECT r.state, r.message FROM pg_temp.refusal($$SELECT cloudsat.post('a.example.com', 'x')$$) AS r;
RESET SESSION AUTHORIZATION;
SELECT cloudsat.nick();
DROP ROLE regress_cloudsat_other;

-- cancelled
SELECT cloudsat.register('{}');
SELECT * FROM here;
SELECT nick, chans FROM cloudsat.recent WHERE pid = pg_backend_pid() AND nick = 'h2.aws.example.com';
SELECT count(*) FROM cloudsat.connections WHERE pid = pg_backend_pid();

DELETE FROM cloudsat.messages WHERE poster IN ('boss.example.org', 'app@h1.aws.example.com');
DELETE FROM cloudsat.registered WHERE pid = pg_backend_pid();
