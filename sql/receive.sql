-- Streams: what receive gives and when, what a rollback gives back, bookmarks, inbox(addresses, since), eras.
-- (What other sessions do meanwhile is in test/isolation and test/t.)
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
CREATE FUNCTION pg_temp.say(chan cloudsat.address, VARIADIC messages text[]) RETURNS bigint LANGUAGE sql AS
    $$SELECT count(*) FROM cloudsat.post('boss.example.org', chan, messages)$$;

-- nothing without a registration
SELECT * FROM pg_temp.refusal($$SELECT * FROM cloudsat.receive()$$);
SELECT * FROM pg_temp.refusal($$SELECT cloudsat.bookmark()$$);

SELECT cloudsat.post('boss.example.org', 'h1.example.com', 'before') IS NOT NULL AS posted;
SELECT cloudsat.register('{app@h1.example.com}') IS NOT NULL AS registered;
SELECT * FROM cloudsat.receive();

-- arguments
SELECT argument, r.* FROM unnest('{max => 0,max => -1,max => null,timeout => ''-1s'',timeout => null,timeout => ''1 month -31 days'',include_own => null}'::text[])
       AS argument, pg_temp.refusal(format('SELECT * FROM cloudsat.receive(%s)', argument)) AS r;

-- what is on the subscriptions, once; not one's own, unless asked for
SELECT pg_temp.say('h1.example.com', 'one'), pg_temp.say('com', 'two'), pg_temp.say('.', 'three'), pg_temp.say('h2.example.com', 'elsewhere'),
       pg_temp.say('app@h1.example.com', 'four');
SELECT cloudsat.post('h1.example.com', 'mine') IS NOT NULL AS posted;
SELECT poster, chan, message, before, disposition, root, depth, uuid = ANY (SELECT i.uuid FROM cloudsat.inbox AS i) AS in_inbox,
       "timestamp" = cloudsat.uuid_time(uuid) AS timed FROM cloudsat.receive();
SELECT * FROM cloudsat.receive();
SELECT count(*) FROM cloudsat.receive(include_own => true);
SELECT cloudsat.post('h1.example.com', 'mine') IS NOT NULL AS posted;
SELECT message FROM cloudsat.receive(include_own => true);
SELECT cloudsat.reply('boss.example.org', 'h1.example.com', 'a reply', uuid, 'info') IS NOT NULL FROM cloudsat.inbox WHERE message = 'one';
SELECT r.message, r.disposition, r.depth, r.before = i.uuid AND r.root = i.uuid AS linked FROM cloudsat.receive() AS r, cloudsat.inbox AS i WHERE i.message = 'one';
-- a column list, a target list, and what is called on the rows sees them
SELECT pg_temp.say('h1.example.com', 'seen');
SELECT message, cloudsat.root(uuid) = uuid AS seen FROM cloudsat.receive();
SELECT pg_temp.say('h1.example.com', 'expanded');
SELECT (cloudsat.receive()).message;

-- batches: in the order of uuids within, whole transactions while there is room, the rest next time
SELECT pg_temp.say('h1.example.com', 'a', 'b', 'c');
SELECT pg_temp.say('com', 'd', 'e', 'f', 'g');
SELECT pg_temp.say('h1.example.com', 'h');
SELECT n, (SELECT string_agg(message, ' ') FROM cloudsat.receive(max => n)) FROM unnest('{1,1,3,2}'::int[]) AS n;
SELECT message FROM cloudsat.receive();
-- one transaction with more messages than are looked at in a batch; with those of others before and behind
SELECT pg_temp.say('h1.example.com', 'first');
SELECT count(*) FROM cloudsat.post('boss.example.org', 'h1.example.com', ARRAY(SELECT n::text FROM generate_series(1, 25000) AS n));
SELECT pg_temp.say('h1.example.com', 'last');
CREATE TEMP TABLE got (n serial, batch int, message text);
DO $$
DECLARE
    batch int := 0;
BEGIN
    LOOP
        batch := batch + 1;
        INSERT INTO got (batch, message) SELECT batch, message FROM cloudsat.receive(max => 777);
        EXIT WHEN NOT FOUND;
        -- a part that is rolled back comes again
        BEGIN
            PERFORM FROM cloudsat.receive(max => 1000);
            RAISE division_by_zero;
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END LOOP;
END $$;
SELECT count(*), count(DISTINCT message), max(batch), min(n) FILTER (WHERE message = 'first'), max(n) FILTER (WHERE message = 'last') FROM got;
SELECT count(*) FROM got WHERE message <> CASE n WHEN 1 THEN 'first' WHEN 25002 THEN 'last' ELSE (n - 1)::text END;
-- at most so many as are kept in mind of a transaction; then the next ones
SELECT count(*) FROM cloudsat.post('boss.example.org', 'h1.example.com', ARRAY(SELECT n::text FROM generate_series(1, 12000) AS n));
SELECT count(*) FROM cloudsat.receive(max => 1);
SELECT count(*) FROM cloudsat.receive(max => 2147483647);
SELECT count(*) FROM cloudsat.receive(max => 2147483647);
SELECT count(*) FROM cloudsat.receive(max => 2147483647);
-- a part of a transaction, and of the rest one leaves out what one posted oneself
BEGIN;
SELECT pg_temp.say('h1.example.com', 'a', 'b');
SELECT count(cloudsat.post('app@h1.example.com', 'h1.example.com', 'mine')) FROM generate_series(1, 3);
SELECT pg_temp.say('h1.example.com', 'c');
COMMIT;
SELECT message FROM cloudsat.receive(max => 1);
BEGIN;
SELECT message FROM cloudsat.receive(include_own => true);
ROLLBACK;
SELECT message FROM cloudsat.receive();

-- rolled back, the messages come again; a savepoint's too
SELECT pg_temp.say('h1.example.com', 'again');
BEGIN;
SELECT message FROM cloudsat.receive();
SELECT message FROM cloudsat.receive();
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT message FROM cloudsat.receive();
SAVEPOINT t;
SELECT message FROM cloudsat.receive();
RELEASE t;
ROLLBACK TO s;
SELECT message FROM cloudsat.receive();
SAVEPOINT u;
RELEASE u;
COMMIT;
SELECT message FROM cloudsat.receive();
-- of one's own transaction: after its commit, whatever was received in it
BEGIN;
SELECT pg_temp.say('h1.example.com', 'early');
SELECT message FROM cloudsat.receive();
SELECT pg_temp.say('h1.example.com', 'late');
SELECT message FROM cloudsat.receive();
COMMIT;
SELECT message FROM cloudsat.receive();
-- at every isolation level
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pg_temp.say('h1.example.com', 'serial');
SELECT message FROM cloudsat.receive();
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT message FROM cloudsat.receive();
SELECT message FROM cloudsat.receive();
COMMIT;

-- an empty receive writes nothing and is no transaction
BEGIN;
SELECT * FROM cloudsat.receive();
SELECT pg_current_xact_id_if_assigned();
COMMIT;
CREATE FUNCTION pg_temp.explained(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (ANALYZE, WAL) ' || statement; END $$;
SELECT count(*) FILTER (WHERE line LIKE '%WAL%') AS wal FROM pg_temp.explained('SELECT * FROM cloudsat.receive()') AS line;

-- bookmarks: the newest of the nick counts
SELECT pg_temp.say('h1.example.com', 'a', 'b', 'c', 'd');
SELECT message FROM cloudsat.receive(max => 1);
SELECT cloudsat.bookmark();
SELECT message FROM cloudsat.receive(max => 1);
SELECT cloudsat.bookmark();
BEGIN;
SELECT message FROM cloudsat.receive(max => 1);
SELECT cloudsat.bookmark();
ROLLBACK;
SELECT count(*), count(DISTINCT "timestamp"), bool_and((partial_xact IS NULL) = (partial_uuid IS NULL)) FROM cloudsat.bookmarks WHERE nick = 'app@h1.example.com';
-- the same nick goes on where it was, another one begins, the first one resumes
SELECT cloudsat.register('{app@h1.example.com, h9.example.com}') IS NOT NULL AS registered;
BEGIN;
SELECT message FROM cloudsat.receive(max => 1);
ROLLBACK;
SELECT cloudsat.register('{other.example.com}') IS NOT NULL AS registered;
SELECT message FROM cloudsat.receive();
SELECT cloudsat.register('{app@h1.example.com}') IS NOT NULL AS registered;
SELECT message FROM cloudsat.receive();
-- without a bookmark from now on; a clock that stands behind does not matter
SELECT cloudsat.register('{}');
SELECT count(*) FROM pg_temp.refusal($$SELECT * FROM cloudsat.receive()$$) WHERE state = '55000';
UPDATE cloudsat.bookmarks SET "timestamp" = "timestamp" + interval '1 day';
SELECT cloudsat.register('{app@h1.example.com}') IS NOT NULL AS registered;
SELECT cloudsat.bookmark();
SELECT cloudsat.register('{}');
SELECT cloudsat.register('{app@h1.example.com}') IS NOT NULL AS registered;
SELECT message FROM cloudsat.receive();
-- registering rolled back: the stream is where it was
SELECT pg_temp.say('h1.example.com', 'kept');
BEGIN;
SELECT cloudsat.register('{other.example.com}') IS NOT NULL AS registered;
SELECT message FROM cloudsat.receive();
ROLLBACK;
SELECT message FROM cloudsat.receive();
-- read-only
BEGIN READ ONLY;
SELECT * FROM pg_temp.refusal('SELECT cloudsat.bookmark()');
SELECT message FROM cloudsat.receive();
COMMIT;

-- inbox(addresses, since): the position is the caller's
SELECT pg_temp.say('h7.example.com', 'x');
SELECT pg_temp.say('y.h7.example.com', 'y');
SELECT pg_temp.say('z.h7.example.com', 'z');
SELECT chan, message, disposition FROM cloudsat.inbox('{y.h7.example.com}') WHERE chan <@ 'h7.example.com' ORDER BY uuid;
SELECT upto FROM cloudsat.inbox('{y.h7.example.com}') LIMIT 1 \gset
SELECT count(*) FROM cloudsat.inbox('{y.h7.example.com}', :'upto');
BEGIN;
SELECT pg_temp.say('h7.example.com', 'later');
SELECT count(*) FROM cloudsat.inbox('{y.h7.example.com}', :'upto');
COMMIT;
SELECT message, pg_snapshot_xmax(upto) > pg_snapshot_xmax(:'upto') AS advanced FROM cloudsat.inbox('{y.h7.example.com}', :'upto');
SELECT count(*) FROM cloudsat.inbox('{}');
SELECT statement, r.* FROM unnest(ARRAY['NULL', '''{a.example.com,NULL}''', '''{a.example.com}'', ''3:281474976710659:''', '''{.}'', ''9:8:''',
    'ARRAY(SELECT (n || ''.example.com'')::cloudsat.address FROM generate_series(1, 1000) AS n)']) AS statement,
    pg_temp.refusal(format('SELECT * FROM cloudsat.inbox(%s)', statement)) AS r;

-- without its index a partition is read as a whole
BEGIN;
DROP INDEX cloudsat.messages_default_chan_xact_idx;
SELECT message FROM cloudsat.inbox('{y.h7.example.com}', :'upto');
ROLLBACK;

-- a caller's search_path has nothing to say
CREATE SCHEMA regress_cloudsat_trap;
CREATE FUNCTION regress_cloudsat_trap.trap(cloudsat.address, cloudsat.address) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE OPERATOR regress_cloudsat_trap.= (LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address, FUNCTION = regress_cloudsat_trap.trap);
SET search_path = regress_cloudsat_trap, pg_catalog;
SELECT cloudsat.register('{app@h1.example.com}') IS NOT NULL AS registered;
SELECT cloudsat.register('{}') IS NOT NULL AS cancelled;
SELECT cloudsat.register('{app@h1.example.com}') IS NOT NULL AS registered;
SELECT count(*) FROM cloudsat.receive();
SELECT cloudsat.bookmark();
RESET search_path;
DROP SCHEMA regress_cloudsat_trap CASCADE;

-- eras: restored into another cluster, the board's transactions lie before all that come
SELECT bool_and(system_identifier = (SELECT system_identifier FROM pg_control_system())) AS ours FROM cloudsat.eras WHERE era = 0;
SELECT pg_temp.say('h1.example.com', 'before the restore');
INSERT INTO cloudsat.eras VALUES (1, 42, 1, NULL, '3', now());
SELECT pg_temp.say('h1.example.com', 'after the restore');
SELECT era, system_identifier = 42 AS other FROM cloudsat.eras ORDER BY era;
SELECT message, xact::text::numeric >= 2 * 2::numeric ^ 48 AS later FROM cloudsat.messages WHERE message LIKE '% the restore' ORDER BY uuid;
SELECT message FROM cloudsat.receive();
SELECT cloudsat.bookmark();
SELECT pg_temp.say('h1.example.com', 'more');
SELECT cloudsat.register('{}');
SELECT cloudsat.register('{app@h1.example.com}') IS NOT NULL AS registered;
SELECT message FROM cloudsat.receive();
SELECT message FROM cloudsat.inbox('{y.h7.example.com}', :'upto');
SELECT split_part(upto::text, ':', 2)::numeric > 2 * 2::numeric ^ 48 AS later FROM cloudsat.inbox('{y.h7.example.com}', :'upto');
-- the row of an era that was rolled back
INSERT INTO cloudsat.eras VALUES (3, 43, 1, NULL, '3', now());
BEGIN;
SELECT pg_temp.say('h1.example.com', 'never');
SAVEPOINT s;
ROLLBACK;
SELECT max(era) FROM cloudsat.eras;
SELECT pg_temp.say('h1.example.com', 'the era after');
SELECT max(era) FROM cloudsat.eras;
SELECT message FROM cloudsat.receive();
-- back to where we were, a bookmark of a later era is refused
DELETE FROM cloudsat.eras WHERE era > 0;
SELECT cloudsat.register('{}');
SELECT * FROM pg_temp.refusal($$SELECT cloudsat.register('{app@h1.example.com}')$$);

DELETE FROM cloudsat.messages WHERE poster IN ('boss.example.org', 'app@h1.example.com');
DELETE FROM cloudsat.registered WHERE pid = pg_backend_pid();
DELETE FROM cloudsat.bookmarks;
