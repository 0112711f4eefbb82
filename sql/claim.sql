-- Claiming and releasing: who gets a message, what the log and the views say, what is refused. One session here; what
-- several do at once is in test/isolation and test/t. All rolled back.
BEGIN;
\set ON_ERROR_ROLLBACK on
SET LOCAL cloudsat.notify = off;
CREATE ROLE regress_cloudsat_claimer LOGIN;
SELECT cloudsat.enlist('regress_cloudsat_claimer', 'server', 'web.example.com');
CREATE ROLE regress_cloudsat_admin;
GRANT cloudsat_admin TO regress_cloudsat_admin;
CREATE ROLE regress_cloudsat_adhoc;
GRANT cloudsat_adhoc TO regress_cloudsat_adhoc;

CREATE FUNCTION pg_temp.refusal(statement text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
                            hint = PG_EXCEPTION_HINT;
    message := regexp_replace(message, '[0-9a-f]{8}-[0-9a-f-]{27}', 'M');
END $$;
-- the log of a message, as far as it is the same each time
CREATE FUNCTION pg_temp.log(uuid, OUT n int8, OUT action text, OUT nick cloudsat.address, OUT chan cloudsat.address,
                            OUT disposition cloudsat.disposition, OUT leased bool, OUT mine bool, OUT reply int8, OUT note text)
RETURNS SETOF record LANGUAGE sql AS $$
    SELECT row_number() OVER (ORDER BY l."timestamp"), l.action, l.nick, l.chan, l.disposition, l.lease_until IS NOT NULL,
           l.pid = pg_backend_pid(), dense_rank() OVER (ORDER BY m.uuid), m.message
      FROM cloudsat.claim_log AS l JOIN cloudsat.messages AS m ON m.uuid = l.reply
     WHERE l.message = $1 AND m.before = $1 ORDER BY l."timestamp" $$;

SELECT cloudsat.post('boss@example.com', 'web.example.com', 'first') AS first \gset
SELECT cloudsat.post('boss@example.com', 'web.example.com', 'second') AS second \gset
SELECT cloudsat.post('boss@example.com', 'mail.example.com', 'not for the web') AS other \gset

-- nobody but a registered bot, and only what it hears
SET ROLE regress_cloudsat_claimer;
SELECT r.* FROM (VALUES (1, format('SELECT cloudsat.claim(%L)', :'first')),
                        (2, format('SELECT cloudsat.release(%L, ''end'', ''x'')', :'first')))
    AS v (n, statement), pg_temp.refusal(statement) AS r ORDER BY n;
SELECT cardinality(cloudsat.register('{w1.web.example.com}'));
SELECT r.* FROM (VALUES (1, format('SELECT cloudsat.claim(%L)', :'other')),
                        (2, 'SELECT cloudsat.claim(''00000000-0000-7000-8000-000000000000'')'),
                        (3, 'SELECT cloudsat.claim(NULL)'),
                        (4, format('SELECT cloudsat.claim(%L, NULL)', :'first')),
                        (5, format('SELECT cloudsat.claim(%L, lease => ''0'')', :'first')),
                        (6, format('SELECT cloudsat.claim(%L, lease => ''-1 hour'')', :'first')),
                        (7, format('SELECT cloudsat.claim(%L, lease => ''200000000 days'')', :'first')),
                        (8, format('SELECT cloudsat.claim(%L, repeat(''x'', 1024 * 1024 + 1))', :'first')),
                        (9, format('SELECT cloudsat.release(%L, ''end'', ''x'')', :'first')),
                        (10, 'SELECT cloudsat.release(NULL, ''end'', ''x'')'),
                        (11, format('SELECT cloudsat.release(%L, NULL, ''x'')', :'first')),
                        (12, format('SELECT cloudsat.release(%L, ''end'', NULL)', :'first')),
                        (13, 'SELECT cloudsat.release(''00000000-0000-7000-8000-000000000000'', ''end'', ''x'')'),
                        (14, 'SELECT FROM cloudsat.claim_log'))
    AS v (n, statement), pg_temp.refusal(statement) AS r ORDER BY n;
SELECT count(*) FROM cloudsat.claims;

-- taking, renewing, giving up, again; one statement may claim and release as often as it likes
SELECT cloudsat.claim(:'first') AS taken \gset
SELECT cloudsat.claim(:'first', 'again') = :'taken' AS renewed, cloudsat.claim(:'first', 'with a lease', '1 hour') = :'taken' AS leased;
SELECT message = :'first' AS first, nick, chan, since = cloudsat.uuid_time(reply) AS since, lease_until - since > '59 min' AS leased,
       reply = :'taken' AS reply, pid = pg_backend_pid() AS mine FROM cloudsat.claims;
SELECT cloudsat.claim(:'first') = :'taken' AS no_lease_any_more;
SELECT count(*) FROM cloudsat.claims WHERE lease_until IS NULL;
SELECT cloudsat.release(:'first', 'problem', 'no disk') AS failed, cloudsat.claim(:'first', 'once more') AS once_more,
       cloudsat.release(:'first', 'end', 'done') AS done \gset
SELECT cloudsat.claim(:'first') IS NULL AS closed, count(*) AS held FROM cloudsat.claims;
SELECT * FROM pg_temp.refusal(format('SELECT cloudsat.release(%L, ''end'', ''x'')', :'first'));
RESET ROLE;
SELECT cloudsat.register('{w1.web.example.com}') IS NOT NULL AS as_this_role;
SELECT * FROM pg_temp.log(:'first');
SELECT m.poster, m.chan, m.disposition, m.message, m.uuid IN (:'taken', :'failed', :'once_more', :'done') AS returned
  FROM cloudsat.messages AS m WHERE before = :'first' ORDER BY uuid;

-- which dispositions free a message, which close it
SELECT d, cloudsat.claim(m) IS NOT NULL AS claimed, cloudsat.release(m, d, 'x') IS NOT NULL AS released, cloudsat.claim(m) IS NOT NULL AS free
  FROM (SELECT d, cloudsat.post('boss@example.com', 'web.example.com', d::text) AS m
          FROM unnest('{ignored,acknowledged,info,problem,belay,end}'::cloudsat.disposition[]) AS d OFFSET 0) AS v;

-- rolled back, a claim leaves nothing
SAVEPOINT before;
SELECT cloudsat.claim(:'second') IS NOT NULL AS claimed;
ROLLBACK TO before;
SELECT count(*) FROM cloudsat.claims WHERE message = :'second';

-- A lease that is over, an earlier server's claims, a clock that was set back: written by hand, by the owner.
INSERT INTO cloudsat.claim_log VALUES (:'second', now() + interval '1 year', '2020-01-01', 1, 'acknowledged', :'done', 'w2.web.example.com',
    'web.example.com', 'claimed', now() - interval '1 second');
SELECT nick, pid FROM cloudsat.orphaned_claims WHERE message = :'second';
SELECT cloudsat.claim(:'second', 'mine now') IS NOT NULL AS taken_over;
SELECT action, nick, pid = 1 AS other, "timestamp" > now() + interval '1 year' AS later FROM cloudsat.claim_log WHERE message = :'second' ORDER BY "timestamp";
SELECT count(*) FILTER (WHERE orphaned), count(*) FROM (SELECT message, true AS orphaned FROM cloudsat.orphaned_claims
    UNION ALL SELECT message, false FROM cloudsat.claims) AS c WHERE message = :'second';
-- gone, but its lease runs: its own nick goes on with it, and nobody else
INSERT INTO cloudsat.claim_log VALUES (:'other', now(), '2020-01-01', 1, 'acknowledged', :'done', 'w1.web.example.com', 'mail.example.com',
    'claimed', now() + interval '1 hour');
SELECT cloudsat.register('{w2.web.example.com,mail.example.com}') IS NOT NULL AS w2;
SELECT cloudsat.claim(:'other') IS NULL AS refused;
SELECT cloudsat.register('{w1.web.example.com,mail.example.com}') IS NOT NULL AS w1;
SELECT cloudsat.claim(:'other') = :'done' AS goes_on;
SELECT action, nick, pid = 1 AS other FROM cloudsat.claim_log WHERE message = :'other' ORDER BY "timestamp";

-- only its holder gives it up, under whichever of his addresses, or an administrator, and then in the holder's name
SET ROLE regress_cloudsat_claimer;
SELECT cloudsat.register('{w2.web.example.com}') IS NOT NULL AS w2;
SELECT cloudsat.claim(:'second') IS NULL AS refused;
SELECT * FROM pg_temp.refusal(format('SELECT cloudsat.release(%L, ''end'', ''x'')', :'second'));
SELECT cloudsat.register('{w2.web.example.com,w1.web.example.com}') IS NOT NULL AS both;
SELECT cloudsat.release(:'second', 'ignored', 'under another nick') IS NOT NULL AS released;
SELECT cloudsat.claim(:'second') IS NOT NULL AS claimed, cloudsat.register('{}');
SET ROLE regress_cloudsat_admin;
SELECT cloudsat.release(:'second', 'belay', 'stop it') IS NOT NULL AS by_an_administrator;
SELECT * FROM pg_temp.refusal(format('SELECT cloudsat.claim(%L)', :'first'));
RESET ROLE;
SELECT n, action, nick, disposition, note FROM pg_temp.log(:'second') WHERE n > 0;

-- who sees which claims
SELECT cloudsat.register('{w1.web.example.com}') IS NOT NULL AS w1;
SELECT cloudsat.post('boss@example.com', 'web.example.com', 'seen') AS seen \gset
SELECT cloudsat.claim(:'seen') IS NOT NULL AS claimed;
SET ROLE regress_cloudsat_claimer;
SELECT cloudsat.register('{w1.web.example.com}') IS NOT NULL AS w1;
SELECT (SELECT count(*) FROM cloudsat.claims WHERE message = :'seen') AS seen, (SELECT count(*) FROM cloudsat.claims WHERE message = :'other') AS other;
SELECT cloudsat.register('{}');
SELECT count(*) AS unregistered FROM cloudsat.claims;
SET ROLE regress_cloudsat_adhoc;
SELECT (SELECT count(*) FROM cloudsat.claims WHERE message = :'seen') AS seen, (SELECT count(*) FROM cloudsat.claims WHERE message = :'other') AS other;
SELECT * FROM pg_temp.refusal(format('SELECT cloudsat.claim(%L)', :'first'));
RESET ROLE;

-- nothing that a caller puts in front of the server's own names is used
CREATE SCHEMA regress_hostile;
CREATE FUNCTION regress_hostile.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2000-01-01'::timestamptz $$;
CREATE TABLE regress_hostile.claim_log (LIKE cloudsat.claim_log);
CREATE TYPE regress_hostile.uuid AS ENUM ();
SET LOCAL search_path = regress_hostile, pg_catalog;
SELECT cloudsat.register('{w1.web.example.com}') IS NOT NULL AS w1;
SELECT cloudsat.claim(:'seen') IS NOT NULL AS renewed, (SELECT count(*) FROM regress_hostile.claim_log) AS stolen;
SELECT count(*) FROM cloudsat.claims WHERE message = :'seen';
RESET search_path;

-- a claim's newest entry goes with its message, not before; superseded ones by their age
INSERT INTO cloudsat.claim_log SELECT cloudsat.uuid_floor('2020-01-01Z'), "timestamp", backend_start, pid, disposition, reply, nick, chan,
    action, lease_until FROM cloudsat.claim_log WHERE message = :'seen';
SELECT count(*) FILTER (WHERE message = :'seen') AS seen, count(*) FILTER (WHERE message = cloudsat.uuid_floor('2020-01-01Z')) AS gone FROM cloudsat.claim_log;
SELECT _cloudsat.prune(now() + interval '1 day');
SELECT count(*) FILTER (WHERE message = :'seen') AS seen, count(*) FILTER (WHERE message = cloudsat.uuid_floor('2020-01-01Z')) AS gone FROM cloudsat.claim_log;

-- read-only
\set ON_ERROR_ROLLBACK off
SET TRANSACTION READ ONLY;
SELECT r.* FROM (VALUES (1, format('SELECT cloudsat.claim(%L)', :'first')),
                        (2, format('SELECT cloudsat.release(%L, ''end'', ''x'')', :'first')))
    AS v (n, statement), pg_temp.refusal(statement) AS r ORDER BY n;
ROLLBACK;
