-- Privileges on the guardian's objects.

GRANT USAGE ON TYPE cloudsat.level TO cloudsat_adhoc, cloudsat_admin;
GRANT SELECT ON cloudsat.queues, cloudsat.bindings, cloudsat.queue_history, cloudsat.queue_events,
    cloudsat.queue_policies, cloudsat.polls TO cloudsat_adhoc, cloudsat_admin;
GRANT SELECT ON cloudsat.accounts, cloudsat.account_owners TO cloudsat_adhoc, cloudsat_admin;
GRANT DELETE ON cloudsat.accounts TO cloudsat_admin; -- for dropped servers
GRANT SELECT (server, username, owner, place, requested_at, expires_at,
    used_at) ON cloudsat.account_requests TO cloudsat_admin;
-- A service for strangers (such as a web front end) is granted the last two by name: bots must not be able to
-- mail arbitrary addresses.
GRANT EXECUTE ON FUNCTION
    cloudsat.create_account(pg_catalog.text, pg_catalog.text, pg_catalog.text, cloudsat.address[]),
    cloudsat.set_account_password(pg_catalog.text, pg_catalog.text, pg_catalog.text),
    cloudsat.set_account_owners(pg_catalog.text, pg_catalog.text, cloudsat.address[]),
    cloudsat.delete_account(pg_catalog.text, pg_catalog.text),
    cloudsat.request_account(pg_catalog.text, pg_catalog.text, cloudsat.address),
    cloudsat.confirm_account(pg_catalog.text, pg_catalog.text) TO cloudsat_admin;
-- not its texts, some of which are only for their recipient
GRANT SELECT (id, written_at, kind, recipient, server, vhost, queue, messages, incident, by_name, subject,
    state, due, attempts, mail,
    sent_at, outcome) ON cloudsat.outbox TO cloudsat_adhoc;
GRANT SELECT, DELETE ON cloudsat.outbox TO cloudsat_admin;
GRANT INSERT, UPDATE, DELETE ON cloudsat.queue_policies TO cloudsat_admin;
GRANT USAGE ON SEQUENCE cloudsat.queue_policies_id_seq TO cloudsat_admin;
GRANT USAGE ON FOREIGN DATA WRAPPER rabbitmq TO cloudsat_admin;
GRANT EXECUTE ON FUNCTION cloudsat.poll(pg_catalog.text),
    cloudsat.confirm_enforce(pg_catalog.text) TO cloudsat_admin;
GRANT EXECUTE ON FUNCTION cloudsat.explain_queue(pg_catalog.text, pg_catalog.text,
    pg_catalog.text) TO cloudsat_adhoc,
    cloudsat_admin;
-- Only administrators see messages between third parties; their number and size are visible to others.
GRANT SELECT ON cloudsat.archives TO cloudsat_adhoc, cloudsat_admin;
GRANT SELECT ON cloudsat.archived_messages TO cloudsat_admin;
GRANT EXECUTE ON FUNCTION cloudsat.amqp_properties(pg_catalog.bytea),
    cloudsat.archived(pg_catalog.text, pg_catalog.text, pg_catalog.text),
    cloudsat.take_archived(pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.int8),
    cloudsat.replay(pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.int8) TO cloudsat_admin;
