-- Whoever restored or copied a database says here that it is to act on a broker.

CREATE FUNCTION cloudsat.confirm_enforce(server pg_catalog.text) RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'cloudsat_confirm_enforce' LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER;
COMMENT ON FUNCTION cloudsat.confirm_enforce(pg_catalog.text) IS
    'says that this database is to enforce a broker''s limits, though it was confirmed in another one: after a restore; false when there was nothing to confirm';
