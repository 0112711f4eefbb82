-- After a restore or copy of a database, this confirms that the database is to act on a broker.

CREATE FUNCTION cloudsat.confirm_enforce(server pg_catalog.text) RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'cloudsat_confirm_enforce' LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER;
COMMENT ON FUNCTION cloudsat.confirm_enforce(pg_catalog.text) IS
    'confirms that this database enforces a broker''s limits although another database did before, as after '
    'a restore; false if there was nothing to confirm';
