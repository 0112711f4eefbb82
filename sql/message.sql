-- Posting and replying: what is written, what is refused, and that nothing of it can be changed. All rolled back.
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL cloudsat.notify = off;
SET LOCAL timezone = 'UTC';
DELETE FROM cloudsat.messages; -- what other tests left
CREATE ROLE regress_cloudsat_bot LOGIN;
SELECT cloudsat.enlist('regress_cloudsat_bot', 'task', 'example.com');
CREATE ROLE regress_cloudsat_admin;
GRANT cloudsat_admin TO regress_cloudsat_admin;

-- runs a statement and says how it was refused
CREATE FUNCTION pg_temp.refusal(statement text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
                            hint = PG_EXCEPTION_HINT;
END $$;

-- without a registration
SET ROLE regress_cloudsat_bot;
SELECT r.* FROM (VALUES (1, $$SELECT cloudsat.post('b.example.com', 'x')$$),
                        (2, $$SELECT cloudsat.post('a.example.com', 'b.example.com', 'x')$$),
                        (3, $$SELECT cloudsat.post('a.example.com', 'b.example.com', '{x}'::text[])$$),
                        (4, $$SELECT cloudsat.reply(gen_random_uuid(), 'info', 'x')$$),
                        (5, $$SELECT cloudsat.reply('a.example.com', 'b.example.com', 'x', gen_random_uuid(), 'info')$$))
    AS v (n, statement), pg_temp.refusal(statement) AS r ORDER BY n;

-- with one: as itself, as another of its own addresses, not as anybody else
SELECT cloudsat.register('{bot@h1.example.com, second.example.com}');
SELECT cloudsat.post('all.example.com', 'as the nick') AS nick \gset
SELECT cloudsat.post('second.example.com', 'all.example.com', 'as the second') AS second \gset
SELECT * FROM pg_temp.refusal($$SELECT cloudsat.post('h1.example.com', 'all.example.com', 'x')$$);
SELECT * FROM pg_temp.refusal($$SELECT cloudsat.post('h1.example.com', 'all.example.com', '{}'::text[])$$);
SELECT * FROM pg_temp.refusal($$SELECT cloudsat.reply('h1.example.com', 'all.example.com', 'x', gen_random_uuid(), 'info')$$);
-- administrators and superusers may speak as anybody; a SECURITY DEFINER function lends nobody that right
SET ROLE regress_cloudsat_admin;
SELECT cloudsat.post('anybody.example.com', 'all.example.com', 'as anybody') IS NOT NULL AS administrator;
RESET ROLE;
SELECT cloudsat.post('anybody.example.com', 'all.example.com', 'as anybody') IS NOT NULL AS superuser;
CREATE FUNCTION public.regress_lend() RETURNS uuid LANGUAGE sql SECURITY DEFINER
    RETURN cloudsat.post('anybody.example.com'::cloudsat.address, 'all.example.com'::cloudsat.address, 'lent'::text);
SET ROLE regress_cloudsat_bot;
SELECT * FROM pg_temp.refusal('SELECT public.regress_lend()');

-- replies: to the parent's poster unless told otherwise; root and depth follow
SELECT cloudsat.reply(:'nick', 'acknowledged', 'taken up') AS reply \gset
SELECT cloudsat.reply('second.example.com', 'ops.example.com', 'looking', :'reply', 'info') AS deeper \gset
RESET ROLE;
SELECT cloudsat.register('{bot@h1.example.com, second.example.com}') IS NOT NULL AS as_this_role;
SELECT poster, chan, message, disposition, depth, before = :'nick' AS under_nick, before = :'reply' AS under_reply,
       root = :'nick' AS in_thread, "timestamp" = cloudsat.uuid_time(uuid) AS timed, xact = pg_current_xact_id() AS by_us
  FROM cloudsat.messages ORDER BY uuid;
SELECT disposition, before = :'nick' AS before, after = :'reply' AS after FROM cloudsat.threads ORDER BY after;
-- a reply to what the same statement posts
SELECT cloudsat.reply(cloudsat.post('all.example.com', 'asked and'), 'END', 'answered') IS NOT NULL AS replied;
SELECT message, chan, disposition, depth FROM cloudsat.messages ORDER BY uuid DESC LIMIT 2;
-- literals find the right one of three post()
SELECT pg_typeof(cloudsat.post('bot@h1.example.com', 'all.example.com', 'x'));

-- many at once: in order, and all of them even if nobody reads to the end
SELECT array_agg(uuid) AS many FROM cloudsat.post('bot@h1.example.com', 'many.example.com', '{one,two,"",four}'::text[]) AS uuid \gset
SELECT array_agg(message ORDER BY number) AS messages, array_agg(uuid ORDER BY number) = array_agg(uuid ORDER BY uuid) AS rising
  FROM unnest(:'many'::uuid[]) WITH ORDINALITY AS p (uuid, number) JOIN cloudsat.messages USING (uuid);
SELECT cloudsat.post('bot@h1.example.com', 'more.example.com', ARRAY(SELECT n::text FROM generate_series(1, 100000) AS n))
       IS NOT NULL AS posted LIMIT 1;
SELECT count(*), count(DISTINCT uuid), bool_and(chan = 'more.example.com') FROM cloudsat.messages
 WHERE chan = 'more.example.com';
SELECT count(*) FROM cloudsat.post('bot@h1.example.com', 'all.example.com', '{}'::text[]);

-- nulls, each named
SELECT r.state, r.message, r.detail FROM (VALUES
    (1, $$SELECT cloudsat.post(NULL::cloudsat.address, 'x')$$), (2, $$SELECT cloudsat.post('a.example.com', NULL)$$),
    (3, $$SELECT cloudsat.post(NULL, 'a.example.com', 'x')$$), (4, $$SELECT cloudsat.post('a.example.com', NULL, 'x')$$),
    (5, $$SELECT cloudsat.post('a.example.com', 'a.example.com', NULL::text)$$),
    (6, $$SELECT cloudsat.post(NULL, 'a.example.com', '{x}'::text[])$$),
    (7, $$SELECT cloudsat.post('a.example.com', NULL, '{x}'::text[])$$),
    (8, $$SELECT cloudsat.post('a.example.com', 'a.example.com', NULL::text[])$$),
    (9, $$SELECT cloudsat.post('a.example.com', 'a.example.com', '{x,NULL,y}'::text[])$$),
    (10, $$SELECT cloudsat.reply(NULL, 'info', 'x')$$), (11, $$SELECT cloudsat.reply(gen_random_uuid(), NULL, 'x')$$),
    (12, $$SELECT cloudsat.reply(gen_random_uuid(), 'info', NULL)$$),
    (13, $$SELECT cloudsat.reply(NULL, 'a.example.com', 'x', gen_random_uuid(), 'info')$$),
    (14, $$SELECT cloudsat.reply('a.example.com', NULL, 'x', gen_random_uuid(), 'info')$$),
    (15, $$SELECT cloudsat.reply('a.example.com', 'a.example.com', NULL, gen_random_uuid(), 'info')$$),
    (16, $$SELECT cloudsat.reply('a.example.com', 'a.example.com', 'x', NULL, 'info')$$),
    (17, $$SELECT cloudsat.reply('a.example.com', 'a.example.com', 'x', gen_random_uuid(), NULL)$$))
    AS v (n, statement), pg_temp.refusal(statement) AS r ORDER BY n;

-- a parent that is not there, and threads that are too deep
SELECT * FROM pg_temp.refusal($$SELECT cloudsat.reply('0190163d-8694-739b-aea5-966c26f8ad91', 'info', 'x')$$);
SELECT * FROM pg_temp.refusal($$SELECT cloudsat.reply('ffffffff-ffff-ffff-ffff-ffffffffffff', 'info', 'x')$$);
SET LOCAL cloudsat.max_thread_depth = 2;
SELECT cloudsat.reply(:'reply', 'info', 'at depth 2') IS NOT NULL AS accepted;
SELECT * FROM pg_temp.refusal(format('SELECT cloudsat.reply(%L, ''info'', ''at depth 3'')', :'deeper'));
RESET cloudsat.max_thread_depth;

-- sizes: in bytes, known without unpacking
SET LOCAL cloudsat.max_message_size = 10;
SELECT cloudsat.post('all.example.com', 'ten bytes!') IS NOT NULL AS fits, cloudsat.post('all.example.com', 'ééééé') IS NOT NULL;
SELECT r.* FROM (VALUES
    (1, $$SELECT cloudsat.post('all.example.com', 'eleven byte')$$), (2, $$SELECT cloudsat.post('all.example.com', 'éééééé')$$),
    (3, $$SELECT cloudsat.post('all.example.com', 'all.example.com', 'eleven byte')$$),
    (4, $$SELECT cloudsat.post('bot@h1.example.com', 'all.example.com', '{short,eleven byte}'::text[])$$),
    (5, $$SELECT cloudsat.reply(gen_random_uuid(), 'info', 'eleven byte')$$),
    (6, $$SELECT cloudsat.reply('bot@h1.example.com', 'all.example.com', 'eleven byte', gen_random_uuid(), 'info')$$))
    AS v (n, statement), pg_temp.refusal(statement) AS r ORDER BY n;
RESET cloudsat.max_message_size;
SHOW cloudsat.max_message_size;
-- one that compresses well, one that does not, one from another table's toast; an empty one
CREATE TEMP TABLE large AS SELECT string_agg(md5(n::text), '') AS text FROM generate_series(1, 32768) AS n;
SELECT cloudsat.post('large.example.com', repeat('x', 1024 * 1024)) IS NOT NULL AS a, cloudsat.post('large.example.com', '') IS NOT NULL AS b,
       cloudsat.post('large.example.com', (SELECT text FROM large)) IS NOT NULL AS c;
SELECT * FROM pg_temp.refusal($$SELECT cloudsat.post('large.example.com', text || 'x') FROM large$$);
DROP TABLE large;
SELECT length(message), md5(message) FROM cloudsat.messages WHERE chan = 'large.example.com' ORDER BY uuid;

-- append-only, for everybody and by every way
SELECT r.state, r.message, r.hint FROM (VALUES
    (1, $$UPDATE cloudsat.messages SET message = 'forged'$$), (2, $$UPDATE cloudsat.messages SET message = 'forged' WHERE false$$),
    (3, $$UPDATE cloudsat.messages_default SET message = 'forged'$$),
    (4, $$INSERT INTO cloudsat.messages_default SELECT * FROM cloudsat.messages LIMIT 1 ON CONFLICT (uuid) DO UPDATE SET message = 'forged'$$),
    (5, $$MERGE INTO cloudsat.messages AS m USING (SELECT 1) AS s ON true WHEN MATCHED THEN UPDATE SET message = 'forged'$$))
    AS v (n, statement), pg_temp.refusal(statement) AS r ORDER BY n;
SET LOCAL session_replication_role = replica;
SELECT r.state, r.message FROM pg_temp.refusal('UPDATE cloudsat.messages SET poster = chan') AS r;
RESET session_replication_role;
-- half a link
SELECT r.state, r.message FROM pg_temp.refusal($$INSERT INTO cloudsat.messages (uuid, timestamp, poster, chan, message, before, xact)
    VALUES (gen_random_uuid(), now(), '.', '.', 'x', gen_random_uuid(), pg_current_xact_id())$$) AS r;
-- and for roles
CREATE FUNCTION pg_temp.allowed(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text;
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    state := (pg_temp.refusal(statement)).state;
    RESET ROLE;
    RETURN state;
END $$;
SAVEPOINT s;
SELECT statement, array_agg(pg_temp.allowed(role, statement) ORDER BY role) AS "adhoc, admin, server, task"
  FROM (VALUES (1, 'SELECT FROM cloudsat.messages LIMIT 1'), (2, 'SELECT FROM cloudsat.messages_default LIMIT 1'),
               (3, 'SELECT FROM cloudsat.threads LIMIT 1'), (4, 'SELECT FROM cloudsat.inbox LIMIT 1'),
               (5, 'SELECT FROM cloudsat.registered LIMIT 1'), (6, 'SELECT FROM cloudsat.recent LIMIT 1'),
               (7, 'SELECT FROM cloudsat.connections LIMIT 1'),
               (8, 'SELECT cloudsat.register(''{bot@h1.example.com}'')'),
               (9, 'SELECT cloudsat.post(''a.example.com'', ''x'')'),
               (10, 'SELECT cloudsat.post(''bot@h1.example.com'', ''a.example.com'', ''x'')'),
               (11, 'SELECT cloudsat.post(''bot@h1.example.com'', ''a.example.com'', ''{x}''::text[])'),
               (12, 'SELECT cloudsat.reply(gen_random_uuid(), ''info'', ''x'')'),
               (13, 'SELECT cloudsat.reply(''bot@h1.example.com'', ''a.example.com'', ''x'', gen_random_uuid(), ''info'')'),
               (14, 'SELECT cloudsat.nick(), cloudsat.addresses(), cloudsat.subscriptions()'),
               (15, 'SELECT cloudsat.uuid_floor(now()), cloudsat.uuid_ceil(now())'),
               (16, 'SELECT cloudsat.maintain()'), (17, 'SELECT _cloudsat.uuid()'), (18, 'SELECT * FROM _cloudsat.sessions()'),
               (19, 'INSERT INTO cloudsat.messages SELECT FROM cloudsat.messages'),
               (20, 'UPDATE cloudsat.messages SET message = ''forged'''), (21, 'DELETE FROM cloudsat.messages'),
               (22, 'DELETE FROM cloudsat.registered'), (23, 'TRUNCATE cloudsat.messages')) AS v (n, statement),
       (VALUES ('cloudsat_adhoc'), ('cloudsat_admin'), ('cloudsat_server'), ('cloudsat_task')) AS r (role)
 GROUP BY n, statement ORDER BY n;
ROLLBACK TO s;

-- what is rolled back was never there
DELETE FROM cloudsat.messages;
SAVEPOINT s;
SELECT cloudsat.post('all.example.com', 'taken back') IS NOT NULL AS posted;
ROLLBACK TO s;
DO $$
BEGIN
    PERFORM cloudsat.post('all.example.com', 'swallowed');
    PERFORM cloudsat.reply(gen_random_uuid(), 'info', 'x');
EXCEPTION WHEN foreign_key_violation THEN
    PERFORM cloudsat.post('all.example.com', 'kept');
END $$;
SELECT message FROM cloudsat.messages;

-- what an administrator hangs on the table counts as with INSERT: triggers, checks, columns
CREATE FUNCTION pg_temp.shout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_WHEN = 'BEFORE' THEN NEW.message := upper(NEW.message); ELSE RAISE NOTICE 'after %', NEW.message; END IF;
    RETURN NEW;
END $$;
SAVEPOINT s;
CREATE TRIGGER shout BEFORE INSERT ON cloudsat.messages FOR EACH ROW EXECUTE FUNCTION pg_temp.shout();
CREATE TRIGGER shout_after AFTER INSERT ON cloudsat.messages FOR EACH ROW EXECUTE FUNCTION pg_temp.shout();
SELECT count(*) FROM cloudsat.post('bot@h1.example.com', 'all.example.com', '{one,two}'::text[]);
ALTER TABLE cloudsat.messages ADD CONSTRAINT polite CHECK (message <> 'BAD');
SELECT r.state, r.message FROM pg_temp.refusal($$SELECT cloudsat.post('all.example.com', 'bad')$$) AS r;
ALTER TABLE cloudsat.messages ADD COLUMN length int GENERATED ALWAYS AS (length(message)) STORED;
SELECT cloudsat.post('all.example.com', 'seven c') IS NOT NULL AS posted;
SELECT message, length FROM cloudsat.messages ORDER BY uuid;
ALTER TABLE cloudsat.messages ADD COLUMN needed int NOT NULL DEFAULT 1;
ALTER TABLE cloudsat.messages ALTER COLUMN needed DROP DEFAULT;
SELECT r.state, r.message FROM pg_temp.refusal($$SELECT cloudsat.post('all.example.com', 'x')$$) AS r;
ROLLBACK TO s;

-- the time in a uuid
SELECT cloudsat.uuid_floor('2026-01-02 03:04:05.678901+00'), cloudsat.uuid_ceil('2026-01-02 03:04:05.678901+00');
SELECT bool_and(cloudsat.uuid_time(cloudsat.uuid_floor(t)) = t AND cloudsat.uuid_time(cloudsat.uuid_ceil(t)) = t
                AND cloudsat.uuid_ceil(t) < cloudsat.uuid_floor(t + interval '1 microsecond')) AS exact
  FROM (SELECT '2026-01-02 03:04:05+00'::timestamptz + n * interval '0.000997 s' AS t FROM generate_series(0, 10000) AS n) AS s;
SELECT bool_and(uuid > before) AS rising, bool_and(substr(uuid::text, 15, 1) = '7' AND substr(uuid::text, 20, 1) ~ '[89ab]') AS v7
  FROM (SELECT uuid, lag(uuid) OVER (ORDER BY n) AS before FROM (SELECT n, _cloudsat.uuid() AS uuid FROM generate_series(1, 10000) AS n) AS u) AS s;
SELECT r.* FROM (VALUES
    (1, $$SELECT cloudsat.uuid_floor('1970-01-01 00:00:00+00')$$), (2, $$SELECT cloudsat.uuid_floor('1969-12-31 23:59:59.999999+00')$$),
    (3, $$SELECT cloudsat.uuid_ceil('10889-08-02 05:31:50.655999+00')$$), (4, $$SELECT cloudsat.uuid_ceil('10889-08-02 05:31:50.656+00')$$),
    (5, $$SELECT cloudsat.uuid_floor('infinity')$$), (6, $$SELECT cloudsat.uuid_ceil('-infinity')$$),
    (7, $$SELECT cloudsat.uuid_ceil('294276-12-31 23:59:59.999999+00')$$),
    (8, $$SELECT cloudsat.uuid_time('f81d4fae-7dec-41d0-8765-00a0c91e6bf6')$$))
    AS v (n, statement), pg_temp.refusal(statement) AS r ORDER BY n;
SELECT cloudsat.uuid_time(NULL) IS NULL AS a, cloudsat.uuid_floor(NULL) IS NULL AS b, cloudsat.uuid_ceil(NULL) IS NULL AS c;
ROLLBACK;
-- the registration went with the transaction
SELECT cloudsat.nick();

-- nothing is written where nothing may be written
\set ON_ERROR_ROLLBACK off
BEGIN READ ONLY;
SELECT cloudsat.post('all.example.com', 'x');
ROLLBACK;
BEGIN READ ONLY;
SELECT cloudsat.reply(gen_random_uuid(), 'info', 'x');
ROLLBACK;
BEGIN READ ONLY;
SELECT cloudsat.register('{bot@h1.example.com}');
ROLLBACK;
