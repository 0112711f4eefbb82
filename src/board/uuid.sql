-- The time in a uuid. IMMUTABLE, so that a condition on uuid prunes partitions when the query is planned.

CREATE FUNCTION cloudsat.uuid_time(uuid pg_catalog.uuid) RETURNS pg_catalog.timestamptz
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cloudsat_uuid_time';
COMMENT ON FUNCTION cloudsat.uuid_time(pg_catalog.uuid) IS 'the instant that a UUIDv7 carries';

CREATE FUNCTION cloudsat.uuid_floor(instant pg_catalog.timestamptz) RETURNS pg_catalog.uuid
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cloudsat_uuid_floor';
COMMENT ON FUNCTION cloudsat.uuid_floor(pg_catalog.timestamptz) IS
    'the smallest UUIDv7 of an instant: uuid >= uuid_floor(t) selects messages posted at t or later';

CREATE FUNCTION cloudsat.uuid_ceil(instant pg_catalog.timestamptz) RETURNS pg_catalog.uuid
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cloudsat_uuid_ceil';
COMMENT ON FUNCTION cloudsat.uuid_ceil(pg_catalog.timestamptz) IS
    'the greatest UUIDv7 of an instant: uuid <= uuid_ceil(t) selects messages posted at t or earlier';

CREATE FUNCTION _cloudsat.uuid() RETURNS pg_catalog.uuid
    LANGUAGE C VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cloudsat_uuid';
COMMENT ON FUNCTION _cloudsat.uuid() IS 'the next UUIDv7 of this session, as for a post';
