-- The time in a uuid. IMMUTABLE, so that a condition on uuid prunes partitions when the query is planned.

CREATE FUNCTION cloudsat.uuid_time(uuid uuid) RETURNS timestamptz
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cloudsat_uuid_time';
COMMENT ON FUNCTION cloudsat.uuid_time IS 'the instant that a UUIDv7 carries';

CREATE FUNCTION cloudsat.uuid_floor(instant timestamptz) RETURNS uuid
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cloudsat_uuid_floor';
COMMENT ON FUNCTION cloudsat.uuid_floor IS
    'the smallest UUIDv7 of an instant: uuid >= uuid_floor(t) selects messages posted at t or later';

CREATE FUNCTION cloudsat.uuid_ceil(instant timestamptz) RETURNS uuid
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cloudsat_uuid_ceil';
COMMENT ON FUNCTION cloudsat.uuid_ceil IS
    'the greatest UUIDv7 of an instant: uuid <= uuid_ceil(t) selects messages posted at t or earlier';

CREATE FUNCTION _cloudsat.uuid() RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cloudsat_uuid';
COMMENT ON FUNCTION _cloudsat.uuid IS 'the next UUIDv7 of this session, as for a post';
