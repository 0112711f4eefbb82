-- The type cloudsat.disposition: how a reply relates to the work that its parent started. One byte, passed by
-- value. Operators and min/max are in pg_catalog for the reason given in address.sql.

CREATE TYPE cloudsat.disposition;

CREATE FUNCTION cloudsat.disposition_in(pg_catalog.cstring) RETURNS cloudsat.disposition
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_in(pg_catalog.cstring) IS 'input';
CREATE FUNCTION cloudsat.disposition_out(cloudsat.disposition) RETURNS pg_catalog.cstring
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_out(cloudsat.disposition) IS 'output';
CREATE FUNCTION cloudsat.disposition_recv(pg_catalog.internal) RETURNS cloudsat.disposition
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_recv(pg_catalog.internal) IS 'binary input';
CREATE FUNCTION cloudsat.disposition_send(cloudsat.disposition) RETURNS pg_catalog.bytea
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_send(cloudsat.disposition) IS 'binary output';

CREATE TYPE cloudsat.disposition (
    INPUT = cloudsat.disposition_in, OUTPUT = cloudsat.disposition_out,
    RECEIVE = cloudsat.disposition_recv, SEND = cloudsat.disposition_send,
    INTERNALLENGTH = 1, PASSEDBYVALUE, ALIGNMENT = char, STORAGE = plain
);
COMMENT ON TYPE cloudsat.disposition IS
    'the state of the work that a reply reports: ignored, acknowledged, info, problem, belay, end, in this '
    'order';

CREATE FUNCTION cloudsat.disposition_lt(cloudsat.disposition, cloudsat.disposition) RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_lt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_lt(cloudsat.disposition, cloudsat.disposition) IS
    'before (implementation of an operator)';
CREATE FUNCTION cloudsat.disposition_le(cloudsat.disposition, cloudsat.disposition) RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_le' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_le(cloudsat.disposition, cloudsat.disposition) IS
    'before or equal (implementation of an operator)';
CREATE FUNCTION cloudsat.disposition_eq(cloudsat.disposition, cloudsat.disposition) RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_eq' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_eq(cloudsat.disposition, cloudsat.disposition) IS
    'equal (implementation of an operator)';
CREATE FUNCTION cloudsat.disposition_ne(cloudsat.disposition, cloudsat.disposition) RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_ne' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_ne(cloudsat.disposition, cloudsat.disposition) IS
    'not equal (implementation of an operator)';
CREATE FUNCTION cloudsat.disposition_ge(cloudsat.disposition, cloudsat.disposition) RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_ge' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_ge(cloudsat.disposition, cloudsat.disposition) IS
    'after or equal (implementation of an operator)';
CREATE FUNCTION cloudsat.disposition_gt(cloudsat.disposition, cloudsat.disposition) RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_gt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_gt(cloudsat.disposition, cloudsat.disposition) IS
    'after (implementation of an operator)';
CREATE FUNCTION cloudsat.disposition_cmp(cloudsat.disposition, cloudsat.disposition) RETURNS pg_catalog.int4
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_cmp' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_cmp(cloudsat.disposition, cloudsat.disposition) IS
    '-1, 0 or 1, for btree';
CREATE FUNCTION cloudsat.disposition_hash(cloudsat.disposition) RETURNS pg_catalog.int4
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_hash' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_hash(cloudsat.disposition) IS 'hash';
CREATE FUNCTION cloudsat.disposition_hash_extended(cloudsat.disposition,
    pg_catalog.int8) RETURNS pg_catalog.int8
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_hash_extended'
        LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_hash_extended(cloudsat.disposition, pg_catalog.int8) IS
    'hash with a seed';
CREATE FUNCTION cloudsat.disposition_smaller(cloudsat.disposition,
    cloudsat.disposition) RETURNS cloudsat.disposition
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_smaller' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_smaller(cloudsat.disposition, cloudsat.disposition) IS
    'the smaller one, for min';
CREATE FUNCTION cloudsat.disposition_larger(cloudsat.disposition,
    cloudsat.disposition) RETURNS cloudsat.disposition
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_larger' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_larger(cloudsat.disposition, cloudsat.disposition) IS
    'the larger one, for max';

CREATE OPERATOR pg_catalog.< (
    LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition, FUNCTION = cloudsat.disposition_lt,
    COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=),
    RESTRICT = pg_catalog.scalarltsel, JOIN = pg_catalog.scalarltjoinsel
);
COMMENT ON OPERATOR pg_catalog.< (cloudsat.disposition, cloudsat.disposition) IS 'before';
CREATE OPERATOR pg_catalog.<= (
    LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition, FUNCTION = cloudsat.disposition_le,
    COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>),
    RESTRICT = pg_catalog.scalarlesel, JOIN = pg_catalog.scalarlejoinsel
);
COMMENT ON OPERATOR pg_catalog.<= (cloudsat.disposition, cloudsat.disposition) IS 'before or equal';
CREATE OPERATOR pg_catalog.= (
    LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition, FUNCTION = cloudsat.disposition_eq,
    COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>),
    RESTRICT = pg_catalog.eqsel, JOIN = pg_catalog.eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR pg_catalog.= (cloudsat.disposition, cloudsat.disposition) IS 'equal';
CREATE OPERATOR pg_catalog.<> (
    LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition, FUNCTION = cloudsat.disposition_ne,
    COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=),
    RESTRICT = pg_catalog.neqsel, JOIN = pg_catalog.neqjoinsel
);
COMMENT ON OPERATOR pg_catalog.<> (cloudsat.disposition, cloudsat.disposition) IS 'not equal';
CREATE OPERATOR pg_catalog.>= (
    LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition, FUNCTION = cloudsat.disposition_ge,
    COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<),
    RESTRICT = pg_catalog.scalargesel, JOIN = pg_catalog.scalargejoinsel
);
COMMENT ON OPERATOR pg_catalog.>= (cloudsat.disposition, cloudsat.disposition) IS 'after or equal';
CREATE OPERATOR pg_catalog.> (
    LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition, FUNCTION = cloudsat.disposition_gt,
    COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=),
    RESTRICT = pg_catalog.scalargtsel, JOIN = pg_catalog.scalargtjoinsel
);
COMMENT ON OPERATOR pg_catalog.> (cloudsat.disposition, cloudsat.disposition) IS 'after';

CREATE OPERATOR FAMILY cloudsat.disposition_ops USING btree;
COMMENT ON OPERATOR FAMILY cloudsat.disposition_ops USING btree IS 'order of cloudsat.disposition';
CREATE OPERATOR CLASS cloudsat.disposition_ops DEFAULT FOR TYPE cloudsat.disposition
    USING btree FAMILY cloudsat.disposition_ops AS
    OPERATOR 1 pg_catalog.<,
    OPERATOR 2 pg_catalog.<=,
    OPERATOR 3 pg_catalog.=,
    OPERATOR 4 pg_catalog.>=,
    OPERATOR 5 pg_catalog.>,
    FUNCTION 1 cloudsat.disposition_cmp(cloudsat.disposition, cloudsat.disposition),
    FUNCTION 4 pg_catalog.btequalimage(pg_catalog.oid);
COMMENT ON OPERATOR CLASS cloudsat.disposition_ops USING btree IS 'order of cloudsat.disposition';

CREATE OPERATOR FAMILY cloudsat.disposition_ops USING hash;
COMMENT ON OPERATOR FAMILY cloudsat.disposition_ops USING hash IS 'equality of cloudsat.disposition';
CREATE OPERATOR CLASS cloudsat.disposition_ops DEFAULT FOR TYPE cloudsat.disposition
    USING hash FAMILY cloudsat.disposition_ops AS
    OPERATOR 1 pg_catalog.=,
    FUNCTION 1 cloudsat.disposition_hash(cloudsat.disposition),
    FUNCTION 2 cloudsat.disposition_hash_extended(cloudsat.disposition, pg_catalog.int8);
COMMENT ON OPERATOR CLASS cloudsat.disposition_ops USING hash IS 'equality of cloudsat.disposition';

CREATE AGGREGATE pg_catalog.min(cloudsat.disposition) (
    SFUNC = cloudsat.disposition_smaller, STYPE = cloudsat.disposition,
        COMBINEFUNC = cloudsat.disposition_smaller, SORTOP = OPERATOR(pg_catalog.<),
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pg_catalog.min(cloudsat.disposition) IS 'the first of all dispositions';
CREATE AGGREGATE pg_catalog.max(cloudsat.disposition) (
    SFUNC = cloudsat.disposition_larger, STYPE = cloudsat.disposition,
        COMBINEFUNC = cloudsat.disposition_larger, SORTOP = OPERATOR(pg_catalog.>),
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE pg_catalog.max(cloudsat.disposition) IS 'the last of all dispositions';

CREATE FUNCTION cloudsat.disposition_from_text(pg_catalog.text) RETURNS cloudsat.disposition
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_from_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_from_text(pg_catalog.text) IS 'converts text to a disposition';
CREATE FUNCTION cloudsat.disposition_to_text(cloudsat.disposition) RETURNS pg_catalog.text
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_to_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_to_text(cloudsat.disposition) IS 'the name of the disposition';
CREATE CAST (pg_catalog.text AS cloudsat.disposition) WITH FUNCTION
    cloudsat.disposition_from_text(pg_catalog.text) AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.text AS cloudsat.disposition) IS 'reads a disposition';
CREATE CAST (pg_catalog.varchar AS cloudsat.disposition) WITH FUNCTION
    cloudsat.disposition_from_text(pg_catalog.text) AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.varchar AS cloudsat.disposition) IS 'reads a disposition';
CREATE CAST (cloudsat.disposition AS pg_catalog.text) WITH FUNCTION
    cloudsat.disposition_to_text(cloudsat.disposition) AS ASSIGNMENT;
COMMENT ON CAST (cloudsat.disposition AS pg_catalog.text) IS 'prints a disposition';
CREATE CAST (cloudsat.disposition AS pg_catalog.varchar) WITH FUNCTION
    cloudsat.disposition_to_text(cloudsat.disposition) AS ASSIGNMENT;
COMMENT ON CAST (cloudsat.disposition AS pg_catalog.varchar) IS 'prints a disposition';

CREATE FUNCTION cloudsat.is_final(disposition cloudsat.disposition) RETURNS pg_catalog.bool
    AS 'MODULE_PATHNAME', 'cloudsat_is_final' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.is_final(cloudsat.disposition) IS
    'whether such a reply ends the work: problem (failed), belay (cancelled) or end (finished)';
