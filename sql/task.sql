-- Tasks: who takes part in one, how far each is, and what that makes of the whole. The rule itself is tested in
-- test/unit/task_state.cpp. Messages with made-up uuids and times, in two partitions and the default one; all rolled back.
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL timezone = 'UTC';
DELETE FROM cloudsat.messages; -- what other tests left

-- message n, of 2020-01-01 (n < 1000), 2020-01-02, and so on; and n of a message
CREATE FUNCTION pg_temp.m(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT overlay(cloudsat.uuid_floor('2020-01-01 UTC'::timestamptz + n / 1000 * interval '1 day' + n % 1000 * interval '1 minute')::text
                   PLACING lpad(n::text, 12, '0') FROM 25)::uuid $$;
CREATE FUNCTION pg_temp.n(message uuid) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT right(message::text, 12)::int $$;
CREATE FUNCTION pg_temp.say(n int, before int, root int, depth int, who text, disposition text) RETURNS uuid LANGUAGE sql AS $$
    INSERT INTO cloudsat.messages VALUES (pg_temp.m(n), cloudsat.uuid_time(pg_temp.m(n)), (who || '.example.com')::cloudsat.address,
        'build.example.com', 'message ' || n, pg_temp.m(before), disposition::cloudsat.disposition,
        pg_temp.m(root), depth, pg_current_xact_id()) RETURNING uuid $$;
CREATE FUNCTION pg_temp.who(n int, OUT poster cloudsat.address, OUT state cloudsat.disposition, OUT since timestamptz, OUT last int,
                            OUT replies int8, OUT taken_up timestamptz, OUT belayed_by int) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT poster, state, since, pg_temp.n(last), replies, taken_up, pg_temp.n(belayed_by) FROM cloudsat.participants(pg_temp.m($1)) $$;
CREATE FUNCTION pg_temp.all(n int, OUT took_up cloudsat.address[], OUT failed cloudsat.address[], OUT incomplete cloudsat.address[])
LANGUAGE sql AS $$
    SELECT ARRAY(SELECT cloudsat.acknowledgments(pg_temp.m($1))), ARRAY(SELECT cloudsat.failed(pg_temp.m($1))),
           ARRAY(SELECT * FROM cloudsat.incomplete(pg_temp.m($1))) $$;

CREATE TABLE cloudsat.messages_20200101 (LIKE cloudsat.messages INCLUDING ALL, PRIMARY KEY (uuid));
CREATE INDEX ON cloudsat.messages_20200101 (root) WHERE root IS NOT NULL;
ALTER TABLE cloudsat.messages ATTACH PARTITION cloudsat.messages_20200101
    FOR VALUES FROM (cloudsat.uuid_floor('2020-01-01 UTC')) TO (cloudsat.uuid_floor('2020-01-02 UTC'));
CREATE TABLE cloudsat.messages_20200102 (LIKE cloudsat.messages INCLUDING ALL, PRIMARY KEY (uuid));
CREATE INDEX ON cloudsat.messages_20200102 (root) WHERE root IS NOT NULL;
ALTER TABLE cloudsat.messages ATTACH PARTITION cloudsat.messages_20200102
    FOR VALUES FROM (cloudsat.uuid_floor('2020-01-02 UTC')) TO (cloudsat.uuid_floor('2020-01-03 UTC'));

-- 1 boss ─┬─ 2 w1 acknowledged ─┬─ 1000 w1 info
--         │                     └─ 1001 w4 acknowledged ─── 2001 boss belay
--         ├─ 3 w2 acknowledged
--         ├─ 4 w3 ignored
--         ├─ 5 w5 info
--         └─ 1002 w2 problem
-- 6 and 7 boss: nobody has answered; 8 other: w1 has done it
SELECT count(pg_temp.say(n, before, root, depth, who, disposition)) FROM (VALUES
    (1, NULL, NULL, NULL, 'boss', NULL), (2, 1, 1, 1, 'w1', 'acknowledged'), (3, 1, 1, 1, 'w2', 'acknowledged'),
    (4, 1, 1, 1, 'w3', 'ignored'), (5, 1, 1, 1, 'w5', 'info'), (1000, 2, 1, 2, 'w1', 'info'),
    (1001, 2, 1, 2, 'w4', 'acknowledged'), (1002, 1, 1, 1, 'w2', 'problem'), (2001, 1001, 1, 3, 'boss', 'belay'),
    (6, NULL, NULL, NULL, 'boss', NULL), (7, NULL, NULL, NULL, 'boss', NULL),
    (8, NULL, NULL, NULL, 'other', NULL), (9, 8, 8, 1, 'w1', 'end'))
  AS v (n, before, root, depth, who, disposition);

SELECT * FROM pg_temp.who(1);
SELECT * FROM pg_temp.all(1);
SELECT * FROM cloudsat.task(pg_temp.m(1));
-- of a reply: what it started
SELECT * FROM pg_temp.who(2);
SELECT * FROM cloudsat.task(pg_temp.m(2));
SELECT * FROM cloudsat.task(pg_temp.m(1000));

-- all of it cancelled; one of them comes back, and one finishes
SELECT count(pg_temp.say(2002, 1, 1, 1, 'boss', 'belay'));
SELECT poster, state, belayed_by FROM pg_temp.who(1);
SELECT state, working, belayed, failed FROM cloudsat.task(pg_temp.m(1));
SELECT count(pg_temp.say(2003, 2002, 1, 2, 'w1', 'acknowledged'));
SELECT poster, state, since, belayed_by FROM pg_temp.who(1) WHERE poster = 'w1.example.com';
SELECT * FROM pg_temp.all(1);
SELECT state, working FROM cloudsat.task(pg_temp.m(1));
SELECT count(pg_temp.say(2004, 1, 1, 1, 'w1', 'end'));
SELECT state, working, ended FROM cloudsat.task(pg_temp.m(1));

-- all threads; conditions on the message come first, and those on uuid spare partitions
SELECT pg_temp.n(uuid), "timestamp", poster, chan, message, state, participants, replies, last_activity FROM cloudsat.tasks ORDER BY uuid;
SELECT pg_temp.n(uuid), state FROM cloudsat.tasks WHERE state IS NULL AND poster <@ 'example.com' AND chan = 'build.example.com' ORDER BY uuid;
SET LOCAL enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM cloudsat.tasks WHERE poster = 'other.example.com' AND state = 'end'
    AND uuid >= cloudsat.uuid_floor('2020-01-01 UTC') AND uuid < cloudsat.uuid_floor('2020-01-02 UTC');

-- what is not there
SELECT * FROM cloudsat.task(pg_temp.m(99));
SELECT * FROM cloudsat.participants(pg_temp.m(99));
SELECT * FROM pg_temp.all(99);
SELECT count(*) FROM cloudsat.task(NULL);
SELECT count(*) FROM cloudsat.participants(NULL);
SELECT count(*) FROM cloudsat.incomplete(NULL);

-- The first day has been cleaned up: what is left of the thread is still a task.
SAVEPOINT before;
DROP TABLE cloudsat.messages_20200101;
SELECT * FROM pg_temp.who(1);
SELECT * FROM cloudsat.task(pg_temp.m(1));
SELECT pg_temp.n(uuid), depth, parent_gone FROM cloudsat.thread(pg_temp.m(1));
SELECT count(*) FROM cloudsat.tasks;
ROLLBACK TO before;

-- under a caller's names, and as those who may
CREATE SCHEMA regress_hostile;
CREATE FUNCTION regress_hostile.participants(uuid) RETURNS TABLE (poster cloudsat.address) LANGUAGE sql AS $$ SELECT 'evil.example.com'::cloudsat.address $$;
CREATE FUNCTION regress_hostile.equal(cloudsat.disposition, cloudsat.disposition) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR regress_hostile.= (FUNCTION = regress_hostile.equal, LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition);
SET LOCAL search_path = regress_hostile, pg_catalog;
SELECT * FROM pg_temp.all(1);
RESET search_path;
CREATE ROLE regress_cloudsat_task;
GRANT cloudsat_task TO regress_cloudsat_task;
CREATE ROLE regress_cloudsat_server;
GRANT cloudsat_server TO regress_cloudsat_server;
SET ROLE regress_cloudsat_task;
SELECT * FROM pg_temp.all(1);
SELECT count(*) FROM cloudsat.task(pg_temp.m(1));
SELECT count(*) FROM cloudsat.tasks;
SET ROLE regress_cloudsat_server;
SELECT count(*) FROM cloudsat.task(pg_temp.m(1));
SELECT count(*) FROM cloudsat.incomplete(pg_temp.m(1));
ROLLBACK;
