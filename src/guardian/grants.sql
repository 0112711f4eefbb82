-- Who may do what with the guardian.

REVOKE ALL ON cloudsat.queues, cloudsat.bindings, cloudsat.queue_history, cloudsat.queue_history_default,
    cloudsat.queue_events, cloudsat.queue_policies, cloudsat.polls FROM PUBLIC;
REVOKE ALL ON TYPE cloudsat.level FROM PUBLIC;
REVOKE ALL ON FUNCTION cloudsat.poll(pg_catalog.text) FROM PUBLIC;

GRANT USAGE ON TYPE cloudsat.level TO cloudsat_adhoc, cloudsat_admin;
GRANT SELECT ON cloudsat.queues, cloudsat.bindings, cloudsat.queue_history, cloudsat.queue_events,
    cloudsat.queue_policies, cloudsat.polls TO cloudsat_adhoc, cloudsat_admin;
GRANT INSERT, UPDATE, DELETE ON cloudsat.queue_policies TO cloudsat_admin;
GRANT USAGE ON SEQUENCE cloudsat.queue_policies_id_seq TO cloudsat_admin;
GRANT USAGE ON FOREIGN DATA WRAPPER rabbitmq TO cloudsat_admin;
GRANT EXECUTE ON FUNCTION cloudsat.poll(pg_catalog.text) TO cloudsat_admin;
