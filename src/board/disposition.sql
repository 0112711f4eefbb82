-- The type cloudsat.disposition: how a reply relates to the work that its parent started. One byte, passed by
-- value. Operators and min/max are in pg_catalog for the reason given in address.sql.

CREATE TYPE cloudsat.disposition;

CREATE FUNCTION cloudsat.disposition_in(cstring) RETURNS cloudsat.disposition
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_in IS 'input';
CREATE FUNCTION cloudsat.disposition_out(cloudsat.disposition) RETURNS cstring
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_out IS 'output';
CREATE FUNCTION cloudsat.disposition_recv(internal) RETURNS cloudsat.disposition
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_recv IS 'binary input';
CREATE FUNCTION cloudsat.disposition_send(cloudsat.disposition) RETURNS bytea
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_send IS 'binary output';

CREATE TYPE cloudsat.disposition (
    INPUT = cloudsat.disposition_in, OUTPUT = cloudsat.disposition_out,
    RECEIVE = cloudsat.disposition_recv, SEND = cloudsat.disposition_send,
    INTERNALLENGTH = 1, PASSEDBYVALUE, ALIGNMENT = char, STORAGE = plain
);
COMMENT ON TYPE cloudsat.disposition IS
    'the state of the work that a reply reports: ignored, acknowledged, info, problem, belay, end, in this '
    'order';

CREATE FUNCTION cloudsat.disposition_lt(cloudsat.disposition, cloudsat.disposition) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_lt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_lt IS 'before (implementation of an operator)';
CREATE FUNCTION cloudsat.disposition_le(cloudsat.disposition, cloudsat.disposition) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_le' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_le IS 'before or equal (implementation of an operator)';
CREATE FUNCTION cloudsat.disposition_eq(cloudsat.disposition, cloudsat.disposition) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_eq' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_eq IS 'equal (implementation of an operator)';
CREATE FUNCTION cloudsat.disposition_ne(cloudsat.disposition, cloudsat.disposition) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_ne' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_ne IS 'not equal (implementation of an operator)';
CREATE FUNCTION cloudsat.disposition_ge(cloudsat.disposition, cloudsat.disposition) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_ge' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_ge IS 'after or equal (implementation of an operator)';
CREATE FUNCTION cloudsat.disposition_gt(cloudsat.disposition, cloudsat.disposition) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_gt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_gt IS 'after (implementation of an operator)';
CREATE FUNCTION cloudsat.disposition_cmp(cloudsat.disposition, cloudsat.disposition) RETURNS int4
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_cmp' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_cmp IS '-1, 0 or 1, for btree';
CREATE FUNCTION cloudsat.disposition_hash(cloudsat.disposition) RETURNS int4
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_hash' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_hash IS 'hash';
CREATE FUNCTION cloudsat.disposition_hash_extended(cloudsat.disposition, int8) RETURNS int8
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_hash_extended'
        LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_hash_extended IS 'hash with a seed';
CREATE FUNCTION cloudsat.disposition_smaller(cloudsat.disposition, cloudsat.disposition)
    RETURNS cloudsat.disposition
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_smaller' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_smaller IS 'the smaller one, for min';
CREATE FUNCTION cloudsat.disposition_larger(cloudsat.disposition, cloudsat.disposition)
    RETURNS cloudsat.disposition
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_larger' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_larger IS 'the larger one, for max';

CREATE OPERATOR pg_catalog.< (
    LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition, FUNCTION = cloudsat.disposition_lt,
    COMMUTATOR = >, NEGATOR = >=, RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR pg_catalog.< (cloudsat.disposition, cloudsat.disposition) IS 'before';
CREATE OPERATOR pg_catalog.<= (
    LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition, FUNCTION = cloudsat.disposition_le,
    COMMUTATOR = >=, NEGATOR = >, RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR pg_catalog.<= (cloudsat.disposition, cloudsat.disposition) IS 'before or equal';
CREATE OPERATOR pg_catalog.= (
    LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition, FUNCTION = cloudsat.disposition_eq,
    COMMUTATOR = =, NEGATOR = <>, RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR pg_catalog.= (cloudsat.disposition, cloudsat.disposition) IS 'equal';
CREATE OPERATOR pg_catalog.<> (
    LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition, FUNCTION = cloudsat.disposition_ne,
    COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR pg_catalog.<> (cloudsat.disposition, cloudsat.disposition) IS 'not equal';
CREATE OPERATOR pg_catalog.>= (
    LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition, FUNCTION = cloudsat.disposition_ge,
    COMMUTATOR = <=, NEGATOR = <, RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR pg_catalog.>= (cloudsat.disposition, cloudsat.disposition) IS 'after or equal';
CREATE OPERATOR pg_catalog.> (
    LEFTARG = cloudsat.disposition, RIGHTARG = cloudsat.disposition, FUNCTION = cloudsat.disposition_gt,
    COMMUTATOR = <, NEGATOR = <=, RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR pg_catalog.> (cloudsat.disposition, cloudsat.disposition) IS 'after';

CREATE OPERATOR CLASS cloudsat.disposition_ops DEFAULT FOR TYPE cloudsat.disposition USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
    FUNCTION 1 cloudsat.disposition_cmp(cloudsat.disposition, cloudsat.disposition),
    FUNCTION 4 btequalimage(oid);
COMMENT ON OPERATOR FAMILY cloudsat.disposition_ops USING btree IS 'order of cloudsat.disposition';
COMMENT ON OPERATOR CLASS cloudsat.disposition_ops USING btree IS 'order of cloudsat.disposition';

CREATE OPERATOR CLASS cloudsat.disposition_ops DEFAULT FOR TYPE cloudsat.disposition USING hash AS
    OPERATOR 1 =,
    FUNCTION 1 cloudsat.disposition_hash(cloudsat.disposition),
    FUNCTION 2 cloudsat.disposition_hash_extended(cloudsat.disposition, int8);
COMMENT ON OPERATOR FAMILY cloudsat.disposition_ops USING hash IS 'equality of cloudsat.disposition';
COMMENT ON OPERATOR CLASS cloudsat.disposition_ops USING hash IS 'equality of cloudsat.disposition';

CREATE AGGREGATE pg_catalog.min(cloudsat.disposition) (
    SFUNC = cloudsat.disposition_smaller, STYPE = cloudsat.disposition,
    COMBINEFUNC = cloudsat.disposition_smaller, SORTOP = <, PARALLEL = SAFE
);
COMMENT ON AGGREGATE pg_catalog.min(cloudsat.disposition) IS 'the first of all dispositions';
CREATE AGGREGATE pg_catalog.max(cloudsat.disposition) (
    SFUNC = cloudsat.disposition_larger, STYPE = cloudsat.disposition,
    COMBINEFUNC = cloudsat.disposition_larger, SORTOP = >, PARALLEL = SAFE
);
COMMENT ON AGGREGATE pg_catalog.max(cloudsat.disposition) IS 'the last of all dispositions';

CREATE FUNCTION cloudsat.disposition_from_text(text) RETURNS cloudsat.disposition
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_from_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_from_text IS 'converts text to a disposition';
CREATE FUNCTION cloudsat.disposition_to_text(cloudsat.disposition) RETURNS text
    AS 'MODULE_PATHNAME', 'cloudsat_disposition_to_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.disposition_to_text IS 'the name of the disposition';
CREATE CAST (text AS cloudsat.disposition) WITH FUNCTION cloudsat.disposition_from_text AS ASSIGNMENT;
COMMENT ON CAST (text AS cloudsat.disposition) IS 'reads a disposition';
CREATE CAST (varchar AS cloudsat.disposition) WITH FUNCTION cloudsat.disposition_from_text AS ASSIGNMENT;
COMMENT ON CAST (varchar AS cloudsat.disposition) IS 'reads a disposition';
CREATE CAST (cloudsat.disposition AS text) WITH FUNCTION cloudsat.disposition_to_text AS ASSIGNMENT;
COMMENT ON CAST (cloudsat.disposition AS text) IS 'prints a disposition';
CREATE CAST (cloudsat.disposition AS varchar) WITH FUNCTION cloudsat.disposition_to_text AS ASSIGNMENT;
COMMENT ON CAST (cloudsat.disposition AS varchar) IS 'prints a disposition';

CREATE FUNCTION cloudsat.is_final(disposition cloudsat.disposition) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_is_final' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.is_final IS
    'whether such a reply ends the work: problem (failed), belay (cancelled) or end (finished)';
