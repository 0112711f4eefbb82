-- Starting and stopping this database's workers by hand. Both act immediately, not at commit.

CREATE FUNCTION cloudsat.start() RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cloudsat_start';
COMMENT ON FUNCTION cloudsat.start IS
    'starts cloudsat''s workers in this database, until stop() or a server restart; false if they already '
    'run';

CREATE FUNCTION cloudsat.stop() RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cloudsat_stop';
COMMENT ON FUNCTION cloudsat.stop IS
    'stops cloudsat''s workers in this database, until start() or a server restart; false if none were '
    'running';
