-- Partitions: made ahead, filled from the default one, cut to what is free; how queries prune them. All rolled back.
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL cloudsat.notify = off;
SET LOCAL timezone = 'Pacific/Chatham'; -- days are those of UTC, wherever the administrator sits
SET LOCAL max_parallel_workers_per_gather = 0;
CREATE FUNCTION pg_temp.say(instant timestamptz, message text DEFAULT 'x') RETURNS uuid LANGUAGE sql AS $$
    INSERT INTO cloudsat.messages VALUES (cloudsat.uuid_floor(instant), instant, 'a.example.com', 'b.example.com', message,
                                          NULL, NULL, NULL, NULL, pg_current_xact_id()) RETURNING uuid $$;
CREATE TEMP VIEW partitions AS
SELECT relname, pg_get_expr(relpartbound, c.oid) AS bound,
       (SELECT array_agg(pg_get_indexdef(indexrelid, 1, true) || COALESCE(', ' || NULLIF(pg_get_indexdef(indexrelid, 2, true), ''), '')
                         || CASE WHEN indisprimary THEN ' primary' WHEN indpred IS NOT NULL THEN ' where ' || pg_get_expr(indpred, indrelid) ELSE '' END
                         ORDER BY indexrelid) FROM pg_index WHERE indrelid = c.oid) AS indexes,
       (SELECT array_agg(conname ORDER BY conname) FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c') AS checks
  FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid WHERE inhparent = 'cloudsat.messages'::regclass;

-- nothing but the default one at first, whatever other tests did
DELETE FROM cloudsat.messages;
DO $$
DECLARE
    leaf record;
BEGIN
    FOR leaf IN SELECT relname FROM partitions WHERE bound <> 'DEFAULT' LOOP
        EXECUTE format('DROP TABLE cloudsat.%I', leaf.relname);
    END LOOP;
END $$;
SELECT relname, bound, indexes, checks FROM partitions;

-- the current day and those ahead, once
SET LOCAL cloudsat.partitions_ahead = 2;
SELECT n, partition = to_char(date_trunc('day', now(), 'UTC') AT TIME ZONE 'UTC' + (n - 1) * interval '1 day', '"messages_"YYYYMMDD') AS named,
       starts = date_trunc('day', now(), 'UTC') + (n - 1) * interval '24 h' AS starts, ends - starts AS length, moved
  FROM cloudsat.maintain() WITH ORDINALITY AS m (partition, starts, ends, moved, n);
SELECT count(*) FROM cloudsat.maintain();
SELECT DISTINCT indexes, checks FROM partitions;
SELECT cloudsat.post('a.example.com', 'b.example.com', 'goes into today''s') AS today \gset
SELECT tableoid::regclass <> 'cloudsat.messages_default'::regclass AS dated FROM cloudsat.messages WHERE uuid = :'today';
SELECT cloudsat.reply('a.example.com', 'b.example.com', 'x', :'today', 'info') IS NOT NULL AS found_there;

-- what the default one caught gets days of its own; replies find their parents where they went
SELECT pg_temp.say('2020-01-01 00:00:00Z', 'first') AS first \gset
SELECT count(pg_temp.say(t)) FROM unnest('{2020-01-01 12:34:56.789Z, 2020-01-01 23:59:59.999999Z, 2020-01-03 00:00:00Z, 2020-02-29 07:00Z}'::timestamptz[]) AS t;
INSERT INTO cloudsat.messages VALUES ('f81d4fae-7dec-41d0-8765-00a0c91e6bf6', now(), '.', '.', 'no UUIDv7', NULL, NULL, NULL, NULL, pg_current_xact_id());
SELECT cloudsat.reply('a.example.com', 'b.example.com', 'in the default one', :'first', 'info') IS NOT NULL AS found;
SELECT partition, starts AT TIME ZONE 'UTC' AS starts, ends AT TIME ZONE 'UTC' AS ends, moved FROM cloudsat.maintain();
SELECT cloudsat.reply('a.example.com', 'b.example.com', 'in its own', :'first', 'info') IS NOT NULL AS found;
SELECT tableoid::regclass AS partition, "timestamp" AT TIME ZONE 'UTC' AS posted FROM cloudsat.messages WHERE uuid < cloudsat.uuid_floor('2021-01-01Z') ORDER BY uuid;
SELECT message FROM cloudsat.messages_default;
SELECT count(*) FROM cloudsat.maintain();
SELECT relname, bound FROM partitions WHERE relname < 'messages_2021' ORDER BY relname;

-- other lengths: what is taken stays, the gaps are filled
SET LOCAL cloudsat.partition_interval = '1h';
SELECT count(pg_temp.say(t)) FROM unnest('{2020-01-02 05:30Z, 2020-01-05 00:10Z}'::timestamptz[]) AS t;
SELECT partition, starts AT TIME ZONE 'UTC' AS starts, ends AT TIME ZONE 'UTC' AS ends, moved FROM cloudsat.maintain();
SET LOCAL cloudsat.partition_interval = '7d';
SELECT count(pg_temp.say(t)) FROM unnest('{2020-01-05 12:00Z, 2020-01-14 00:00Z}'::timestamptz[]) AS t;
SELECT partition, starts AT TIME ZONE 'UTC' AS starts, ends AT TIME ZONE 'UTC' AS ends, moved FROM cloudsat.maintain() WHERE starts < '2021-01-01Z';
SET LOCAL cloudsat.partition_interval = '1min';
SET LOCAL cloudsat.partitions_ahead = 100;
SELECT count(*) FROM cloudsat.maintain();
RESET cloudsat.partition_interval;
SET LOCAL cloudsat.partitions_ahead = 2;
-- a hundred days at a time
SELECT count(pg_temp.say('2010-01-01Z'::timestamptz + n * interval '1 day')) FROM generate_series(1, 105) AS n;
SELECT count(*), sum(moved) FROM cloudsat.maintain();
SELECT count(*), sum(moved) FROM cloudsat.maintain();
SELECT count(*), sum(moved) FROM cloudsat.maintain();

SAVEPOINT s;
-- a partition made by hand, with its columns in another order and one dropped, serves as well
CREATE TABLE cloudsat.by_hand (gone int, xact xid8 NOT NULL, depth int, root uuid, disposition cloudsat.disposition, before uuid,
    message text NOT NULL, chan cloudsat.address NOT NULL, poster cloudsat.address NOT NULL, "timestamp" timestamptz NOT NULL, uuid uuid PRIMARY KEY,
    CONSTRAINT messages_link CHECK (num_nulls(before, disposition, root, depth) = ANY (ARRAY[0, 4])));
ALTER TABLE cloudsat.by_hand DROP COLUMN gone;
DO $$
DECLARE
    leaf record;
BEGIN
    FOR leaf IN SELECT relname FROM partitions WHERE bound <> 'DEFAULT' LOOP
        EXECUTE format('DROP TABLE cloudsat.%I', leaf.relname);
    END LOOP;
    EXECUTE format('ALTER TABLE cloudsat.messages ATTACH PARTITION cloudsat.by_hand FOR VALUES FROM (%L) TO (%L)',
                   cloudsat.uuid_floor(now() - interval '1 h'), cloudsat.uuid_floor(now() + interval '1 h'));
END $$;
SELECT cloudsat.reply('a.example.com', 'b.example.com', 'y', cloudsat.post('a.example.com', 'c.example.com', 'x'), 'end') IS NOT NULL AS posted;
SELECT tableoid::regclass AS partition, poster, chan, message, disposition, depth, root = before AS linked, uuid > before AS after, xact = pg_current_xact_id() AS by_us
  FROM cloudsat.messages WHERE message IN ('x', 'y') ORDER BY uuid;
-- what it leaves of the day is cut around it, to the microsecond; with bounds that are no UUIDv7 as well
SELECT count(pg_temp.say(t)) FROM unnest('{2020-01-01Z, 2020-01-01 11:59:59.999999Z, 2020-01-01 23:00Z}'::timestamptz[]) AS t;
CREATE TABLE cloudsat.by_hand_2 PARTITION OF cloudsat.messages
    FOR VALUES FROM ('016f60fa-1600-0000-0000-000000000000') TO ('016f60fa-1600-ffff-ffff-ffffffffffff');
CREATE TABLE cloudsat.by_hand_3 PARTITION OF cloudsat.messages FOR VALUES FROM (MINVALUE) TO ('016f5e66-e800-7000-8000-000000000000');
SELECT partition, starts AT TIME ZONE 'UTC' AS starts, ends AT TIME ZONE 'UTC' AS ends, moved FROM cloudsat.maintain() WHERE starts < '2021-01-01Z';
DROP TABLE cloudsat.by_hand_2, cloudsat.by_hand_3;

-- without a partition for it a post says so, like an INSERT
ROLLBACK TO s;
ALTER TABLE cloudsat.messages DETACH PARTITION cloudsat.messages_default;
\set VERBOSITY sqlstate
SELECT pg_temp.say('2021-01-01Z');
SELECT cloudsat.reply('a.example.com', 'b.example.com', 'x', cloudsat.uuid_floor('2021-01-01Z'), 'info');
\set VERBOSITY default
ROLLBACK TO s;

-- queries: a condition on uuid prunes, with constants when planned, with parameters and now() when run
SET LOCAL enable_indexscan = off;
SET LOCAL enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT FROM cloudsat.messages WHERE uuid >= cloudsat.uuid_floor('2020-01-02Z') AND uuid < cloudsat.uuid_floor('2020-01-03Z');
EXPLAIN (COSTS OFF) SELECT FROM cloudsat.messages WHERE uuid BETWEEN cloudsat.uuid_floor('2020-01-02Z') AND cloudsat.uuid_ceil('2020-01-03 23:59:59.999999Z');
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE day (timestamptz) AS SELECT FROM cloudsat.messages WHERE uuid >= cloudsat.uuid_floor($1) AND uuid < cloudsat.uuid_floor($1 + interval '1 day');
CREATE FUNCTION pg_temp.scanned(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        IF line ~ ' on (messages_2020\S*|messages_default)|Removed' THEN
            RETURN NEXT substring(line FROM 'messages_\w+|Subplans Removed');
        END IF;
    END LOOP;
END $$;
SELECT pg_temp.scanned($$EXECUTE day('2020-01-03Z')$$);
SELECT DISTINCT scanned FROM pg_temp.scanned($$SELECT * FROM cloudsat.inbox WHERE uuid >= cloudsat.uuid_floor(now() - interval '1 hour') ORDER BY uuid DESC LIMIT 64$$) AS scanned ORDER BY scanned;
ROLLBACK;
