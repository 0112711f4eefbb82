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
        SELECT oid::regprocedure AS signature, provolatile = 'i' AS pure,
               pronamespace = '_cloudsat'::regnamespace AS private
          FROM pg_proc
         WHERE oid = ANY (ARRAY(SELECT object FROM _cloudsat.objects() WHERE kind = 'ROUTINE'))
    LOOP
        IF routine.pure THEN
            EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO cloudsat_server, cloudsat_task, '
                           'cloudsat_adhoc, cloudsat_admin', routine.signature);
        ELSIF NOT routine.private THEN
            EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO cloudsat_admin', routine.signature);
        END IF;
    END LOOP;
END
$do$;

-- reading one's own messages
GRANT EXECUTE ON FUNCTION cloudsat.nick, cloudsat.addresses, cloudsat.subscriptions
    TO cloudsat_server, cloudsat_task, cloudsat_adhoc;
GRANT EXECUTE ON FUNCTION cloudsat.current_snapshot,
    cloudsat.inbox(cloudsat.address[], pg_snapshot, int4, interval),
    cloudsat.inbox(cloudsat.address, pg_snapshot, int4, interval),
    cloudsat.inbox(text[], pg_snapshot, int4, interval), cloudsat.inbox(text, pg_snapshot, int4, interval)
    TO cloudsat_server, cloudsat_task, cloudsat_adhoc;
GRANT SELECT ON cloudsat.inbox TO cloudsat_server, cloudsat_task, cloudsat_adhoc, cloudsat_admin;

-- registering, receiving and replying
GRANT EXECUTE ON FUNCTION cloudsat.receive, cloudsat.bookmark,
    cloudsat.register(cloudsat.address[], bool), cloudsat.register(cloudsat.address, bool),
    cloudsat.register(text[], bool), cloudsat.register(text, bool),
    cloudsat.reply(uuid, cloudsat.disposition, text),
    cloudsat.reply(cloudsat.address, cloudsat.address, text, uuid, cloudsat.disposition),
    cloudsat.reply_as(cloudsat.address, uuid, cloudsat.disposition, text),
    cloudsat.reply_as(cloudsat.address, cloudsat.address, text, uuid, cloudsat.disposition),
    cloudsat.reply_many_as
    TO cloudsat_server, cloudsat_task;
GRANT EXECUTE ON PROCEDURE cloudsat.wait TO cloudsat_server, cloudsat_task;

-- claiming
GRANT EXECUTE ON FUNCTION cloudsat.claim, cloudsat.claim_as, cloudsat.release, cloudsat.release_as
    TO cloudsat_server, cloudsat_task;
GRANT SELECT ON cloudsat.claims, cloudsat.orphaned_claims
    TO cloudsat_server, cloudsat_task, cloudsat_adhoc, cloudsat_admin;
GRANT EXECUTE ON FUNCTION _cloudsat.is_connected
    TO cloudsat_server, cloudsat_task, cloudsat_adhoc, cloudsat_admin;

-- starting threads; a server may call post() to get the error that names the right kind
GRANT EXECUTE ON FUNCTION cloudsat.post(cloudsat.address, text),
    cloudsat.post(cloudsat.address, cloudsat.address, text),
    cloudsat.post(cloudsat.address, cloudsat.address, text[]),
    cloudsat.post_as(cloudsat.address, cloudsat.address, text),
    cloudsat.post_as(cloudsat.address, cloudsat.address, text[])
    TO cloudsat_server, cloudsat_task;

-- walking threads
GRANT EXECUTE ON FUNCTION cloudsat.thread, _cloudsat.thread, cloudsat.thread_text, cloudsat.root,
    cloudsat.ancestors, cloudsat.children, cloudsat.participants, cloudsat.acknowledgments, cloudsat.failed,
    cloudsat.incomplete, cloudsat.task
    TO cloudsat_task, cloudsat_adhoc;
GRANT EXECUTE ON FUNCTION _cloudsat.thread TO cloudsat_admin;

-- reading the board
GRANT SELECT ON cloudsat.messages, cloudsat.threads, cloudsat.registered, cloudsat.recent,
    cloudsat.connections, cloudsat.enlisted, cloudsat.claim_log, cloudsat.tasks, cloudsat.eras,
    cloudsat.bookmarks TO cloudsat_adhoc, cloudsat_admin;
GRANT EXECUTE ON FUNCTION _cloudsat.sessions TO cloudsat_adhoc, cloudsat_admin;

-- monitoring
GRANT SELECT ON cloudsat.throughput, cloudsat.error_rates, cloudsat.space_usage, cloudsat.listeners,
    cloudsat.notify_queue, cloudsat.horizon TO cloudsat_adhoc, cloudsat_admin;
GRANT EXECUTE ON FUNCTION cloudsat.throughput, cloudsat.error_rates TO cloudsat_adhoc;
GRANT EXECUTE ON FUNCTION _cloudsat.partitions, _cloudsat.rows, _cloudsat.transactions
    TO cloudsat_adhoc, cloudsat_admin;

-- waking
GRANT SELECT ON cloudsat.waking TO cloudsat_adhoc, cloudsat_admin;
GRANT EXECUTE ON FUNCTION _cloudsat.waking TO cloudsat_adhoc, cloudsat_admin;
