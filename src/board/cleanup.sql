-- Cleanup drops whole partitions of messages, which takes the same time however many messages they hold. The
-- board's small logs are pruned row by row.

-- Each log has its own setting cloudsat.<log>_retention; 0 means for ever. Asking for a uuid loads the
-- library, and with it the settings.
CREATE FUNCTION _cloudsat.horizon(log text, retain timestamptz) RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
    PERFORM cloudsat.uuid_floor(now());
    RETURN greatest(retain, (SELECT now() - make_interval(mins => s.setting::int) FROM pg_settings AS s
                              WHERE s.name = 'cloudsat.' || log || '_retention' AND s.setting <> '0'));
END
$body$;
COMMENT ON FUNCTION _cloudsat.horizon IS
    'the instant before which a log is pruned: the later of its retention setting and the requested '
    'instant; null: nothing is pruned';

-- The logs always keep: the last registration of each nick by each live connection, because
-- cloudsat.connections shows it; the newest bookmark of each nick, because register() resumes from it; and
-- the newest claim entry of each existing message, because without it the message could be claimed again.
CREATE FUNCTION _cloudsat.prune_registered(retain timestamptz) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $prune$
DECLARE
    horizon CONSTANT timestamptz := _cloudsat.horizon('registered', retain);
BEGIN
    WITH kept AS (
        SELECT DISTINCT ON (r.nick, r.pid, r.backend_start) r.ctid AS place
          FROM cloudsat.registered AS r
          JOIN pg_stat_activity AS a ON a.pid = r.pid AND a.backend_start = r.backend_start
         ORDER BY r.nick, r.pid, r.backend_start, r."timestamp" DESC)
    DELETE FROM cloudsat.registered AS r
     WHERE r."timestamp" < horizon AND NOT EXISTS (SELECT FROM kept AS k WHERE k.place = r.ctid);
END
$prune$;
COMMENT ON FUNCTION _cloudsat.prune_registered IS
    'deletes old registrations, except the last one of each nick by each live connection';

CREATE FUNCTION _cloudsat.prune_bookmarks(retain timestamptz) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $prune$
DECLARE
    horizon CONSTANT timestamptz := _cloudsat.horizon('bookmarks', retain);
BEGIN
    DELETE FROM cloudsat.bookmarks AS b
     WHERE b."timestamp" < horizon
       AND b."timestamp" < (SELECT max(n."timestamp") FROM cloudsat.bookmarks AS n WHERE n.nick = b.nick);
END
$prune$;
COMMENT ON FUNCTION _cloudsat.prune_bookmarks IS 'deletes old bookmarks, except the newest of each nick';

CREATE FUNCTION _cloudsat.prune_claim_log(retain timestamptz) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $prune$
DECLARE
    horizon CONSTANT timestamptz := _cloudsat.horizon('claim_log', retain);
    -- a message older than the first partition exists only in the default partition; a first partition
    -- without a lower bound has none older
    oldest CONSTANT timestamptz := (
        SELECT CASE WHEN bool_or(p.starts IS NULL) THEN '1970-01-01Z' ELSE min(p.starts) END
          FROM _cloudsat.partitions() AS p);
BEGIN
    IF horizon IS NULL OR horizon < '1970-01-01Z' THEN  -- before any message
        RETURN;
    END IF;
    DELETE FROM cloudsat.claim_log AS c
     WHERE c."timestamp" < horizon
       AND c."timestamp" < (SELECT max(n."timestamp")
                              FROM cloudsat.claim_log AS n WHERE n.message = c.message);
    DELETE FROM cloudsat.claim_log AS c
     WHERE c.message < cloudsat.uuid_floor(least(horizon, oldest))
       AND NOT EXISTS (SELECT FROM cloudsat.messages_default AS d WHERE d.uuid = c.message);
END
$prune$;
COMMENT ON FUNCTION _cloudsat.prune_claim_log IS
    'deletes old claim entries, except the newest of each existing message';

-- Each log separately: what blocks one, for example a user's foreign key, does not block the others.
CREATE FUNCTION _cloudsat.prune(retain timestamptz DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $prune$
DECLARE
    step text;
    why  text;
BEGIN
    FOREACH step IN ARRAY ARRAY['prune_registered', 'prune_bookmarks', 'prune_claim_log', 'prune_events',
        'prune_outbox'] LOOP
        BEGIN
            EXECUTE format('SELECT _cloudsat.%I($1)', step) USING retain;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
            RAISE WARNING 'could not prune a log of cloudsat: %', SQLERRM USING ERRCODE = SQLSTATE,
                DETAIL = format('_cloudsat.%s() failed; the other logs were pruned. %s', step, why);
        END;
    END LOOP;
END
$prune$;
COMMENT ON FUNCTION _cloudsat.prune IS
    'deletes log rows older than their retentions, or than an instant, except rows still in force';

-- A partition's dependents belong to users, so a partition that cannot be dropped is kept, with a warning.
-- The server removes the files of a dropped table before the commit returns. For some gigabytes that takes
-- longer than everything else. So the launcher, if one runs, removes them: it finds the tables by names like
-- these.
CREATE FUNCTION _cloudsat.drop_partition(leaf regclass, detach_from regclass DEFAULT NULL) RETURNS bool
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $drop$
DECLARE
    name CONSTANT text := (SELECT c.relname FROM pg_class AS c WHERE c.oid = leaf);
    rule text;
BEGIN
    IF name IS NULL THEN
        RETURN false;
    END IF;
    -- a view, a key, or a column of its row type depends on it: let DROP refuse; its own checks go with it
    IF detach_from IS NULL OR EXISTS (
        SELECT d.classid, d.objid FROM pg_depend AS d
         WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = leaf AND d.deptype = 'n'
        EXCEPT SELECT d.classid, d.objid FROM pg_depend AS d
         WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = leaf AND d.deptype <> 'n'
        UNION ALL
        SELECT d.classid, d.objid FROM pg_type AS t JOIN pg_depend AS d
            ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray) AND d.deptype = 'n'
         WHERE t.typrelid = leaf)
    THEN
        EXECUTE format('DROP TABLE %s', leaf);
    ELSE
        EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', detach_from, leaf);
        EXECUTE format('ALTER TABLE %s SET SCHEMA _cloudsat', leaf);
        EXECUTE format('ALTER TABLE %s RENAME TO %I', leaf, 'detached_' || leaf::oid);
    END IF;
    RETURN true;
EXCEPTION
    WHEN undefined_table THEN  -- another session has just dropped it
        RETURN false;
    WHEN OTHERS THEN  -- dependent objects, locks, a user's event trigger, the caller's own cursor, ...
        GET STACKED DIAGNOSTICS rule = PG_EXCEPTION_DETAIL;
        RAISE WARNING 'could not drop partition "%": %', name, SQLERRM USING ERRCODE = SQLSTATE,
            DETAIL = CASE WHEN SQLSTATE IN ('55P03', '40P01')  -- lock_not_available, deadlock_detected
                          THEN 'Another session uses it, for example pg_dump.' ELSE rule END,
            HINT = CASE SQLSTATE WHEN '2BP01'  -- dependent_objects_still_exist
                        THEN 'Drop the dependent objects. Those in a schema pg_temp_N disappear when their '
                             'session ends.'
                        ELSE 'The next call tries again.' END;
        RETURN false;
END
$drop$;
COMMENT ON FUNCTION _cloudsat.drop_partition IS
    'drops a partition, or detaches it from the given table and leaves its files to the launcher; false and '
    'a warning if objects depend on it or a session uses it';

CREATE FUNCTION _cloudsat.drop_detached() RETURNS int8
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
AS $drop$
DECLARE
    leaf regclass;
    done int8 := 0;
BEGIN
    FOR leaf IN
        SELECT c.oid FROM pg_class AS c
         WHERE c.relnamespace = '_cloudsat'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
           AND c.relname ~ '^detached_[0-9]+$'
         ORDER BY c.relname
    LOOP
        done := done + _cloudsat.drop_partition(leaf)::int;
    END LOOP;
    RETURN done;
END
$drop$;
COMMENT ON FUNCTION _cloudsat.drop_detached IS 'drops the partitions that cloudsat.cleanup() has detached';

CREATE FUNCTION _cloudsat.cleanup_horizon(retain interval, exact bool) RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $horizon$
DECLARE
    horizon timestamptz;
BEGIN
    IF retain IS NULL OR exact IS NULL THEN
        RAISE EXCEPTION '% must not be null', CASE WHEN retain IS NULL THEN 'retain' ELSE 'exact' END
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    BEGIN
        horizon := now() - retain;
    EXCEPTION WHEN datetime_field_overflow THEN
        horizon := CASE WHEN retain < '0' THEN 'infinity' ELSE '-infinity' END;
    END;
    IF horizon > now() OR retain < '0' THEN
        RAISE EXCEPTION 'retain must not be negative' USING ERRCODE = 'invalid_parameter_value',
            DETAIL = format('%s before now is in the future.', retain);
    END IF;
    RETURN horizon;
END
$horizon$;
COMMENT ON FUNCTION _cloudsat.cleanup_horizon IS
    'checks the arguments of cloudsat.cleanup() and returns the instant before which it drops';

-- A partition whose messages cannot be deleted does not stop the others.
CREATE FUNCTION _cloudsat.delete_older(horizon timestamptz, OUT partition text, OUT messages int8)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $delete$
DECLARE
    leaf record;
    rule text;
BEGIN
    FOR leaf IN
        SELECT p.partition AS id, c.relname FROM _cloudsat.partitions() AS p
            JOIN pg_class AS c ON c.oid = p.partition
         WHERE p.ends IS NULL OR p.ends > horizon AND coalesce(p.starts < horizon, true)
         UNION ALL
        SELECT c.oid::regclass, c.relname FROM pg_class AS c
         WHERE c.oid = to_regclass('cloudsat.messages_default')
         ORDER BY relname
    LOOP
        BEGIN
            EXECUTE format('DELETE FROM %s WHERE uuid < $1', leaf.id) USING cloudsat.uuid_floor(horizon);
            GET DIAGNOSTICS messages = ROW_COUNT;
        EXCEPTION WHEN OTHERS THEN
            messages := 0;
            GET STACKED DIAGNOSTICS rule = PG_EXCEPTION_DETAIL;
            RAISE WARNING 'could not delete from partition "%": %', leaf.relname, SQLERRM USING
                ERRCODE = SQLSTATE, DETAIL = rule, HINT = 'Cleanup continues with the other partitions.';
        END;
        IF messages > 0 THEN
            partition := leaf.relname;
            RETURN NEXT;
        END IF;
    END LOOP;
END
$delete$;
COMMENT ON FUNCTION _cloudsat.delete_older IS
    'deletes messages older than an instant from the partitions that also hold newer ones';

-- A partition that another session holds without the board, as VACUUM does, comes last.
CREATE FUNCTION _cloudsat.expired_partitions(horizon timestamptz, OUT partition regclass, OUT messages int8,
                                             OUT bytes int8)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $expired$
DECLARE
    small CONSTANT int := 8388608;  -- bytes; counting the messages of a smaller table takes no time
BEGIN
    FOR partition, bytes, messages IN
        SELECT l.partition, pg_total_relation_size(l.partition), _cloudsat.rows(l.partition)
          FROM (SELECT p.partition, p.ends,
                       EXISTS (SELECT FROM pg_locks AS k WHERE k.relation = p.partition AND k.granted
                                                           AND k.pid <> pg_backend_pid()) AS held
                  FROM _cloudsat.partitions() AS p WHERE p.ends <= horizon) AS l
         ORDER BY l.held, l.ends
    LOOP
        IF pg_relation_size(partition) <= small THEN
            EXECUTE format('SELECT count(*) FROM %s', partition) INTO messages;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$expired$;
COMMENT ON FUNCTION _cloudsat.expired_partitions IS
    'the partitions that ended by an instant, the oldest first, with the number of their messages (an '
    'estimate if they are large) and their bytes';

CREATE FUNCTION _cloudsat.board_is_awaited(longer_than interval) RETURNS bool
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $waits$
BEGIN
    RETURN EXISTS (SELECT FROM pg_locks AS k
                    WHERE k.relation = 'cloudsat.messages'::regclass AND NOT k.granted
                      AND k.database = (SELECT d.oid FROM pg_database AS d
                                         WHERE d.datname = current_database())
                      AND k.waitstart < clock_timestamp() - longer_than);
END
$waits$;
COMMENT ON FUNCTION _cloudsat.board_is_awaited IS
    'whether another session has waited longer than that for a lock on the board';

-- A drop is quick, but locks the whole board, and other sessions wait meanwhile. So cleanup() requests the
-- lock briefly and repeatedly, drops the oldest partition first, and stops as soon as another session has
-- waited for a while. An autovacuum of an old partition is cancelled when the deadlock check finds it in the
-- way, and deadlock_timeout makes that quick.
CREATE FUNCTION cloudsat.cleanup(retain interval, exact bool DEFAULT false, OUT partition text,
                                 OUT messages int8, OUT bytes int8)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '10s'
    SET deadlock_timeout = '10ms'
AS $cleanup$
DECLARE
    patience CONSTANT interval := '50 ms';  -- how long others may wait, about
    most     CONSTANT int := 100;           -- in one call; each partition takes several locks
    horizon  CONSTANT timestamptz := _cloudsat.cleanup_horizon(retain, exact);
    unfinished CONSTANT text := _cloudsat.unfinished();
    leaves   regclass[];
    sizes    int8[];
    counts   int8[];
    -- of this database
    launcher CONSTANT bool := EXISTS (
        SELECT FROM _cloudsat.workers() AS w JOIN pg_database AS d ON d.oid = w.database_oid
         WHERE w.kind = 'launcher' AND d.datname = current_database());
BEGIN
    IF unfinished IS NOT NULL THEN
        RAISE WARNING 'cloudsat.cleanup() does nothing during a restore' USING DETAIL = unfinished;
        RETURN;
    END IF;
    IF horizon < '1970-01-01Z' THEN  -- before any message
        RETURN;
    END IF;

    SET CONSTRAINTS ALL IMMEDIATE;  -- a violated deferred key would undo everything at commit

    -- One cleanup() at a time, and none during maintain(). It blocks neither posters nor readers.
    LOCK TABLE cloudsat.messages IN SHARE UPDATE EXCLUSIVE MODE;

    -- first the slow work that blocks nobody
    PERFORM _cloudsat.drop_detached();
    PERFORM _cloudsat.prune(horizon);
    IF exact THEN
        RETURN QUERY SELECT d.partition, d.messages, 0::int8 FROM _cloudsat.delete_older(horizon) AS d;
    END IF;

    SELECT coalesce(array_agg(e.partition), '{}'), array_agg(e.bytes), array_agg(e.messages)
      INTO leaves, sizes, counts FROM _cloudsat.expired_partitions(horizon) AS e;
    IF leaves <> '{}' THEN
        PERFORM _cloudsat.lock_messages(whole_board => true, default_partition => false, moment => '50ms',
            outcome => 'Nothing was dropped.',
            advice => 'Call cloudsat.cleanup() again later. The view cloudsat.horizon shows long-running '
                      'transactions.');
    END IF;
    FOR n IN 1 .. cardinality(leaves) LOOP
        IF n > most OR _cloudsat.board_is_awaited(longer_than => patience) THEN
            RAISE NOTICE 'partitions not yet dropped: %', cardinality(leaves) - n + 1
                USING HINT = 'Call cloudsat.cleanup() again: it stopped so that other sessions do not wait '
                            'for long.';
            EXIT;
        END IF;
        SELECT c.relname INTO partition FROM pg_class AS c WHERE c.oid = leaves[n];
        IF _cloudsat.drop_partition(leaves[n], CASE WHEN launcher THEN 'cloudsat.messages'::regclass END) THEN
            messages := counts[n];
            bytes := sizes[n];
            RETURN NEXT;
        END IF;
    END LOOP;
END
$cleanup$;
COMMENT ON FUNCTION cloudsat.cleanup IS
    'drops the partitions of messages that ended before now() - retain and prunes the logs to the same '
    'instant; exact: also deletes older messages from the other partitions; returns each partition with the '
    'number of messages (an estimate if it was large and dropped) and bytes removed';
