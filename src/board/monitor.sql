-- What administrators monitor: throughput, failures, space, listeners, and transactions that delay others.

-- A condition on uuid prunes, so only the partitions of the requested time are read. These two bodies are
-- strings because pg_upgrade creates functions before the operator classes of address, which GROUP BY looks
-- up.
CREATE FUNCTION cloudsat.throughput(since timestamptz, until timestamptz DEFAULT 'infinity')
    RETURNS TABLE (minute timestamptz, channel cloudsat.address, messages int8, posters int8)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
    SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT said.minute, subtree.channel, sum(said.messages)::int8, count(DISTINCT said.poster)
      FROM (SELECT date_bin('1 minute', m."timestamp", '2001-01-01Z') AS minute, m.chan, m.poster,
                   count(*) AS messages
              FROM cloudsat.messages AS m
             WHERE m.uuid >= cloudsat.uuid_floor(greatest(since, '1970-01-01Z'))
               AND m.uuid < cloudsat.uuid_floor(least(until, '10000-01-01Z'))
             GROUP BY 1, 2, 3) AS said,
           LATERAL unnest(cloudsat.suffixes(said.chan)) AS subtree (channel)
     GROUP BY 1, 2;
$body$;
COMMENT ON FUNCTION cloudsat.throughput IS
    'messages and distinct posters per minute of a time range, for each channel including all channels '
    'under it';

CREATE VIEW cloudsat.throughput AS
    SELECT minute, channel, messages, posters FROM cloudsat.throughput(now() - '1 hour'::interval);
COMMENT ON VIEW cloudsat.throughput IS
    'messages and distinct posters per minute of the last hour, for each channel including all channels '
    'under it';
COMMENT ON COLUMN cloudsat.throughput.minute IS 'when the minute began; minutes without messages are omitted';
COMMENT ON COLUMN cloudsat.throughput.channel IS
    'messages on this channel and those under it count; "." counts all';
COMMENT ON COLUMN cloudsat.throughput.messages IS 'number of messages, replies included';
COMMENT ON COLUMN cloudsat.throughput.posters IS 'number of distinct addresses that posted them';

CREATE FUNCTION cloudsat.error_rates(since timestamptz, until timestamptz DEFAULT 'infinity')
    RETURNS TABLE (hour timestamptz, workers cloudsat.address, problems int8, ends int8, rate numeric)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
    SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT told.hour, subtree.workers, sum(told.problems)::int8, sum(told.ends)::int8,
           round(sum(told.problems) / sum(told.problems + told.ends), 4)
      FROM (SELECT date_bin('1 hour', m."timestamp", '2001-01-01Z') AS hour, m.poster,
                   count(*) FILTER (WHERE m.disposition = 'problem') AS problems,
                   count(*) FILTER (WHERE m.disposition = 'end') AS ends
              FROM cloudsat.messages AS m
             WHERE m.disposition IN ('problem', 'end')
               AND m.uuid >= cloudsat.uuid_floor(greatest(since, '1970-01-01Z'))
               AND m.uuid < cloudsat.uuid_floor(least(until, '10000-01-01Z'))
             GROUP BY 1, 2) AS told,
           LATERAL unnest(cloudsat.suffixes(told.poster)) AS subtree (workers)
     GROUP BY 1, 2;
$body$;
COMMENT ON FUNCTION cloudsat.error_rates IS
    'failed and finished work per hour of a time range, for each subtree of workers';

CREATE VIEW cloudsat.error_rates AS
    SELECT hour, workers, problems, ends, rate FROM cloudsat.error_rates(now() - '1 day'::interval);
COMMENT ON VIEW cloudsat.error_rates IS
    'failed and finished work per hour of the last day, for each subtree of workers';
COMMENT ON COLUMN cloudsat.error_rates.hour IS
    'when the hour began; hours without failed or finished work are omitted';
COMMENT ON COLUMN cloudsat.error_rates.workers IS
    'replies of this address and those under it count; a bot hears the channels above its address, so this '
    'is also the channel that the work was posted to';
COMMENT ON COLUMN cloudsat.error_rates.problems IS 'number of replies with disposition problem';
COMMENT ON COLUMN cloudsat.error_rates.ends IS 'number of replies with disposition end';
COMMENT ON COLUMN cloudsat.error_rates.rate IS 'share of problems in problems and ends, 0 to 1';

CREATE VIEW cloudsat.space_usage AS
    SELECT c.relname AS relation, p.starts, p.ends, _cloudsat.rows(c.oid) AS rows,
           pg_table_size(c.oid) - coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) AS heap,
           pg_indexes_size(c.oid) AS indexes,
           coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) AS toast,
           pg_total_relation_size(c.oid) AS total
      FROM pg_class AS c
      LEFT JOIN _cloudsat.partitions() AS p ON p.partition = c.oid
     WHERE c.relkind = 'r'
       AND (c.relnamespace = ANY (ARRAY['cloudsat', '_cloudsat']::regnamespace[])
           OR p.partition IS NOT NULL);
COMMENT ON VIEW cloudsat.space_usage IS 'rows and bytes of each table of cloudsat, each partition separately';
COMMENT ON COLUMN cloudsat.space_usage.relation IS 'the table or partition';
COMMENT ON COLUMN cloudsat.space_usage.starts IS
    'start of the time that a partition of messages covers; null for other tables';
COMMENT ON COLUMN cloudsat.space_usage.ends IS
    'end of the time that a partition of messages covers; null for other tables';
COMMENT ON COLUMN cloudsat.space_usage.rows IS 'estimated number of rows; null if there is no estimate yet';
COMMENT ON COLUMN cloudsat.space_usage.heap IS 'bytes of the rows, and of the free space and visibility maps';
COMMENT ON COLUMN cloudsat.space_usage.indexes IS 'bytes of the indexes';
COMMENT ON COLUMN cloudsat.space_usage.toast IS 'bytes of long values stored out of line';
COMMENT ON COLUMN cloudsat.space_usage.total IS 'total bytes';

CREATE VIEW cloudsat.listeners AS
    SELECT r.nick, r."timestamp", cardinality(r.chans) AS channels, r.pid,
           s.usename, s.application_name, s.client_addr, s.state, s.state_change
      FROM _cloudsat.sessions() AS s,
           LATERAL (SELECT nick, "timestamp", chans, registered.pid
                      FROM cloudsat.registered
                     WHERE registered.pid = s.pid AND registered.backend_start = s.backend_start
                     ORDER BY "timestamp" DESC, cardinality(chans) DESC LIMIT 1) AS r
     WHERE cardinality(r.chans) > 0;
COMMENT ON VIEW cloudsat.listeners IS 'the live registered connections, including several of the same nick';
COMMENT ON COLUMN cloudsat.listeners.nick IS 'the first of the connection''s own addresses';
COMMENT ON COLUMN cloudsat.listeners."timestamp" IS 'when it registered';
COMMENT ON COLUMN cloudsat.listeners.channels IS
    'number of channels it is subscribed to; cloudsat.registered lists them';
COMMENT ON COLUMN cloudsat.listeners.pid IS 'process that serves the connection';
COMMENT ON COLUMN cloudsat.listeners.usename IS 'the role that connected';
COMMENT ON COLUMN cloudsat.listeners.application_name IS 'the client''s application_name';
COMMENT ON COLUMN cloudsat.listeners.client_addr IS 'the client''s address; null on a local socket';
COMMENT ON COLUMN cloudsat.listeners.state IS 'active, idle, idle in transaction, and so on';
COMMENT ON COLUMN cloudsat.listeners.state_change IS 'when it entered this state';

CREATE VIEW cloudsat.notify_queue AS
    SELECT pg_notification_queue_usage() AS usage;
COMMENT ON VIEW cloudsat.notify_queue IS
    'how full the server''s notification queue is, which all databases share';
COMMENT ON COLUMN cloudsat.notify_queue.usage IS '0 to 1; when the queue is full, commits that notify fail';

-- pg_stat_activity hides other users' transactions.
CREATE FUNCTION _cloudsat.transactions()
    RETURNS TABLE (kind text, pid int4, name text, usename name, state text, since timestamptz, xid xid,
                   xmin xid, writes bool, waits_for text)
    LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER
BEGIN ATOMIC
    WITH writers AS (
        SELECT DISTINCT l.virtualtransaction
          FROM pg_locks AS l
         WHERE l.mode = 'RowExclusiveLock' AND l.granted
           AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
           AND (l.relation = 'cloudsat.messages'::regclass
                OR l.relation IN (SELECT i.inhrelid FROM pg_inherits AS i
                                   WHERE i.inhparent = 'cloudsat.messages'::regclass)))
    SELECT CASE WHEN a.backend_type = 'client backend' THEN 'session' ELSE a.backend_type END, a.pid,
           a.application_name, a.usename, a.state, a.xact_start, a.backend_xid, a.backend_xmin,
           EXISTS (SELECT FROM writers AS w JOIN pg_locks AS l USING (virtualtransaction)
                    WHERE l.pid = a.pid),
           a.wait_event
      FROM pg_stat_activity AS a
     WHERE (a.datname = current_database() OR a.datid IS NULL)
       AND (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL OR a.wait_event = 'ClientWrite')
       AND a.pid <> pg_backend_pid()
     UNION ALL
    SELECT 'prepared', NULL, p.gid, p.owner, 'prepared', p.prepared, p.transaction, NULL,
           EXISTS (SELECT FROM writers AS w JOIN pg_locks AS l USING (virtualtransaction)
                    WHERE l.transactionid = p.transaction), NULL
      FROM pg_prepared_xacts AS p WHERE p.database = current_database()
     UNION ALL
    SELECT 'replication slot', s.active_pid, s.slot_name, NULL,
           CASE WHEN s.active THEN 'active' ELSE 'inactive' END, NULL, NULL, s.xmin, false, NULL
      FROM pg_replication_slots AS s WHERE s.xmin IS NOT NULL;
END;
COMMENT ON FUNCTION _cloudsat.transactions IS 'the open transactions of this database, for cloudsat.horizon';

CREATE VIEW cloudsat.horizon AS
    SELECT kind, pid, name, usename, state, since, clock_timestamp() - since AS lasts, xid, xmin,
           greatest(age(xid), age(xmin)) AS transactions_since, writes, waits_for
      FROM _cloudsat.transactions()
     ORDER BY transactions_since DESC NULLS LAST, since;
COMMENT ON VIEW cloudsat.horizon IS
    'the open transactions of this database, oldest first: they hold back vacuum, and their messages are '
    'not yet visible; also sessions blocked while writing to a client';
COMMENT ON COLUMN cloudsat.horizon.kind IS
    'session, prepared (transaction), replication slot, or the server''s name for the process';
COMMENT ON COLUMN cloudsat.horizon.pid IS 'process ID; null if there is no process';
COMMENT ON COLUMN cloudsat.horizon.name IS
    'application_name of the session, or name of the prepared transaction or slot';
COMMENT ON COLUMN cloudsat.horizon.usename IS 'the role';
COMMENT ON COLUMN cloudsat.horizon.state IS
    'active, idle in transaction, and so on; prepared; for a slot: active or inactive';
COMMENT ON COLUMN cloudsat.horizon.since IS 'when the transaction began or was prepared';
COMMENT ON COLUMN cloudsat.horizon.lasts IS 'how long it has been open';
COMMENT ON COLUMN cloudsat.horizon.xid IS 'transaction ID; null if it has written nothing';
COMMENT ON COLUMN cloudsat.horizon.xmin IS
    'the oldest transaction whose end it does not see: vacuum keeps rows deleted since; null: none';
COMMENT ON COLUMN cloudsat.horizon.transactions_since IS 'number of transaction IDs assigned since';
COMMENT ON COLUMN cloudsat.horizon.writes IS
    'whether it has written to the board; its messages appear when it commits';
COMMENT ON COLUMN cloudsat.horizon.waits_for IS
    'wait event of its process, as in pg_stat_activity; ClientWrite: a client that does not read, for '
    'example its notifications';
