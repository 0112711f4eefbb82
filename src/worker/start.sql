-- The workers of this database, by hand. Both act at once, not at commit.

CREATE FUNCTION cloudsat.start() RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cloudsat_start';
COMMENT ON FUNCTION cloudsat.start() IS
    'starts cloudsat''s workers in this database, until stop() or the server''s restart; false when they run already';

CREATE FUNCTION cloudsat.stop() RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cloudsat_stop';
COMMENT ON FUNCTION cloudsat.stop() IS
    'ends cloudsat''s workers in this database, until start() or the server''s restart; false when there were none';
