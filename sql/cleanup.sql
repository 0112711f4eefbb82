-- Forgetting old messages: whole partitions, to the instant, and what the logs keep; what administrators watch. All rolled back.
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL cloudsat.notify = off;
SET LOCAL timezone = 'Pacific/Chatham';
CREATE FUNCTION pg_temp.say(instant timestamptz, message text DEFAULT 'x') RETURNS uuid LANGUAGE sql AS $$
    INSERT INTO cloudsat.messages VALUES (cloudsat.uuid_floor(instant), instant, 'a.example.com', 'b.example.com', message,
                                          NULL, NULL, NULL, NULL, pg_current_xact_id()) RETURNING uuid $$;
DELETE FROM cloudsat.messages;
DELETE FROM cloudsat.registered;
DELETE FROM cloudsat.claim_log;
DELETE FROM cloudsat.bookmarks;
DO $$
DECLARE
    leaf regclass;
BEGIN
    FOR leaf IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'cloudsat.messages'::regclass
                   AND inhrelid <> 'cloudsat.messages_default'::regclass LOOP
        EXECUTE format('DROP TABLE %s', leaf);
    END LOOP;
END $$;

-- what it does not accept
\set VERBOSITY sqlstate
SELECT cloudsat.cleanup(NULL);
SELECT cloudsat.cleanup('1 day', NULL);
SELECT cloudsat.cleanup('-1 microsecond');
SELECT cloudsat.cleanup('-1000000 years');
SELECT cloudsat.cleanup('1 month -40 days');
\set VERBOSITY terse
SELECT cloudsat.cleanup('-1 s');
\set VERBOSITY default

-- five days in January, and something of today
SELECT count(pg_temp.say('2020-01-01Z'::timestamptz + n * interval '8 h', 'January')) FROM generate_series(0, 14) AS n;
SELECT cloudsat.reply('b.example.com', 'a.example.com', 'left over', cloudsat.uuid_floor('2020-01-02Z'), 'end') AS reply \gset
SELECT count(*) FROM cloudsat.maintain();
-- so many years ago that nothing can be older
SELECT * FROM cloudsat.cleanup('100 years');
SELECT * FROM cloudsat.cleanup('1000000 years');
-- days that ended before that instant
SELECT now() - '2020-01-03 00:00Z' AS since_january_3, now() - '2020-01-03 23:59:59.999999Z' AS almost, now() - '2020-01-04 08:00Z' AS in_the_4th \gset
SELECT partition, messages, bytes > 0 AS bytes FROM cloudsat.cleanup(:'since_january_3');
SELECT * FROM cloudsat.cleanup(:'almost');
SELECT count(*), min("timestamp") AT TIME ZONE 'UTC' AS oldest FROM cloudsat.messages;
-- a reply outlives its parent, and says so
SELECT message, parent_gone FROM cloudsat.thread(cloudsat.uuid_floor('2020-01-02Z'));
-- to the instant
SELECT partition, messages, bytes > 0 AS bytes FROM cloudsat.cleanup(:'in_the_4th', exact => true) ORDER BY partition;
SELECT * FROM cloudsat.cleanup(:'in_the_4th', exact => true);
SELECT min("timestamp") AT TIME ZONE 'UTC' AS oldest FROM cloudsat.messages;
-- in the default partition, too; but a uuid without a time stays there while it is greater
SELECT count(pg_temp.say(t)) FROM unnest('{2019-01-01Z, 2020-02-01Z}'::timestamptz[]) AS t;
SELECT * FROM cloudsat.cleanup(:'in_the_4th');
SELECT * FROM cloudsat.cleanup(:'in_the_4th', exact => true);
-- partitions made by hand, with any bounds; what hangs on one keeps it
CREATE TABLE public.by_hand PARTITION OF cloudsat.messages FOR VALUES FROM (MINVALUE) TO ('016f5e66-e800-0000-0000-000000000000');
CREATE TABLE public.for_ever PARTITION OF cloudsat.messages FOR VALUES FROM ('f0000000-0000-0000-0000-000000000000') TO (MAXVALUE);
CREATE VIEW public.hanging AS SELECT FROM public.by_hand;
\set VERBOSITY terse
SELECT partition FROM cloudsat.cleanup('3 years') ORDER BY partition;
\set VERBOSITY default
DROP VIEW public.hanging;
SELECT * FROM cloudsat.cleanup('3 years');
-- the current period stays; exact => true empties it of what is older than the transaction
SELECT * FROM cloudsat.cleanup('0');
SELECT to_char(p.starts AT TIME ZONE 'UTC', 'YYYYMMDD') = to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD') AS today, p.partition = 'public.for_ever'::regclass AS for_ever
  FROM _cloudsat.partitions() AS p ORDER BY p.starts LIMIT 1;
SELECT pg_temp.say(now() - interval '1 microsecond') IS NOT NULL AS said;
SELECT sum(messages) FROM cloudsat.cleanup('0', exact => true);
SELECT message FROM cloudsat.messages;
DROP TABLE public.for_ever;

-- the logs: what is in force stays, whoever has it and however old it is
SELECT FROM cloudsat.register('{live.example.com}');
SELECT FROM cloudsat.register('{live.example.com,x.example.com}');
SELECT FROM cloudsat.register('{other.example.com}');
UPDATE cloudsat.registered SET "timestamp" = "timestamp" - interval '2 days';
INSERT INTO cloudsat.registered SELECT 'dead.example.com', now() - n * interval '1 h', '{.}', 0, now() FROM generate_series(1, 48) AS n;
SELECT * FROM cloudsat.cleanup('24 h');
SELECT nick, cardinality(chans), count(*) FROM cloudsat.registered GROUP BY 1, 2 ORDER BY 1, 2;
SELECT nick, channels, pid = pg_backend_pid() AS me, usename = session_user AS mine, state FROM cloudsat.listeners;
SELECT FROM cloudsat.register('{}');
SELECT count(*) FROM cloudsat.listeners;
INSERT INTO cloudsat.bookmarks (nick, "timestamp", position)
    SELECT address, now() - age, '10:20:' FROM (VALUES ('live.example.com', '1 h'::interval), ('live.example.com', '2 days'), ('once.example.com', '3 days'),
                                                    ('once.example.com', '2 days')) AS v (nick, age), LATERAL (SELECT nick::cloudsat.address) AS n (address);
-- the message of a claim is gone, or in the default partition, or younger
SELECT pg_temp.say('2020-01-01Z') AS kept \gset
INSERT INTO cloudsat.claim_log (message, "timestamp", backend_start, pid, disposition, reply, nick, chan, action)
    SELECT uuid, now() - interval '2 days', now(), 0, 'acknowledged', uuid, 'dead.example.com', '.', 'claimed'
      FROM unnest(ARRAY[:'kept', cloudsat.uuid_floor('2020-01-02Z'), cloudsat.uuid_floor(now() - interval '1 h')]) AS uuid;
INSERT INTO cloudsat.queue_events (at, server, vhost, name, event, incident)
    SELECT now() - age, 's', '/', name, 'warned', incident FROM unnest('{1 h, 3 days}'::interval[]) AS age,
           (VALUES ('over', NULL::uuid), ('on', '00000000-0000-7000-8000-000000000001'), ('on', '00000000-0000-7000-8000-000000000002')) AS v (name, incident);
INSERT INTO cloudsat.queues (server, vhost, name, warn_size, delete_size, incident, first_seen, changed_at)
    VALUES ('s', '/', 'on', 1, 2, '00000000-0000-7000-8000-000000000002', now(), now());
SELECT * FROM cloudsat.cleanup('1 day');
SELECT nick, now() - "timestamp" AS age FROM cloudsat.bookmarks ORDER BY 1, 2;
SELECT cloudsat.uuid_time(message) < '2021-01-01Z' AS in_the_default_one FROM cloudsat.claim_log ORDER BY message;
SELECT name, right(incident::text, 1) AS incident, now() - at AS age FROM cloudsat.queue_events ORDER BY 1, 2, 3;
-- limits that no interval holds
INSERT INTO cloudsat.queues (server, vhost, name, messages, growth, warn_size, delete_size, first_seen, changed_at)
    SELECT 's', '/', n, 0, growth, 1, size, now(), now()
      FROM (VALUES ('a', 1, 9223372036854775807), ('b', 1e300, 9223372036854775807), ('c', 2, 120), ('d', 1, 52594919), ('e', 1, 52594920)) AS v (n, growth, size);
INSERT INTO cloudsat.queues (server, vhost, name, messages, ready, basis, type, owner_kind, growth, warn_size, delete_size, first_seen, changed_at)
    SELECT 's', '/', n, 9000, 60, basis, type, kind, 1, 1, 1500, now(), now()
      FROM (VALUES ('ea', 'ready', 'classic', 'person'), ('eb', 'total', 'classic', 'person'), ('ec', 'ready', 'stream', NULL),
                   ('ed', 'ready', 'quorum', 'reserved'), ('ee', 'ready', NULL, NULL)) AS v (n, basis, type, kind);
SELECT name, round(extract(epoch FROM time_to_delete) / 86400, 3) AS days FROM cloudsat.queues WHERE server = 's' AND name < 'f' ORDER BY 1;

-- a restore that has yet to make its indexes is left alone
CREATE TABLE cloudsat.messages_20200601 (LIKE cloudsat.messages);
SELECT _cloudsat.restoring();
SELECT * FROM cloudsat.maintain();
SELECT * FROM cloudsat.cleanup('0');
DROP TABLE cloudsat.messages_20200601;
CREATE TABLE cloudsat.queue_history_20200601 (LIKE cloudsat.queue_history);
SELECT _cloudsat.restoring();
DROP TABLE cloudsat.queue_history_20200601;
SELECT _cloudsat.unfinished();

-- views
DELETE FROM cloudsat.messages;
SELECT date_trunc('hour', now(), 'UTC') - interval '10 h' AS start \gset
SELECT pg_temp.say(:'start'::timestamptz, 'first') AS first \gset
INSERT INTO cloudsat.messages SELECT cloudsat.uuid_floor(t), t, poster, chan, 'x', :'first', d, :'first', 1, pg_current_xact_id()
  FROM (VALUES ('10 s', 'w1.build.example.com', 'a.example.com', 'acknowledged'), ('59 s', 'w1.build.example.com', 'a.example.com', 'problem'),
               ('60 s', 'w2.build.example.com', 'a.example.com', 'end'), ('2 min', 'w2.build.example.com', 'example.com', 'end'),
               ('1 h', 'w2.build.example.com', 'a.example.com', 'info')) AS v (age, poster, chan, disposition),
       LATERAL (SELECT :'start'::timestamptz + age::interval, disposition::cloudsat.disposition) AS at (t, d);
SELECT minute - :'start' AS minute, channel, messages, posters FROM cloudsat.throughput(:'start', :'start'::timestamptz + interval '1 h') ORDER BY 1, 2;
SELECT hour - :'start' AS hour, workers, problems, ends, rate FROM cloudsat.error_rates WHERE workers <@ 'build.example.com' ORDER BY 1, 2;
SELECT count(*) FROM cloudsat.throughput;
SELECT channel, messages FROM cloudsat.throughput('-infinity') WHERE channel = '.' ORDER BY minute;
SELECT relation, starts IS NULL AS undated, heap > 0 AS heap, indexes > 0 AS indexes, total = heap + indexes + toast AS adds_up
  FROM cloudsat.space_usage WHERE relation IN ('messages_default', 'registered') ORDER BY 1;
SELECT usage FROM cloudsat.notify_queue;
SELECT count(*) FROM cloudsat.horizon WHERE pid = pg_backend_pid();
ROLLBACK;
