-- What is known of each queue, what is bound to it, and how its size went.

-- How overgrown a queue is, in rising order.
CREATE TYPE cloudsat.level AS ENUM ('normal', 'warned', 'archiving', 'deleted');
COMMENT ON TYPE cloudsat.level IS 'how overgrown a queue is';

-- One row per queue that is or was there. A sweep writes only what changed, so a quiet broker costs no write here; room
-- is left in each page for the next version of a row, and no index is touched, so that an update stays in its page.
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
    size_source    pg_catalog.text CHECK (size_source OPERATOR(pg_catalog.=) ANY (ARRAY['metrics', 'totals', 'statistics'])),
    owner          pg_catalog.text,
    owner_kind     pg_catalog.text CHECK (owner_kind OPERATOR(pg_catalog.=) ANY (ARRAY['person', 'reserved'])),
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
    -- nothing that lies more than a century ahead: no interval holds all of what limits can make of it
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
    archive        pg_catalog.text CHECK (archive OPERATOR(pg_catalog.=) ANY (ARRAY['on', 'full', 'withheld'])),
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
-- Few rows, so it is small; and a column that no update touches keeps no update from staying in its page.
CREATE INDEX queues_intended_idx ON cloudsat.queues (server) WHERE intended_at IS NOT NULL;
CREATE INDEX queues_archive_idx ON cloudsat.queues (server) WHERE archive OPERATOR(pg_catalog.=) ANY (ARRAY['on', 'withheld']);
COMMENT ON TABLE cloudsat.queues IS 'one row for each queue that a broker has or had; a count that the broker did not give is null, never 0';
COMMENT ON COLUMN cloudsat.queues.server IS 'name of the foreign server';
COMMENT ON COLUMN cloudsat.queues.vhost IS 'virtual host in the broker';
COMMENT ON COLUMN cloudsat.queues.name IS 'name of the queue';
COMMENT ON COLUMN cloudsat.queues.type IS 'classic, quorum, stream';
COMMENT ON COLUMN cloudsat.queues.durable IS 'survives a restart of the broker';
COMMENT ON COLUMN cloudsat.queues.exclusive IS 'belongs to one connection';
COMMENT ON COLUMN cloudsat.queues.auto_delete IS 'goes when its last consumer goes';
COMMENT ON COLUMN cloudsat.queues.arguments IS 'what it was declared with';
COMMENT ON COLUMN cloudsat.queues.state IS 'as last told: of running, idle, flow and live the numbers are believed';
COMMENT ON COLUMN cloudsat.queues.messages IS 'messages in it, as last told';
COMMENT ON COLUMN cloudsat.queues.ready IS 'messages that wait for a consumer';
COMMENT ON COLUMN cloudsat.queues.unacknowledged IS 'messages that consumers hold';
COMMENT ON COLUMN cloudsat.queues.consumers IS 'number of consumers; only some listings tell it';
COMMENT ON COLUMN cloudsat.queues.memory IS 'bytes of memory it takes in the broker; only some listings tell it';
COMMENT ON COLUMN cloudsat.queues.size_source IS 'listing that has its sizes: metrics, totals, or statistics (up to 10 s old); null: none has them';
COMMENT ON COLUMN cloudsat.queues.owner IS 'what the server''s owner_pattern takes from the name';
COMMENT ON COLUMN cloudsat.queues.owner_kind IS 'person: there is somebody to warn, either because account_owners has owners of that name or because it is itself an address with a local part; reserved: left alone; null: nobody is warned';
COMMENT ON COLUMN cloudsat.queues.level IS 'how overgrown it is';
COMMENT ON COLUMN cloudsat.queues.pending IS 'level that the size of the last poll called for; two polls in a row raise the level';
COMMENT ON COLUMN cloudsat.queues.policy IS 'queue_policies.id whose limits are in force; null: the server''s own';
COMMENT ON COLUMN cloudsat.queues.warn_size IS 'limit in force: above it the owner is warned';
COMMENT ON COLUMN cloudsat.queues.delete_size IS 'limit in force: above it the queue is deleted';
COMMENT ON COLUMN cloudsat.queues.archive_size IS 'limit in force: above it messages are archived; null: none are';
COMMENT ON COLUMN cloudsat.queues.max_archive_size IS 'limit in force: messages that the archive may hold of it; null: any number';
COMMENT ON COLUMN cloudsat.queues.delete_delay IS 'limit in force: least time between the warning and the deletion';
COMMENT ON COLUMN cloudsat.queues.unbounded IS 'warned about, never deleted';
COMMENT ON COLUMN cloudsat.queues.exempt IS 'left alone';
COMMENT ON COLUMN cloudsat.queues.basis IS 'which number counts: total (messages) or ready';
COMMENT ON COLUMN cloudsat.queues.growth IS 'messages per minute, of those that count by basis, smoothed over about a minute';
COMMENT ON COLUMN cloudsat.queues.time_to_delete IS 'when delete_size is reached at this growth; null: not within a hundred years, or it is never deleted';
COMMENT ON COLUMN cloudsat.queues.incident IS 'the warning that opened the thread of the incident that is on; null: none';
COMMENT ON COLUMN cloudsat.queues.incident_size IS 'size at which the incident began';
COMMENT ON COLUMN cloudsat.queues.incident_at IS 'when the incident began';
COMMENT ON COLUMN cloudsat.queues.belayed_by IS 'address of the owner or admin who keeps it from being archived and deleted, until the incident is over';
COMMENT ON COLUMN cloudsat.queues.belayed_at IS 'when they said so on the board; null: it is not on hold';
COMMENT ON COLUMN cloudsat.queues.would_delete_at IS 'when it would have been deleted, were the server''s enforce on';
COMMENT ON COLUMN cloudsat.queues.delay_from IS 'from when delete_delay counts: the warning, or, where nobody is warned, the first poll that found it above delete_size; later if it could not be deleted then, as enforce was off, say';
COMMENT ON COLUMN cloudsat.queues.archive IS 'on: its messages are being archived; full: not any more, because the archive holds max_archive_size of them; withheld: not, because that would disturb it or its clients; null: no reason to';
COMMENT ON COLUMN cloudsat.queues.archive_at IS 'when archiving began, last stored messages, or last found why it stands back';
COMMENT ON COLUMN cloudsat.queues.archived IS 'messages archived since archive is on';
COMMENT ON COLUMN cloudsat.queues.archive_failures IS 'attempts in a row to archive that failed';
COMMENT ON COLUMN cloudsat.queues.archive_retry IS 'no new attempt before';
COMMENT ON COLUMN cloudsat.queues.intended_at IS 'since when there is an open intention to delete it';
COMMENT ON COLUMN cloudsat.queues.intended_xact IS 'transaction that wrote the intention: only a later one acts on it';
COMMENT ON COLUMN cloudsat.queues.attempts IS 'requests to delete it whose outcome is unknown, for the open intention';
COMMENT ON COLUMN cloudsat.queues.failures IS 'actions in a row that failed';
COMMENT ON COLUMN cloudsat.queues.acted_at IS 'when a request to delete it was last sent, or archiving had made it small; its numbers are not believed for 10 s';
COMMENT ON COLUMN cloudsat.queues.retry_after IS 'no new intention before';
COMMENT ON COLUMN cloudsat.queues.first_seen IS 'when it was first seen, or seen again after it was gone or declared anew';
COMMENT ON COLUMN cloudsat.queues.changed_at IS 'when what is told of it last changed';
COMMENT ON COLUMN cloudsat.queues.gone_at IS 'when it was found to be gone, or was deleted; null while it is there';

CREATE TABLE cloudsat.bindings (
    server      pg_catalog.text NOT NULL,
    vhost       pg_catalog.text NOT NULL,
    queue       pg_catalog.text NOT NULL,
    source      pg_catalog.text NOT NULL,
    routing_key pg_catalog.text NOT NULL,
    -- in place of the arguments, which may be longer than an index entry; not generated: PostgreSQL 18 publishes no
    -- UPDATE or DELETE of a table whose replica identity holds a generated column
    arguments_hash pg_catalog.int8 NOT NULL,
    arguments   pg_catalog.jsonb NOT NULL,
    first_seen  pg_catalog.timestamptz NOT NULL,
    PRIMARY KEY (server, vhost, queue, source, routing_key, arguments_hash)
);
COMMENT ON TABLE cloudsat.bindings IS 'what is bound to each queue, read every few minutes; the default exchange, to which every queue is bound by its name, is left out';
COMMENT ON COLUMN cloudsat.bindings.server IS 'name of the foreign server';
COMMENT ON COLUMN cloudsat.bindings.vhost IS 'virtual host in the broker';
COMMENT ON COLUMN cloudsat.bindings.queue IS 'name of the queue';
COMMENT ON COLUMN cloudsat.bindings.source IS 'exchange that messages come from';
COMMENT ON COLUMN cloudsat.bindings.routing_key IS 'routing key';
COMMENT ON COLUMN cloudsat.bindings.arguments_hash IS 'jsonb_hash_extended(arguments, 0): tells apart bindings that differ in their arguments only';
COMMENT ON COLUMN cloudsat.bindings.arguments IS 'arguments of the binding';
COMMENT ON COLUMN cloudsat.bindings.first_seen IS 'when it was first seen';

-- Cut into days; cloudsat.maintain() makes the days ahead and drops the old ones. Each partition has indexes of its own
-- and the parent none, so that a dump can be restored into the parent that CREATE EXTENSION makes.
CREATE TABLE cloudsat.queue_history (
    "time"         pg_catalog.timestamptz NOT NULL,
    server         pg_catalog.text NOT NULL,
    vhost          pg_catalog.text NOT NULL,
    name           pg_catalog.text NOT NULL,
    messages       pg_catalog.int8 NOT NULL,
    ready          pg_catalog.int8,
    unacknowledged pg_catalog.int8
) PARTITION BY RANGE ("time");
COMMENT ON TABLE cloudsat.queue_history IS 'the size of each queue whenever it changed, for as long as cloudsat.history_retention says';
COMMENT ON COLUMN cloudsat.queue_history."time" IS 'when the poll recorded it';
COMMENT ON COLUMN cloudsat.queue_history.server IS 'name of the foreign server';
COMMENT ON COLUMN cloudsat.queue_history.vhost IS 'virtual host in the broker';
COMMENT ON COLUMN cloudsat.queue_history.name IS 'name of the queue';
COMMENT ON COLUMN cloudsat.queue_history.messages IS 'messages in it';
COMMENT ON COLUMN cloudsat.queue_history.ready IS 'messages that wait for a consumer';
COMMENT ON COLUMN cloudsat.queue_history.unacknowledged IS 'messages that consumers hold';

CREATE TABLE cloudsat.queue_history_default PARTITION OF cloudsat.queue_history DEFAULT;
-- Samples go with their partition; row by row only from the default one, so that no key need be kept for it.
ALTER TABLE cloudsat.queue_history REPLICA IDENTITY FULL;
ALTER TABLE cloudsat.queue_history_default REPLICA IDENTITY FULL;
CREATE INDEX queue_history_default_idx ON cloudsat.queue_history_default (server, vhost, name, "time");
COMMENT ON TABLE cloudsat.queue_history_default IS 'samples for which there is no dated partition (yet)';

-- One day, with what the default caught of it. Somebody's relation of that name may be in the way.
CREATE FUNCTION _cloudsat.make_history(partition pg_catalog.text, wanted pg_catalog.date) RETURNS pg_catalog.bool
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    SET timezone = 'UTC'
AS $body$
DECLARE
    why text;
BEGIN
    EXECUTE format('CREATE TABLE cloudsat.%I (LIKE cloudsat.queue_history INCLUDING COMMENTS)', partition);
    EXECUTE format('ALTER TABLE cloudsat.%I REPLICA IDENTITY FULL', partition);
    EXECUTE format('WITH moved AS (DELETE FROM ONLY cloudsat.queue_history_default'
                   ' WHERE "time" >= %L AND "time" < %L RETURNING *) INSERT INTO cloudsat.%I SELECT * FROM moved',
                   wanted::timestamptz, (wanted + 1)::timestamptz, partition);
    EXECUTE format('CREATE INDEX %I ON cloudsat.%I (server, vhost, name, "time")', partition || '_idx', partition);
    EXECUTE format('ALTER TABLE cloudsat.queue_history ATTACH PARTITION cloudsat.%I FOR VALUES FROM (%L) TO (%L)',
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
    'makes a day of queue_history; false and a warning when something is in the way';

-- Makes the days from today to `ahead` days later, moves into them what the default caught, drops the days that ended
-- before now() - retain, and forgets queues that have been gone for so long. Called by cloudsat.maintain().
CREATE FUNCTION _cloudsat.maintain_history(retain pg_catalog.interval, ahead pg_catalog.int4) RETURNS pg_catalog.int4
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
    -- the days that the default holds rows of, and the days ahead
    FOR wanted IN
        SELECT day FROM (
            SELECT DISTINCT "time"::date AS day FROM ONLY cloudsat.queue_history_default WHERE "time" >= horizon
            UNION
            SELECT today + generate_series(0, ahead)) AS days
        ORDER BY day
    LOOP
        partition := 'queue_history_' || to_char(wanted, 'YYYYMMDD');
        CONTINUE WHEN EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = 'cloudsat.queue_history'::regclass
                                 AND i.inhrelid = to_regclass('cloudsat.' || quote_ident(partition)));
        IF wanted <= today THEN
            -- who has planned without this day would find its samples in neither place
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
    -- what is gone, and what belongs to a broker that is no foreign server any more; each by itself, as with prune()
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
            RAISE WARNING 'could not forget what is old: %', SQLERRM USING ERRCODE = SQLSTATE,
                DETAIL = concat_ws(' ', nullif(why, ''), 'The rest was maintained.');
        END;
    END LOOP;
    RETURN changes;
END
$body$;
COMMENT ON FUNCTION _cloudsat.maintain_history(pg_catalog.interval, pg_catalog.int4) IS
    'makes the days of queue_history ahead, drops the old ones, forgets queues long gone; returns how many partitions it made and dropped';

SELECT pg_catalog.pg_extension_config_dump('cloudsat.queues', '');
SELECT pg_catalog.pg_extension_config_dump('cloudsat.bindings', '');
SELECT pg_catalog.pg_extension_config_dump('cloudsat.queue_history', '');
SELECT pg_catalog.pg_extension_config_dump('cloudsat.queue_history_default', '');
