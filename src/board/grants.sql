-- Privileges on the board. Nothing is granted to PUBLIC, and nobody may UPDATE or DELETE.

GRANT USAGE ON SCHEMA cloudsat TO cloudsat_server, cloudsat_task, cloudsat_adhoc, cloudsat_admin;
GRANT USAGE ON TYPE cloudsat.address, cloudsat.disposition
    TO cloudsat_server, cloudsat_task, cloudsat_adhoc, cloudsat_admin;

-- Functions that compute only from their arguments are granted to every role, because the planner may put
-- even a private one into a query. An administrator may call every function that is not private.
DO $do$
DECLARE
    routine record;
BEGIN
    FOR routine IN
        SELECT oid::pg_catalog.regprocedure AS signature, provolatile OPERATOR(pg_catalog.=) 'i' AS pure,
               pronamespace OPERATOR(pg_catalog.=) '_cloudsat'::pg_catalog.regnamespace AS private
          FROM pg_catalog.pg_proc
         WHERE oid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT object FROM _cloudsat.objects()
             WHERE kind OPERATOR(pg_catalog.=) 'ROUTINE'))
    LOOP
        IF routine.pure THEN
            EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO cloudsat_server, cloudsat_task, '
                                      'cloudsat_adhoc, cloudsat_admin', routine.signature);
        ELSIF NOT routine.private THEN
            EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO cloudsat_admin', routine.signature);
        END IF;
    END LOOP;
END
$do$;

-- reading one's own messages
GRANT EXECUTE ON FUNCTION cloudsat.nick(), cloudsat.addresses(), cloudsat.subscriptions()
    TO cloudsat_server, cloudsat_task, cloudsat_adhoc;
GRANT EXECUTE ON FUNCTION
    cloudsat.inbox(cloudsat.address[], pg_catalog.pg_snapshot),
    cloudsat.inbox(cloudsat.address, pg_catalog.pg_snapshot),
    cloudsat.inbox(pg_catalog.text[], pg_catalog.pg_snapshot),
    cloudsat.inbox(pg_catalog.text, pg_catalog.pg_snapshot),
    cloudsat.current_snapshot()
    TO cloudsat_server, cloudsat_task, cloudsat_adhoc;
GRANT SELECT ON cloudsat.inbox TO cloudsat_server, cloudsat_task, cloudsat_adhoc, cloudsat_admin;

-- registering, receiving and replying
GRANT EXECUTE ON FUNCTION
    cloudsat.register(cloudsat.address[], pg_catalog.bool),
    cloudsat.register(cloudsat.address, pg_catalog.bool),
    cloudsat.register(pg_catalog.text[], pg_catalog.bool),
    cloudsat.register(pg_catalog.text, pg_catalog.bool),
    cloudsat.receive(pg_catalog.int4, pg_catalog."interval", pg_catalog.bool),
    cloudsat.bookmark(pg_catalog.bool),
    cloudsat.reply(pg_catalog.uuid, cloudsat.disposition, pg_catalog.text),
    cloudsat.reply(cloudsat.address, cloudsat.address, pg_catalog.text, pg_catalog.uuid, cloudsat.disposition)
    TO cloudsat_server, cloudsat_task;
GRANT EXECUTE ON PROCEDURE cloudsat.wait(pg_catalog."interval") TO cloudsat_server, cloudsat_task;

-- claiming
GRANT EXECUTE ON FUNCTION
    cloudsat.claim(pg_catalog.uuid, pg_catalog.text, pg_catalog.interval),
    cloudsat.release(pg_catalog.uuid, cloudsat.disposition, pg_catalog.text)
    TO cloudsat_server, cloudsat_task;
GRANT SELECT ON cloudsat.claims, cloudsat.orphaned_claims
    TO cloudsat_server, cloudsat_task, cloudsat_adhoc, cloudsat_admin;
GRANT EXECUTE ON FUNCTION _cloudsat.is_connected(pg_catalog.int4, pg_catalog.timestamptz)
    TO cloudsat_server, cloudsat_task, cloudsat_adhoc, cloudsat_admin;

-- starting threads; a server may call post() to get the error that names the right kind
GRANT EXECUTE ON FUNCTION
    cloudsat.post(cloudsat.address, pg_catalog.text),
    cloudsat.post(cloudsat.address, cloudsat.address, pg_catalog.text),
    cloudsat.post(cloudsat.address, cloudsat.address, pg_catalog.text[])
    TO cloudsat_server, cloudsat_task;

-- walking threads
GRANT EXECUTE ON FUNCTION
    cloudsat.thread(pg_catalog.uuid),
    _cloudsat.thread(pg_catalog.uuid),
    cloudsat.thread_text(pg_catalog.uuid),
    cloudsat.root(pg_catalog.uuid),
    cloudsat.ancestors(pg_catalog.uuid),
    cloudsat.children(pg_catalog.uuid),
    cloudsat.participants(pg_catalog.uuid),
    cloudsat.acknowledgments(pg_catalog.uuid),
    cloudsat.failed(pg_catalog.uuid),
    cloudsat.incomplete(pg_catalog.uuid),
    cloudsat.task(pg_catalog.uuid)
    TO cloudsat_task, cloudsat_adhoc;
GRANT EXECUTE ON FUNCTION _cloudsat.thread(pg_catalog.uuid) TO cloudsat_admin;

-- reading the board
GRANT SELECT ON cloudsat.messages, cloudsat.threads, cloudsat.registered, cloudsat.recent,
    cloudsat.connections,
    cloudsat.enlisted, cloudsat.claim_log, cloudsat.tasks, cloudsat.eras, cloudsat.bookmarks
    TO cloudsat_adhoc, cloudsat_admin;
GRANT EXECUTE ON FUNCTION _cloudsat.sessions() TO cloudsat_adhoc, cloudsat_admin;

-- monitoring
GRANT SELECT ON cloudsat.throughput, cloudsat.error_rates, cloudsat.space_usage, cloudsat.listeners,
    cloudsat.notify_queue, cloudsat.horizon TO cloudsat_adhoc, cloudsat_admin;
GRANT EXECUTE ON FUNCTION
    cloudsat.throughput(pg_catalog.timestamptz, pg_catalog.timestamptz),
    cloudsat.error_rates(pg_catalog.timestamptz, pg_catalog.timestamptz)
    TO cloudsat_adhoc;
GRANT EXECUTE ON FUNCTION _cloudsat.partitions(), _cloudsat.rows(pg_catalog.regclass),
    _cloudsat.transactions()
    TO cloudsat_adhoc, cloudsat_admin;

-- waking
GRANT SELECT ON cloudsat.waking TO cloudsat_adhoc, cloudsat_admin;
GRANT EXECUTE ON FUNCTION _cloudsat.waking() TO cloudsat_adhoc, cloudsat_admin;
