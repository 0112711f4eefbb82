-- Partitions of the board. CREATE EXTENSION makes only the default one, maintain() makes dated ones in
-- advance, and cleanup() drops whole partitions. Partitions are not members of the extension, so a dump
-- includes them; DROP EXTENSION drops them with their parent.

-- Rounded outwards to the microsecond. A partition made by hand may have any uuid as its bound, so the
-- version and variant bits of a UUIDv7 are set before its time is read.
CREATE FUNCTION _cloudsat.partitions(OUT partition regclass, OUT starts timestamptz, OUT ends timestamptz)
    RETURNS SETOF record
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 30
BEGIN ATOMIC
    SELECT c.oid::regclass, period.starting, period.ending
      FROM pg_inherits AS i
      JOIN pg_class AS c ON c.oid = i.inhrelid,
           LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid),
                                $$FROM \('?([^')]+)'?\) TO \('?([^')]+)'?\)$$) AS bounds,
           LATERAL (SELECT max(CASE WHEN cloudsat.uuid_floor(t) > uuid THEN t - micro ELSE t END)
                               FILTER (WHERE n = 1),
                           max(CASE WHEN cloudsat.uuid_floor(t) < uuid THEN t + micro ELSE t END)
                               FILTER (WHERE n = 2)
                      FROM unnest(bounds) WITH ORDINALITY AS b (bound, n),
                           LATERAL (SELECT bound::uuid, '1 microsecond'::interval, cloudsat.uuid_time(
                                        overlay(overlay(bound PLACING '7' FROM 15) PLACING '8' FROM 20)::uuid)
                                     WHERE bound NOT IN ('MINVALUE', 'MAXVALUE')) AS at (uuid, micro, t)
                   ) AS period (starting, ending)
     WHERE i.inhparent = 'cloudsat.messages'::regclass AND bounds IS NOT NULL;
END;
COMMENT ON FUNCTION _cloudsat.partitions IS
    'the partitions of cloudsat.messages that cover a time range, and that range; null: unbounded';

-- Takes constant time, because it reads the statistics. Without statistics, a table of size 0 is known to be
-- empty.
CREATE FUNCTION _cloudsat.rows(relation regclass) RETURNS int8
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(nullif(pg_stat_get_live_tuples(c.oid), 0), nullif(c.reltuples, -1)::int8,
                    CASE WHEN pg_relation_size(c.oid) = 0 THEN 0 END)
      FROM pg_class AS c WHERE c.oid = relation;
END;
COMMENT ON FUNCTION _cloudsat.rows IS 'estimated number of rows of a table; null if there is no estimate yet';

-- A restore creates the tables, then fills them, then creates their indexes. Until then nothing may be
-- created here that the restore also creates, and nothing may be dropped. Only partitions with generated
-- names count: one made by hand may have any indexes.
CREATE FUNCTION _cloudsat.unfinished() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT format('Partition "%s" lacks its indexes.', c.relname)
      FROM pg_class AS c
     WHERE c.relnamespace = 'cloudsat'::regnamespace AND c.relkind = 'r'
       AND c.relname ~ '^(messages|queue_history)_[0-9]{8}(_[0-9]{4})?$'
       -- a user's table of that name is not a future partition
       AND NOT EXISTS (SELECT FROM pg_attribute AS p
                        WHERE p.attrelid = CASE WHEN c.relname ~ '^messages' THEN 'cloudsat.messages'
                                                ELSE 'cloudsat.queue_history' END::regclass
                          AND p.attnum > 0 AND NOT p.attisdropped
                          AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid
                                             AND a.attname = p.attname AND NOT a.attisdropped))
       AND (SELECT count(*) FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisvalid)
           < CASE WHEN c.relname ~ '^messages' THEN 3 ELSE 1 END
     ORDER BY c.relname LIMIT 1;
END;
COMMENT ON FUNCTION _cloudsat.unfinished IS
    'null, or which partition lacks its indexes because a restore has not created them yet';

-- Before the dated partitions exist, only the restoring session itself shows a restore.
CREATE FUNCTION _cloudsat.restoring() RETURNS text
    LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
    SELECT coalesce(
        _cloudsat.unfinished(),
        (SELECT format('Process %s is pg_restore.', a.pid)
           FROM pg_stat_activity AS a
           JOIN pg_roles AS r ON r.oid = a.usesysid AND r.rolsuper
          WHERE a.datname = current_database() AND a.application_name = 'pg_restore' LIMIT 1));
END;
COMMENT ON FUNCTION _cloudsat.restoring IS
    'null, or the evidence of a restore of this database; meanwhile the launcher does no maintenance and '
    'starts no guard';

-- Until a restore by psql has created the dated partitions, nothing identifies it. So an active superuser
-- session that is older than the extension gets time to continue.
CREATE FUNCTION _cloudsat.filling(appeared timestamptz) RETURNS text
    LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
    SELECT format('Process %s is older than the extension. Work begins when it ends or has been '
                  'idle for ten seconds, and within a minute at the latest.', a.pid)
      FROM pg_stat_activity AS a
      JOIN pg_roles AS r ON r.oid = a.usesysid AND r.rolsuper
     WHERE a.datname = current_database()
       AND a.backend_type = 'client backend' AND a.backend_start < appeared
       AND clock_timestamp() < appeared + '1 minute'::interval
       AND clock_timestamp() < a.state_change + '10 seconds'::interval
     ORDER BY a.state_change DESC LIMIT 1;
END;
COMMENT ON FUNCTION _cloudsat.filling IS
    'null, or which session may be filling the tables of an extension that appeared at that time; the '
    'launcher waits for it for a while';

-- What the user can do about an object that blocks maintain().
CREATE FUNCTION _cloudsat.way_out(sqlstate text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN sqlstate IN ('42P07', '42710') THEN 'Rename it or drop it.'
                WHEN sqlstate = '23503'
                THEN 'Drop that foreign key: maintain() moves messages to other partitions.'
                ELSE 'The next call tries again.' END;
END;
COMMENT ON FUNCTION _cloudsat.way_out IS 'the hint for an error that a user''s object causes in maintain()';

CREATE FUNCTION _cloudsat.missing_periods(here timestamptz, stride interval, ahead int4)
    RETURNS SETOF tstzrange
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $missing$
DECLARE
    origin CONSTANT timestamptz := '2001-01-01 00:00:00+00';  -- a Monday, because weeks begin there
    most   CONSTANT int := 100;  -- older periods in one call; each partition takes several locks
    taken  CONSTANT tstzmultirange := (SELECT coalesce(range_agg(tstzrange(p.starts, p.ends)), '{}')
                                         FROM _cloudsat.partitions() AS p);
BEGIN
    RETURN QUERY
        SELECT unnest(tstzmultirange(tstzrange(period, period + stride)) - taken)
          FROM (SELECT date_bin(stride, here, origin) + n * stride FROM generate_series(0, ahead) AS n
                 UNION
                (SELECT date_bin(stride, cloudsat.uuid_time(uuid), origin) AS period
                   FROM cloudsat.messages_default
                  WHERE uuid::text LIKE '______________7____%' AND uuid::text ~ '^.{19}[89ab]'
                  GROUP BY period ORDER BY period DESC LIMIT most)) AS wanted (period)
         ORDER BY period;
END
$missing$;
COMMENT ON FUNCTION _cloudsat.missing_periods IS
    'the current period, those ahead and those of messages in the default partition, as far as no partition '
    'covers them; the oldest first';

-- A relation of another owner may already have the name.
CREATE FUNCTION _cloudsat.make_partition(period tstzrange) RETURNS text
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $make$
DECLARE
    is_daily  CONSTANT bool := lower(period) = date_trunc('day', lower(period), 'UTC')
                           AND upper(period) - lower(period) >= '1 day';
    partition CONSTANT text := 'messages_' || to_char(lower(period) AT TIME ZONE 'UTC',
        CASE WHEN is_daily THEN 'YYYYMMDD' ELSE 'YYYYMMDD_HH24MI' END);
    why text;
BEGIN
    EXECUTE format('CREATE TABLE cloudsat.%I (LIKE cloudsat.messages INCLUDING ALL, '
                   -- spares ATTACH the look at every row
                   'CONSTRAINT attaching CHECK (uuid >= %L AND uuid < %L)) '
                   -- Rows never change: vacuum freezes them in the pass in which it finds them visible.
                   'WITH (autovacuum_freeze_min_age = 0, autovacuum_vacuum_insert_scale_factor = 0.05)',
                   partition, cloudsat.uuid_floor(lower(period)), cloudsat.uuid_floor(upper(period)));
    EXECUTE format('ALTER TABLE cloudsat.%I ADD CONSTRAINT %I PRIMARY KEY (uuid)', partition,
                   partition || '_pkey');
    EXECUTE format('CREATE INDEX %I ON cloudsat.%I (chan, xact)', partition || '_chan_xact_idx', partition);
    EXECUTE format('CREATE INDEX %I ON cloudsat.%I (root, poster, uuid) WHERE root IS NOT NULL',
                   partition || '_root_idx', partition);
    RETURN partition;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
    RAISE WARNING 'could not make partition "%": %', partition, SQLERRM USING ERRCODE = SQLSTATE,
        DETAIL = concat_ws(' ', nullif(why, ''), 'The default partition keeps the messages of its time.'),
        HINT = _cloudsat.way_out(SQLSTATE);
    RETURN NULL;
END
$make$;
COMMENT ON FUNCTION _cloudsat.make_partition IS
    'makes the table of a period, not yet attached, and returns its name; null and a warning if something '
    'is in the way';

-- While this waits, posters and readers of what it locks wait behind it, so it tries for a moment only,
-- repeatedly. `outcome` and `advice` are for people, if other transactions do not let go.
CREATE FUNCTION _cloudsat.lock_messages(whole_board bool, default_partition bool, moment text, outcome text,
    advice text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $lock$
BEGIN
    FOR attempt IN 1 .. 20 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', moment, true);
            IF whole_board THEN
                LOCK TABLE ONLY cloudsat.messages IN ACCESS EXCLUSIVE MODE;
            END IF;
            IF default_partition THEN
                LOCK TABLE cloudsat.messages_default IN ACCESS EXCLUSIVE MODE;
            END IF;
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            IF attempt = 20 THEN
                RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
                    MESSAGE = 'could not lock cloudsat.messages',
                    DETAIL = 'Other transactions kept using it. ' || outcome,
                    HINT = advice;
            END IF;
            PERFORM pg_sleep(0.1);
        END;
    END LOOP;
END
$lock$;
COMMENT ON FUNCTION _cloudsat.lock_messages IS
    'locks the whole board, its default partition, or both, with short attempts so that posters and readers '
    'do not queue behind it';

-- The caller holds the locks.
CREATE FUNCTION _cloudsat.attach_partition(partition text, period tstzrange) RETURNS int8
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $attach$
DECLARE
    low  CONSTANT uuid := cloudsat.uuid_floor(lower(period));
    high CONSTANT uuid := cloudsat.uuid_floor(upper(period));
    moved int8;
    why   text;
BEGIN
    BEGIN
        -- DELETE, not TRUNCATE: a reader with an older snapshot still finds the rows in their old place
        EXECUTE format('WITH caught AS (DELETE FROM cloudsat.messages_default '
                       'WHERE uuid >= $1 AND uuid < $2 RETURNING *) '
                       'INSERT INTO cloudsat.%I SELECT * FROM caught', partition)
            USING low, high;
        GET DIAGNOSTICS moved = ROW_COUNT;
        EXECUTE format('ALTER TABLE cloudsat.messages ATTACH PARTITION cloudsat.%I '
                       'FOR VALUES FROM (%L) TO (%L)', partition, low, high);
        EXECUTE format('ALTER TABLE cloudsat.%I DROP CONSTRAINT attaching', partition);
        RETURN moved;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
        RAISE WARNING 'could not attach partition "%": %', partition, SQLERRM USING ERRCODE = SQLSTATE,
            DETAIL = concat_ws(' ', nullif(why, ''), 'The default partition keeps the messages of its time.'),
            HINT = _cloudsat.way_out(SQLSTATE);
    END;
    EXECUTE format('DROP TABLE cloudsat.%I', partition);
    RETURN NULL;
END
$attach$;
COMMENT ON FUNCTION _cloudsat.attach_partition IS
    'moves the messages of a period from the default partition to its table, attaches the table, and '
    'returns their number; on failure warns, drops the table and returns null';

-- queue_history has daily partitions. A failure here must not undo the rest of maintain().
CREATE FUNCTION _cloudsat.maintain_guardian(ahead interval) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $guardian$
BEGIN
    PERFORM set_config('lock_timeout', '1s', true);
    PERFORM _cloudsat.maintain_history(make_interval(mins => s.setting::int),
                                       ceil(extract(epoch FROM ahead) / 86400)::int)  -- it counts in days
       FROM pg_settings AS s WHERE s.name = 'cloudsat.history_retention';
EXCEPTION
    WHEN lock_not_available THEN
        RAISE WARNING 'could not lock cloudsat.queue_history' USING ERRCODE = 'lock_not_available',
            DETAIL = 'Its partitions are unchanged.', HINT = 'Call cloudsat.maintain() again later.';
    WHEN OTHERS THEN
        RAISE WARNING 'could not maintain cloudsat.queue_history: %', SQLERRM USING ERRCODE = SQLSTATE,
            DETAIL = 'Its partitions are unchanged.';
END
$guardian$;
COMMENT ON FUNCTION _cloudsat.maintain_guardian IS 'maintains queue_history';

-- Blocks posters only where it must. Making the tables takes a lock that blocks neither posters nor readers.
-- Attaching the tables of periods ahead locks only the default partition. Only for a period that has begun is
-- the whole board locked, while its messages move out of the default partition.
CREATE FUNCTION cloudsat.maintain(OUT partition text, OUT starts timestamptz, OUT ends timestamptz,
                                  OUT moved int8)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '10s'
AS $maintain$
DECLARE
    -- asking for a uuid first loads the library, and with it the settings
    here   CONSTANT timestamptz := cloudsat.uuid_time(cloudsat.uuid_floor(clock_timestamp()));
    stride CONSTANT interval := (SELECT make_interval(mins => setting::int) FROM pg_settings
                                  WHERE name = 'cloudsat.partition_interval');
    ahead  CONSTANT int := current_setting('cloudsat.partitions_ahead')::int;
    gap    tstzrange;
    gaps   tstzrange[] := '{}';
    names  text[] := '{}';
    unfinished CONSTANT text := _cloudsat.unfinished();
BEGIN
    IF unfinished IS NOT NULL THEN
        RAISE WARNING 'cloudsat.maintain() does nothing during a restore' USING DETAIL = unfinished;
        RETURN;
    END IF;

    SET CONSTRAINTS ALL IMMEDIATE;  -- a violated deferred key would undo everything at commit

    -- One maintain() at a time. It blocks neither posters nor readers.
    LOCK TABLE cloudsat.messages IN SHARE UPDATE EXCLUSIVE MODE;

    PERFORM _cloudsat.drop_detached();
    PERFORM set_config('lock_timeout', '1s', true);
    PERFORM _cloudsat.prune();  -- before any lock that blocks others

    FOR gap IN SELECT p FROM _cloudsat.missing_periods(here, stride, ahead) AS p LOOP
        partition := _cloudsat.make_partition(gap);
        CONTINUE WHEN partition IS NULL;
        gaps := gaps || gap;
        names := names || partition;
    END LOOP;
    IF names <> '{}' THEN
        -- A period that has begun may have messages already. A query planned without its partition would find
        -- them in neither place, so nobody plans a query until the move is complete.
        PERFORM _cloudsat.lock_messages(whole_board => lower(gaps[1]) <= here, default_partition => true,
            moment => '100ms', outcome => 'No partition was made.',
            advice => 'Call cloudsat.maintain() again later: posts go to the default partition meanwhile.');
    END IF;
    FOR n IN 1 .. cardinality(names) LOOP
        partition := names[n];
        starts := lower(gaps[n]);
        ends := upper(gaps[n]);
        moved := _cloudsat.attach_partition(partition, gaps[n]);
        CONTINUE WHEN moved IS NULL;
        RETURN NEXT;
    END LOOP;
    PERFORM _cloudsat.maintain_guardian(ahead * stride);

    -- Default privileges apply to new partitions, and a dump does not keep the privileges of row types.
    PERFORM _cloudsat.revoke(o.kind, o.name, o.grantees) FROM _cloudsat.objects() AS o
     WHERE cardinality(o.grantees) > 0
       AND (NOT o.is_member OR o.kind = 'TYPE'
            AND EXISTS (SELECT FROM pg_class AS c WHERE c.reltype = o.object AND c.relkind <> 'c'));
END
$maintain$;
COMMENT ON FUNCTION cloudsat.maintain IS
    'makes the partitions of the current period and of those ahead, and moves the default partition''s '
    'messages into dated ones; returns each new partition and the number of messages moved there; likewise '
    'makes daily partitions of queue_history and drops old ones; prunes the logs; revokes other roles'' '
    'privileges on partitions';
