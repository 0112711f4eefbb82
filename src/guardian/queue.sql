-- The known queues, their bindings, and the history of their sizes.

-- Degrees of overgrowth, in ascending order.
CREATE TYPE cloudsat.level AS ENUM ('normal', 'warned', 'archiving', 'deleted');
COMMENT ON TYPE cloudsat.level IS 'degree of overgrowth of a queue';

-- One row per existing or former queue. A sweep writes only changed rows, so a quiet broker costs no write
-- here. Each page leaves room for the next version of a row, and updates touch no index, so they stay in
-- their page (HOT).
CREATE TABLE cloudsat.queues (
    server         pg_catalog.text        NOT NULL,
    vhost          pg_catalog.text        NOT NULL,
    name           pg_catalog.text        NOT NULL,
    type           pg_catalog.text,
    durable        pg_catalog.bool,
    exclusive      pg_catalog.bool,
    auto_delete    pg_catalog.bool,
    arguments      pg_catalog.jsonb,
    state          pg_catalog.text,
    messages       pg_catalog.int8,
    ready          pg_catalog.int8,
    unacknowledged pg_catalog.int8,
    consumers      pg_catalog.int8,
    memory         pg_catalog.int8,
    size_source    pg_catalog.text CHECK (size_source OPERATOR(pg_catalog.=) ANY (ARRAY['metrics', 'totals',
        'statistics'])),
    owner          pg_catalog.text,
    owner_kind     pg_catalog.text CHECK (owner_kind OPERATOR(pg_catalog.=) ANY (ARRAY['person',
        'reserved'])),
    level          cloudsat.level         NOT NULL DEFAULT 'normal',
    pending        cloudsat.level         NOT NULL DEFAULT 'normal',
    policy         pg_catalog.int8,
    warn_size      pg_catalog.int8        NOT NULL,
    delete_size    pg_catalog.int8        NOT NULL,
    archive_size   pg_catalog.int8,
    max_archive_size pg_catalog.int8,
    delete_delay   pg_catalog.interval    NOT NULL DEFAULT '0',
    unbounded      pg_catalog.bool        NOT NULL DEFAULT false,
    exempt         pg_catalog.bool        NOT NULL DEFAULT false,
    basis          pg_catalog.text        NOT NULL DEFAULT 'total'
                   CHECK (basis OPERATOR(pg_catalog.=) ANY (ARRAY['total', 'ready'])),
    growth         pg_catalog.float8      NOT NULL DEFAULT 0,
    -- null if more than a century ahead: an interval cannot hold every result
    time_to_delete pg_catalog.interval GENERATED ALWAYS AS (
                   CASE WHEN growth OPERATOR(pg_catalog.>) 0 AND NOT unbounded AND NOT exempt
                             AND owner_kind OPERATOR(pg_catalog.=) 'reserved' IS NOT TRUE
                             AND type OPERATOR(pg_catalog.=) 'stream' IS NOT TRUE
                             AND (CASE WHEN basis OPERATOR(pg_catalog.=) 'ready' THEN ready ELSE messages END)
                                 OPERATOR(pg_catalog.<=) delete_size
                             AND (delete_size OPERATOR(pg_catalog.-)
                                  CASE WHEN basis OPERATOR(pg_catalog.=) 'ready' THEN ready ELSE messages END)
                                 OPERATOR(pg_catalog./) growth OPERATOR(pg_catalog.<) 52594920
                        THEN pg_catalog.make_interval(secs => pg_catalog.round(
                             60.0 OPERATOR(pg_catalog.*) (delete_size OPERATOR(pg_catalog.-)
                                  CASE WHEN basis OPERATOR(pg_catalog.=) 'ready' THEN ready ELSE messages END)
                                  OPERATOR(pg_catalog./) growth)) END) STORED,
    incident       pg_catalog.uuid,
    incident_size  pg_catalog.int8,
    incident_at    pg_catalog.timestamptz,
    belayed_by     pg_catalog.text,
    belayed_at     pg_catalog.timestamptz,
    would_delete_at pg_catalog.timestamptz,
    delay_from     pg_catalog.timestamptz,
    archive        pg_catalog.text CHECK (archive OPERATOR(pg_catalog.=) ANY (ARRAY['on', 'full',
        'withheld'])),
    archive_at     pg_catalog.timestamptz,
    archived       pg_catalog.int8        NOT NULL DEFAULT 0,
    archive_failures pg_catalog.int4      NOT NULL DEFAULT 0,
    archive_retry  pg_catalog.timestamptz,
    intended_at    pg_catalog.timestamptz,
    intended_xact  pg_catalog.xid8,
    attempts       pg_catalog.int4        NOT NULL DEFAULT 0,
    failures       pg_catalog.int4        NOT NULL DEFAULT 0,
    acted_at       pg_catalog.timestamptz,
    retry_after    pg_catalog.timestamptz,
    first_seen     pg_catalog.timestamptz NOT NULL,
    changed_at     pg_catalog.timestamptz NOT NULL,
    gone_at        pg_catalog.timestamptz,
    PRIMARY KEY (server, vhost, name)
) WITH (fillfactor = 70);
-- Few rows match, so it is small; and updates do not touch its column, so they remain HOT.
CREATE INDEX queues_intended_idx ON cloudsat.queues (server) WHERE intended_at IS NOT NULL;
CREATE INDEX queues_archive_idx ON cloudsat.queues (server)
    WHERE archive OPERATOR(pg_catalog.=) ANY (ARRAY['on', 'withheld']);
COMMENT ON TABLE cloudsat.queues IS
    'one row for each queue that a broker has or had; a count that the broker did not report is null, never '
    '0';
COMMENT ON COLUMN cloudsat.queues.server IS 'name of the foreign server';
COMMENT ON COLUMN cloudsat.queues.vhost IS 'virtual host in the broker';
COMMENT ON COLUMN cloudsat.queues.name IS 'name of the queue';
COMMENT ON COLUMN cloudsat.queues.type IS 'classic, quorum, stream';
COMMENT ON COLUMN cloudsat.queues.durable IS 'it survives a restart of the broker';
COMMENT ON COLUMN cloudsat.queues.exclusive IS 'it belongs to one connection';
COMMENT ON COLUMN cloudsat.queues.auto_delete IS 'it is deleted with its last consumer';
COMMENT ON COLUMN cloudsat.queues.arguments IS 'arguments of its declaration';
COMMENT ON COLUMN cloudsat.queues.state IS
    'last reported state; numbers are trusted only in states running, idle, flow and live';
COMMENT ON COLUMN cloudsat.queues.messages IS 'last reported number of messages';
COMMENT ON COLUMN cloudsat.queues.ready IS 'messages waiting for a consumer';
COMMENT ON COLUMN cloudsat.queues.unacknowledged IS 'messages held by consumers';
COMMENT ON COLUMN cloudsat.queues.consumers IS 'number of consumers; not every listing reports it';
COMMENT ON COLUMN cloudsat.queues.memory IS
    'memory in bytes that it uses in the broker; not every listing reports it';
COMMENT ON COLUMN cloudsat.queues.size_source IS
    'listing that reports its sizes: metrics, totals, or statistics (up to 10 s old); null if none does';
COMMENT ON COLUMN cloudsat.queues.owner IS 'owner that the server''s owner_pattern extracts from the name';
COMMENT ON COLUMN cloudsat.queues.owner_kind IS
    'person: it has an owner to warn, either an account with entries in account_owners or an address with a '
    'local part; reserved: ignored; null: no owner is warned';
COMMENT ON COLUMN cloudsat.queues.level IS 'degree of overgrowth';
COMMENT ON COLUMN cloudsat.queues.pending IS
    'level called for by the size at the last poll; two polls in a row raise the level';
COMMENT ON COLUMN cloudsat.queues.policy IS
    'queue_policies.id of the policy in force; null for the server''s own limits';
COMMENT ON COLUMN cloudsat.queues.warn_size IS 'limit in force: above this size the owner is warned';
COMMENT ON COLUMN cloudsat.queues.delete_size IS 'limit in force: above this size the queue is deleted';
COMMENT ON COLUMN cloudsat.queues.archive_size IS
    'limit in force: above this size messages are archived; null for no archiving';
COMMENT ON COLUMN cloudsat.queues.max_archive_size IS
    'limit in force: maximum number of its messages in the archive; null for no maximum';
COMMENT ON COLUMN cloudsat.queues.delete_delay IS 'limit in force: minimum time between warning and deletion';
COMMENT ON COLUMN cloudsat.queues.unbounded IS 'the owner is warned, but the queue is never deleted';
COMMENT ON COLUMN cloudsat.queues.exempt IS 'ignored by the guardian';
COMMENT ON COLUMN cloudsat.queues.basis IS 'number compared with the limits: total (messages) or ready';
COMMENT ON COLUMN cloudsat.queues.growth IS
    'growth in messages per minute, counted by basis and smoothed over about a minute';
COMMENT ON COLUMN cloudsat.queues.time_to_delete IS
    'estimated time until delete_size is reached at this growth; null if more than a hundred years, or if '
    'it is never deleted';
COMMENT ON COLUMN cloudsat.queues.incident IS 'thread of the open incident: its first warning; null if none';
COMMENT ON COLUMN cloudsat.queues.incident_size IS 'size at the beginning of the incident';
COMMENT ON COLUMN cloudsat.queues.incident_at IS 'beginning of the incident';
COMMENT ON COLUMN cloudsat.queues.belayed_by IS
    'address of the owner or admin who put it on hold, until the incident is over';
COMMENT ON COLUMN cloudsat.queues.belayed_at IS 'time of the belay in force; null if none';
COMMENT ON COLUMN cloudsat.queues.would_delete_at IS
    'when it would have been deleted if the server''s enforce were on';
COMMENT ON COLUMN cloudsat.queues.delay_from IS
    'start of delete_delay: the warning, or, without an owner to warn, the first poll that found it above '
    'delete_size; later if deletion was impossible then, for example because enforce was off';
COMMENT ON COLUMN cloudsat.queues.archive IS
    'on: its messages are being archived; full: archiving stopped because the archive holds '
    'max_archive_size messages; withheld: archiving would disturb the queue or its clients; null: no '
    'archiving called for';
COMMENT ON COLUMN cloudsat.queues.archive_at IS
    'when archiving began, last stored messages, or last checked why it is withheld';
COMMENT ON COLUMN cloudsat.queues.archived IS 'messages archived since archiving began';
COMMENT ON COLUMN cloudsat.queues.archive_failures IS 'failed attempts to archive in a row';
COMMENT ON COLUMN cloudsat.queues.archive_retry IS 'earliest time of the next attempt to archive';
COMMENT ON COLUMN cloudsat.queues.intended_at IS
    'when the open intention to delete it was written; null if none';
COMMENT ON COLUMN cloudsat.queues.intended_xact IS
    'transaction that wrote the intention; only a later one acts on it';
COMMENT ON COLUMN cloudsat.queues.attempts IS
    'deletion requests of the open intention whose outcome is unknown';
COMMENT ON COLUMN cloudsat.queues.failures IS 'failed actions in a row';
COMMENT ON COLUMN cloudsat.queues.acted_at IS
    'when the last deletion request was sent, or archiving made it small; its numbers are not trusted for '
    '10 s';
COMMENT ON COLUMN cloudsat.queues.retry_after IS 'earliest time of the next intention';
COMMENT ON COLUMN cloudsat.queues.first_seen IS
    'when it was first seen, or first seen again after it was gone or redeclared';
COMMENT ON COLUMN cloudsat.queues.changed_at IS 'when a reported property last changed';
COMMENT ON COLUMN cloudsat.queues.gone_at IS
    'when it was found to be gone, or was deleted; null while it exists';

CREATE TABLE cloudsat.bindings (
    server      pg_catalog.text NOT NULL,
    vhost       pg_catalog.text NOT NULL,
    queue       pg_catalog.text NOT NULL,
    source      pg_catalog.text NOT NULL,
    routing_key pg_catalog.text NOT NULL,
    -- In place of the arguments, which may exceed an index entry. Not a generated column: PostgreSQL 18 does
    -- not publish an UPDATE or DELETE of a table whose replica identity contains one.
    arguments_hash pg_catalog.int8 NOT NULL,
    arguments   pg_catalog.jsonb NOT NULL,
    first_seen  pg_catalog.timestamptz NOT NULL,
    PRIMARY KEY (server, vhost, queue, source, routing_key, arguments_hash)
);
COMMENT ON TABLE cloudsat.bindings IS
    'bindings of each queue, read every few minutes; excludes the default exchange, to which every queue is '
    'bound by its name';
COMMENT ON COLUMN cloudsat.bindings.server IS 'name of the foreign server';
COMMENT ON COLUMN cloudsat.bindings.vhost IS 'virtual host in the broker';
COMMENT ON COLUMN cloudsat.bindings.queue IS 'name of the queue';
COMMENT ON COLUMN cloudsat.bindings.source IS 'exchange that messages come from';
COMMENT ON COLUMN cloudsat.bindings.routing_key IS 'routing key';
COMMENT ON COLUMN cloudsat.bindings.arguments_hash IS
    'jsonb_hash_extended(arguments, 0): distinguishes bindings that differ only in their arguments';
COMMENT ON COLUMN cloudsat.bindings.arguments IS 'arguments of the binding';
COMMENT ON COLUMN cloudsat.bindings.first_seen IS 'when it was first seen';

-- Partitioned by day. cloudsat.maintain() creates the days ahead and drops the old ones. Indexes are on the
-- partitions and not on the parent, so that a dump can be restored into the parent that CREATE EXTENSION
-- creates.
CREATE TABLE cloudsat.queue_history (
    "time"         pg_catalog.timestamptz NOT NULL,
    server         pg_catalog.text NOT NULL,
    vhost          pg_catalog.text NOT NULL,
    name           pg_catalog.text NOT NULL,
    messages       pg_catalog.int8 NOT NULL,
    ready          pg_catalog.int8,
    unacknowledged pg_catalog.int8
) PARTITION BY RANGE ("time");
COMMENT ON TABLE cloudsat.queue_history IS
    'size of each queue at every change, kept for cloudsat.history_retention';
COMMENT ON COLUMN cloudsat.queue_history."time" IS 'time of the poll that recorded it';
COMMENT ON COLUMN cloudsat.queue_history.server IS 'name of the foreign server';
COMMENT ON COLUMN cloudsat.queue_history.vhost IS 'virtual host in the broker';
COMMENT ON COLUMN cloudsat.queue_history.name IS 'name of the queue';
COMMENT ON COLUMN cloudsat.queue_history.messages IS 'messages in the queue';
COMMENT ON COLUMN cloudsat.queue_history.ready IS 'messages waiting for a consumer';
COMMENT ON COLUMN cloudsat.queue_history.unacknowledged IS 'messages held by consumers';

CREATE TABLE cloudsat.queue_history_default PARTITION OF cloudsat.queue_history DEFAULT;
-- Samples are dropped with their partition. Only the default partition has row-wise deletes, so no key is
-- needed.
ALTER TABLE cloudsat.queue_history REPLICA IDENTITY FULL;
ALTER TABLE cloudsat.queue_history_default REPLICA IDENTITY FULL;
CREATE INDEX queue_history_default_idx ON cloudsat.queue_history_default (server, vhost, name, "time");
COMMENT ON TABLE cloudsat.queue_history_default IS 'samples without a dated partition (yet)';

-- Creates one day and moves the samples of that day from the default partition. Another relation may already
-- have the name.
CREATE FUNCTION _cloudsat.make_history(partition pg_catalog.text,
    wanted pg_catalog.date) RETURNS pg_catalog.bool
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    SET timezone = 'UTC'
AS $body$
DECLARE
    why text;
BEGIN
    -- Rows never change: vacuum freezes them in the pass in which it finds them visible.
    EXECUTE format('CREATE TABLE cloudsat.%I (LIKE cloudsat.queue_history INCLUDING COMMENTS) '
                   'WITH (autovacuum_freeze_min_age = 0, autovacuum_vacuum_insert_scale_factor = 0.05)',
                   partition);
    EXECUTE format('ALTER TABLE cloudsat.%I REPLICA IDENTITY FULL', partition);
    EXECUTE format('WITH moved AS (DELETE FROM ONLY cloudsat.queue_history_default'
                   ' WHERE "time" >= %L AND "time" < %L RETURNING *) INSERT INTO cloudsat.%I SELECT * FROM '
                   'moved',
                   wanted::timestamptz, (wanted + 1)::timestamptz, partition);
    EXECUTE format('CREATE INDEX %I ON cloudsat.%I (server, vhost, name, "time")', partition || '_idx',
        partition);
    EXECUTE format('ALTER TABLE cloudsat.queue_history ATTACH PARTITION cloudsat.%I FOR VALUES FROM (%L) TO '
                  '(%L)',
                   partition, wanted::timestamptz, (wanted + 1)::timestamptz);
    EXECUTE format('COMMENT ON TABLE cloudsat.%I IS %L', partition, 'samples of ' || wanted);
    RETURN true;
EXCEPTION
    WHEN lock_not_available THEN
        RAISE;
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
        RAISE WARNING 'could not make partition "%": %', partition, SQLERRM USING ERRCODE = SQLSTATE,
            DETAIL = concat_ws(' ', nullif(why, ''), 'The default partition keeps the samples of its time.'),
            HINT = _cloudsat.way_out(SQLSTATE);
        RETURN false;
END
$body$;
COMMENT ON FUNCTION _cloudsat.make_history(pg_catalog.text, pg_catalog.date) IS
    'creates one day of queue_history; false and a warning if that fails';

-- Creates the days from today to `ahead` days later, moves matching rows out of the default partition, drops
-- the days that ended before now() - retain, and deletes queues that have been gone for as long. Called by
-- cloudsat.maintain().
CREATE FUNCTION _cloudsat.maintain_history(retain pg_catalog.interval,
    ahead pg_catalog.int4) RETURNS pg_catalog.int4
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    SET timezone = 'UTC'
AS $body$
DECLARE
    today   CONSTANT date := now()::date;
    horizon CONSTANT timestamptz := now() - retain;
    wanted  date;
    partition text;
    old     record;
    step    text;
    why     text;
    changes int := 0;
BEGIN
    -- days with rows in the default partition, and the days ahead
    FOR wanted IN
        SELECT day FROM (
            SELECT DISTINCT "time"::date AS day FROM ONLY cloudsat.queue_history_default
                WHERE "time" >= horizon
            UNION
            SELECT today + generate_series(0, ahead)) AS days
        ORDER BY day
    LOOP
        partition := 'queue_history_' || to_char(wanted, 'YYYYMMDD');
        CONTINUE WHEN EXISTS (SELECT FROM pg_inherits AS i
            WHERE i.inhparent = 'cloudsat.queue_history'::regclass
                                 AND i.inhrelid = to_regclass('cloudsat.' || quote_ident(partition)));
        IF wanted <= today THEN
            -- a query planned without this day would find its samples in neither place
            LOCK TABLE ONLY cloudsat.queue_history IN ACCESS EXCLUSIVE MODE;
        END IF;
        changes := changes + _cloudsat.make_history(partition, wanted)::int;
    END LOOP;
    FOR old IN
        SELECT c.oid FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'cloudsat.queue_history'::regclass AND c.relname ~ '^queue_history_[0-9]{8}$'
              AND (to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamptz <= horizon
    LOOP
        changes := changes + _cloudsat.drop_partition(old.oid)::int;
    END LOOP;
    -- old rows, and rows of dropped servers; each statement on its own, as in prune()
    FOREACH step IN ARRAY ARRAY[
        'DELETE FROM ONLY cloudsat.queue_history_default WHERE "time" < $1',
        'DELETE FROM cloudsat.queues AS q WHERE q.gone_at < $1 AND q.intended_at IS NULL',
        'DELETE FROM cloudsat.polls AS p WHERE p.last_poll < $1
            AND NOT EXISTS (SELECT FROM pg_foreign_server AS s WHERE s.srvname = p.server)',
        'DELETE FROM cloudsat.queues AS q WHERE q.changed_at < $1
            AND NOT EXISTS (SELECT FROM pg_foreign_server AS s WHERE s.srvname = q.server)',
        'DELETE FROM cloudsat.bindings AS b WHERE b.first_seen < $1
            AND NOT EXISTS (SELECT FROM pg_foreign_server AS s WHERE s.srvname = b.server)',
        'SELECT _cloudsat.prune_account_requests()'] LOOP
        BEGIN
            EXECUTE step USING horizon;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
            RAISE WARNING 'could not delete old rows: %', SQLERRM USING ERRCODE = SQLSTATE,
                DETAIL = concat_ws(' ', nullif(why, ''), 'The other steps of maintenance were done.');
        END;
    END LOOP;
    RETURN changes;
END
$body$;
COMMENT ON FUNCTION _cloudsat.maintain_history(pg_catalog.interval, pg_catalog.int4) IS
    'creates the days of queue_history ahead, drops old ones, and deletes queues long gone; returns the '
    'number of partitions created and dropped';

SELECT pg_catalog.pg_extension_config_dump('cloudsat.queues', '');
SELECT pg_catalog.pg_extension_config_dump('cloudsat.bindings', '');
SELECT pg_catalog.pg_extension_config_dump('cloudsat.queue_history', '');
SELECT pg_catalog.pg_extension_config_dump('cloudsat.queue_history_default', '');
