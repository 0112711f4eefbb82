-- Walking threads. Messages with made-up uuids and times, in a partition and the default one; all rolled back.
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL timezone = 'UTC';
SET LOCAL client_encoding = 'UTF8';

-- message n of 2020-01-01 (n < 1000) or 2020-01-02, and n of a message
CREATE FUNCTION pg_temp.m(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT overlay(cloudsat.uuid_floor('2020-01-01 UTC'::timestamptz + n / 1000 * interval '1 day' + n % 1000 * interval '1 minute')::text
                   PLACING lpad(n::text, 12, '0') FROM 25)::uuid $$;
CREATE FUNCTION pg_temp.n(message uuid) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT right(message::text, 12)::int $$;
CREATE FUNCTION pg_temp.say(n int, before int, root int, depth int, message text DEFAULT NULL, disposition text DEFAULT 'info')
RETURNS uuid LANGUAGE sql AS $$
    INSERT INTO cloudsat.messages VALUES (pg_temp.m(n), cloudsat.uuid_time(pg_temp.m(n)), 'alice@example.com', 'build.example.com',
        coalesce(message, 'message ' || n), pg_temp.m(before), CASE WHEN before IS NOT NULL THEN disposition::cloudsat.disposition END,
        pg_temp.m(root), depth, pg_current_xact_id()) RETURNING uuid $$;
CREATE FUNCTION pg_temp.walk(n int, OUT path text, OUT depth int, OUT n int, OUT chan cloudsat.address, OUT disposition cloudsat.disposition,
                             OUT message text, OUT parent_gone bool) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT (SELECT string_agg(pg_temp.n(u)::text, '/' ORDER BY o) FROM unnest(t.path) WITH ORDINALITY AS p (u, o)),
           t.depth, pg_temp.n(t.uuid), t.chan, t.disposition, t.message, t.parent_gone FROM cloudsat.thread(pg_temp.m($1)) AS t $$;

-- One partition has its columns in another order, and one column more that is dropped.
CREATE TABLE cloudsat.messages_20200102 (gone int, xact xid8 NOT NULL, depth int, root uuid, disposition cloudsat.disposition,
    before uuid, message text NOT NULL, chan cloudsat.address NOT NULL, poster cloudsat.address NOT NULL, "timestamp" timestamptz NOT NULL,
    uuid uuid NOT NULL PRIMARY KEY, CONSTRAINT messages_link CHECK (num_nulls(before, disposition, root, depth) = ANY (ARRAY[0, 4])));
ALTER TABLE cloudsat.messages_20200102 DROP COLUMN gone;
CREATE INDEX ON cloudsat.messages_20200102 (root) WHERE root IS NOT NULL;
ALTER TABLE cloudsat.messages ATTACH PARTITION cloudsat.messages_20200102
    FOR VALUES FROM (cloudsat.uuid_floor('2020-01-02 UTC')) TO (cloudsat.uuid_floor('2020-01-03 UTC'));

-- 1 ─┬─ 2 ─┬─ 4 ─── 1001
--    │     └─ 1000 ─── 7       (7 answers a later message: a clock was set back)
--    ├─ 3
--    └─ 5
-- 6 is a thread of its own.
SELECT count(pg_temp.say(n, before, root, depth)) FROM (VALUES
    (6, NULL, NULL, NULL), (1001, 4, 1, 3), (5, 1, 1, 1), (3, 1, 1, 1), (7, 1000, 1, 3), (1000, 2, 1, 2),
    (1, NULL, NULL, NULL), (2, 1, 1, 1), (4, 2, 1, 2))
  AS v (n, before, root, depth);

SELECT * FROM pg_temp.walk(1);
SELECT * FROM cloudsat.thread(pg_temp.m(2)) LIMIT 1;
SELECT path, depth, n FROM pg_temp.walk(2);
SELECT path, depth, n FROM pg_temp.walk(7);
SELECT path, depth, n FROM pg_temp.walk(6);
SELECT n, pg_temp.n(cloudsat.root(pg_temp.m(n))) AS root FROM unnest(ARRAY[1, 2, 7, 1001, 6]) AS n;
SELECT distance, pg_temp.n(uuid), chan, disposition, message, parent_gone FROM cloudsat.ancestors(pg_temp.m(7));
SELECT distance, pg_temp.n(uuid) FROM cloudsat.ancestors(pg_temp.m(1));
SELECT * FROM cloudsat.ancestors(pg_temp.m(5));
SELECT pg_temp.n(uuid), chan, disposition, message FROM cloudsat.children(pg_temp.m(1));
SELECT pg_temp.n(uuid) FROM cloudsat.children(pg_temp.m(2));
SELECT * FROM cloudsat.children(pg_temp.m(1000));
SELECT pg_temp.n(uuid) FROM cloudsat.children(pg_temp.m(6));

-- Rows come one by one, and a walk may be left before its end: no function scan, and nothing stays open.
EXPLAIN (COSTS OFF) SELECT message FROM cloudsat.thread(pg_temp.m(1)) WHERE depth < 2 LIMIT 3;
SELECT pg_temp.n(v), pg_temp.n(uuid) FROM (VALUES (pg_temp.m(1)), (pg_temp.m(2)), (pg_temp.m(99)), (pg_temp.m(4))) AS v (v),
    LATERAL (SELECT uuid FROM cloudsat.thread(v) LIMIT 2) AS t;
DECLARE walking CURSOR FOR SELECT pg_temp.n(uuid) FROM cloudsat.thread(pg_temp.m(1));
FETCH 2 FROM walking;
SAVEPOINT later;
SELECT pg_temp.n(pg_temp.say(8, 1, 1, 1));
FETCH 3 FROM walking;
ROLLBACK TO later;
FETCH 2 FROM walking;
CLOSE walking;
-- where the server stores them first
SELECT pg_temp.n(uuid), ordinality FROM cloudsat.thread(pg_temp.m(2)) WITH ORDINALITY LIMIT 2;
SELECT pg_temp.n(uuid) FROM cloudsat.thread((SELECT pg_temp.m(4)));
SELECT pg_temp.n((step).uuid), (step).depth FROM (SELECT cloudsat.thread(pg_temp.m(4)) AS step) AS walk;

-- what is not there
SELECT * FROM cloudsat.thread(pg_temp.m(99));
SELECT * FROM cloudsat.ancestors(pg_temp.m(99));
SELECT * FROM cloudsat.children(pg_temp.m(99));
SELECT cloudsat.thread_text(pg_temp.m(99)) IS NULL AS no_text, cloudsat.root(pg_temp.m(99)) IS NULL AS no_root;
SELECT count(*), cloudsat.thread_text(NULL), cloudsat.root(NULL) FROM cloudsat.thread(NULL);
SELECT cloudsat.thread('what');

-- for people
SELECT count(pg_temp.say(n, before, 2000, depth, message, disposition)) FROM (VALUES
    (2001, 2000, 1, 'acknowledged', 'on it'),
    (2002, 2001, 2, 'problem', E'compiler crashed\nerror: out of memory\nin main.cpp'),
    (2003, 2002, 3, 'info', E'\n  \x1b[31mred\x1b[0m\tand \u202Ebackwards\u202C, größer, 日本語\r\n'),
    (2004, 2000, 1, 'belay', repeat('a long story ', 100)),
    (2005, 2004, 2, 'end', '')) AS v (n, before, depth, disposition, message);
SELECT pg_temp.n(pg_temp.say(2000, NULL, NULL, NULL, 'please build release 1.0'));
\pset format unaligned
SELECT cloudsat.thread_text(pg_temp.m(2000));
SELECT cloudsat.thread_text(pg_temp.m(2002));
SET LOCAL client_encoding = 'LATIN1';
SELECT cloudsat.thread_text(pg_temp.m(2001)) NOT LIKE '%├%' AS ascii;
SELECT cloudsat.thread_text(pg_temp.m(2004));
SET LOCAL client_encoding = 'UTF8';
SET LOCAL timezone = 'Asia/Tokyo';
SELECT cloudsat.thread_text(pg_temp.m(2003));
SET LOCAL timezone = 'UTC';
\pset format aligned

-- Cleaned up: the middle, then the root. What remains is walked, and says what it has lost.
DELETE FROM cloudsat.messages WHERE uuid = pg_temp.m(2);
SELECT path, depth, n, parent_gone FROM pg_temp.walk(1);
SELECT path, depth, n, parent_gone FROM pg_temp.walk(4);
SELECT path, depth, n, parent_gone FROM pg_temp.walk(2); -- it was no root: nothing leads from it to its replies
SELECT distance, pg_temp.n(uuid), parent_gone FROM cloudsat.ancestors(pg_temp.m(7));
SELECT distance, pg_temp.n(uuid), parent_gone FROM cloudsat.ancestors(pg_temp.m(4));
DELETE FROM cloudsat.messages WHERE uuid = pg_temp.m(1);
SELECT path, depth, n, parent_gone FROM pg_temp.walk(1);
SELECT path, depth, n, parent_gone FROM pg_temp.walk(1000);
SELECT n, pg_temp.n(cloudsat.root(pg_temp.m(n))) AS root FROM unnest(ARRAY[1, 2, 7]) AS n;
SELECT pg_temp.n(uuid) FROM cloudsat.children(pg_temp.m(1));
\pset format unaligned
SELECT cloudsat.thread_text(pg_temp.m(1));
\pset format aligned

-- Against WITH RECURSIVE: order and paths of a random tree, whose uuids are in no order, in two partitions.
SELECT setseed(0.42) IS NULL AS seeded;
DO $$
DECLARE
    ids uuid[];
    depths int[] := '{0}';
    parent int;
BEGIN
    FOR i IN 1 .. 3000 LOOP
        ids[i] := '016f' || left(md5(i || 'x'), 8) || '70008' || right(md5(i::text), 15);
        parent := CASE WHEN i > 1 THEN 1 + floor(random() * (i - 1)) END;
        depths[i] := coalesce(depths[parent] + 1, 0);
        INSERT INTO cloudsat.messages VALUES (
            ids[i], '2020-01-01', 'a.com', 'b.com', repeat(i || ' ', 50), ids[parent],
            CASE WHEN i > 1 THEN 'info'::cloudsat.disposition END, CASE WHEN i > 1 THEN ids[1] END,
            CASE WHEN i > 1 THEN depths[i] END, '1');
    END LOOP;
END $$;
SELECT uuid AS start FROM cloudsat.messages WHERE message = repeat('1 ', 50) \gset
CREATE VIEW pg_temp.walked AS
    SELECT row_number() OVER () AS place, path, depth, uuid, disposition, message, parent_gone FROM cloudsat.thread(:'start');
CREATE TABLE pg_temp.recursed AS
    WITH RECURSIVE walk AS (
        SELECT ARRAY[uuid] AS path, 0 AS depth, uuid, disposition, message FROM cloudsat.messages WHERE uuid = :'start'
        UNION ALL
        SELECT path || m.uuid, walk.depth + 1, m.uuid, m.disposition, m.message
          FROM walk JOIN cloudsat.messages AS m ON m.before = walk.uuid)
    SELECT row_number() OVER (ORDER BY path) AS place, *, false AS parent_gone FROM walk;
SELECT count(*), count(*) FILTER (WHERE tableoid = 'cloudsat.messages_20200102'::regclass) > 20 AS in_partition
  FROM cloudsat.messages WHERE root = :'start';
SELECT count(*), max(depth) > 10 AS deep FROM pg_temp.walked;
(TABLE pg_temp.walked EXCEPT TABLE pg_temp.recursed) UNION ALL (TABLE pg_temp.recursed EXCEPT TABLE pg_temp.walked);
SET LOCAL work_mem = '64kB';
(TABLE pg_temp.walked EXCEPT TABLE pg_temp.recursed) UNION ALL (TABLE pg_temp.recursed EXCEPT TABLE pg_temp.walked);
RESET work_mem;
-- an index is a matter of speed only
DROP INDEX cloudsat.messages_default_root_idx;
CREATE INDEX misleading ON cloudsat.messages_default (root) WHERE chan = 'nobody.example.com';
(TABLE pg_temp.walked EXCEPT TABLE pg_temp.recursed) UNION ALL (TABLE pg_temp.recursed EXCEPT TABLE pg_temp.walked);
-- subtrees
SELECT count(*), bool_and(walked = recursed) AS same
  FROM pg_temp.recursed AS r,
       LATERAL (SELECT array_agg((uuid, depth)) AS walked FROM cloudsat.thread(r.uuid)) AS w,
       LATERAL (SELECT array_agg((uuid, depth - r.depth) ORDER BY place) AS recursed
                  FROM pg_temp.recursed WHERE r.uuid = ANY (path)) AS t
 WHERE place % 30 = 1;

-- deep, and long
INSERT INTO cloudsat.messages
SELECT pg_temp.m(9000 + i), '2020-01-10', 'a.com', 'b.com', repeat('x', CASE i WHEN 500 THEN 1000000 ELSE 10 END),
       pg_temp.m(8999 + i), 'info', pg_temp.m(8999), i + 1, '1' FROM generate_series(0, 999) AS i;
SELECT count(*), max(depth), max(cardinality(path)), max(length(message)), bool_or(parent_gone) FROM cloudsat.thread(pg_temp.m(8999));
SELECT count(*), max(distance), min(pg_temp.n(uuid)), bool_or(parent_gone) FROM cloudsat.ancestors(pg_temp.m(9999));
SELECT max(length(line)), count(*) FROM regexp_split_to_table(cloudsat.thread_text(pg_temp.m(8999)), E'\n') AS line;

-- Who may: the function's right is enough, the table's is not needed. Those who may start no threads may not.
SET LOCAL ROLE cloudsat_task;
SELECT count(*) FROM cloudsat.thread(pg_temp.m(6));
SELECT count(*) FROM cloudsat.messages;
SET LOCAL ROLE cloudsat_adhoc;
SELECT count(*) FROM cloudsat.thread(pg_temp.m(6));
SET LOCAL ROLE cloudsat_server;
SELECT count(*) FROM cloudsat.thread(pg_temp.m(6));
SELECT cloudsat.thread_text(pg_temp.m(6));
RESET ROLE;
ROLLBACK;
