-- The type cloudsat.address: a domain name with or without a local part, or the root "." for everyone.
-- Operators and min/max are in pg_catalog, because users write them without a schema. In cloudsat, `a <@ b`
-- would depend on the caller's search_path.

CREATE TYPE cloudsat.address;

CREATE FUNCTION cloudsat.address_in(cstring) RETURNS cloudsat.address
    AS 'MODULE_PATHNAME', 'cloudsat_address_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_in IS 'input';
CREATE FUNCTION cloudsat.address_out(cloudsat.address) RETURNS cstring
    AS 'MODULE_PATHNAME', 'cloudsat_address_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_out IS 'output';
CREATE FUNCTION cloudsat.address_recv(internal) RETURNS cloudsat.address
    AS 'MODULE_PATHNAME', 'cloudsat_address_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_recv IS 'binary input';
CREATE FUNCTION cloudsat.address_send(cloudsat.address) RETURNS bytea
    AS 'MODULE_PATHNAME', 'cloudsat_address_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_send IS 'binary output';

-- A varlena that holds the key (src/core/board/address.hpp). Keys are short: they are compressed or moved out
-- of line only if a row would not fit a page otherwise.
CREATE TYPE cloudsat.address (
    INPUT = cloudsat.address_in, OUTPUT = cloudsat.address_out,
    RECEIVE = cloudsat.address_recv, SEND = cloudsat.address_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = main, COLLATABLE = false
);
COMMENT ON TYPE cloudsat.address IS
    'a domain name that may have a local part (app@i-42.example.com), or the root "."';

CREATE FUNCTION cloudsat.address_lt(cloudsat.address, cloudsat.address) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_address_lt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_lt IS 'before (implementation of an operator)';
CREATE FUNCTION cloudsat.address_le(cloudsat.address, cloudsat.address) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_address_le' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_le IS 'before or equal (implementation of an operator)';
CREATE FUNCTION cloudsat.address_eq(cloudsat.address, cloudsat.address) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_address_eq' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_eq IS 'equal (implementation of an operator)';
CREATE FUNCTION cloudsat.address_ne(cloudsat.address, cloudsat.address) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_address_ne' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_ne IS 'not equal (implementation of an operator)';
CREATE FUNCTION cloudsat.address_ge(cloudsat.address, cloudsat.address) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_address_ge' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_ge IS 'after or equal (implementation of an operator)';
CREATE FUNCTION cloudsat.address_gt(cloudsat.address, cloudsat.address) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_address_gt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_gt IS 'after (implementation of an operator)';
CREATE FUNCTION cloudsat.address_cmp(cloudsat.address, cloudsat.address) RETURNS int4
    AS 'MODULE_PATHNAME', 'cloudsat_address_cmp' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_cmp IS '-1, 0 or 1, for btree';
CREATE FUNCTION cloudsat.address_sortsupport(internal) RETURNS void
    AS 'MODULE_PATHNAME', 'cloudsat_address_sortsupport' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_sortsupport IS 'sort support, for btree';
CREATE FUNCTION cloudsat.address_hash(cloudsat.address) RETURNS int4
    AS 'MODULE_PATHNAME', 'cloudsat_address_hash' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_hash IS 'hash';
CREATE FUNCTION cloudsat.address_hash_extended(cloudsat.address, int8) RETURNS int8
    AS 'MODULE_PATHNAME', 'cloudsat_address_hash_extended'
        LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_hash_extended IS 'hash with a seed';
CREATE FUNCTION cloudsat.address_smaller(cloudsat.address, cloudsat.address) RETURNS cloudsat.address
    AS 'MODULE_PATHNAME', 'cloudsat_address_smaller' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_smaller IS 'the smaller one, for min';
CREATE FUNCTION cloudsat.address_larger(cloudsat.address, cloudsat.address) RETURNS cloudsat.address
    AS 'MODULE_PATHNAME', 'cloudsat_address_larger' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_larger IS 'the larger one, for max';

CREATE OPERATOR pg_catalog.< (
    LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address, FUNCTION = cloudsat.address_lt,
    COMMUTATOR = >, NEGATOR = >=, RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR pg_catalog.< (cloudsat.address, cloudsat.address) IS 'before, in hierarchical order';
CREATE OPERATOR pg_catalog.<= (
    LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address, FUNCTION = cloudsat.address_le,
    COMMUTATOR = >=, NEGATOR = >, RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR pg_catalog.<= (cloudsat.address, cloudsat.address) IS
    'before in hierarchical order, or equal';
CREATE OPERATOR pg_catalog.= (
    LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address, FUNCTION = cloudsat.address_eq,
    COMMUTATOR = =, NEGATOR = <>, RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR pg_catalog.= (cloudsat.address, cloudsat.address) IS 'equal';
CREATE OPERATOR pg_catalog.<> (
    LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address, FUNCTION = cloudsat.address_ne,
    COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR pg_catalog.<> (cloudsat.address, cloudsat.address) IS 'not equal';
CREATE OPERATOR pg_catalog.>= (
    LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address, FUNCTION = cloudsat.address_ge,
    COMMUTATOR = <=, NEGATOR = <, RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR pg_catalog.>= (cloudsat.address, cloudsat.address) IS
    'after in hierarchical order, or equal';
CREATE OPERATOR pg_catalog.> (
    LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address, FUNCTION = cloudsat.address_gt,
    COMMUTATOR = <, NEGATOR = <=, RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR pg_catalog.> (cloudsat.address, cloudsat.address) IS 'after, in hierarchical order';

CREATE OPERATOR CLASS cloudsat.address_ops DEFAULT FOR TYPE cloudsat.address USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
    FUNCTION 1 cloudsat.address_cmp(cloudsat.address, cloudsat.address),
    FUNCTION 2 cloudsat.address_sortsupport(internal),
    FUNCTION 4 btequalimage(oid);
COMMENT ON OPERATOR FAMILY cloudsat.address_ops USING btree IS 'order of cloudsat.address';
COMMENT ON OPERATOR CLASS cloudsat.address_ops USING btree IS 'order of cloudsat.address';

CREATE OPERATOR CLASS cloudsat.address_ops DEFAULT FOR TYPE cloudsat.address USING hash AS
    OPERATOR 1 =,
    FUNCTION 1 cloudsat.address_hash(cloudsat.address),
    FUNCTION 2 cloudsat.address_hash_extended(cloudsat.address, int8);
COMMENT ON OPERATOR FAMILY cloudsat.address_ops USING hash IS 'equality of cloudsat.address';
COMMENT ON OPERATOR CLASS cloudsat.address_ops USING hash IS 'equality of cloudsat.address';

CREATE AGGREGATE pg_catalog.min(cloudsat.address) (
    SFUNC = cloudsat.address_smaller, STYPE = cloudsat.address,
    COMBINEFUNC = cloudsat.address_smaller, SORTOP = <, PARALLEL = SAFE
);
COMMENT ON AGGREGATE pg_catalog.min(cloudsat.address) IS 'the first of all addresses in hierarchical order';
CREATE AGGREGATE pg_catalog.max(cloudsat.address) (
    SFUNC = cloudsat.address_larger, STYPE = cloudsat.address,
    COMBINEFUNC = cloudsat.address_larger, SORTOP = >, PARALLEL = SAFE
);
COMMENT ON AGGREGATE pg_catalog.max(cloudsat.address) IS 'the last of all addresses in hierarchical order';

CREATE FUNCTION cloudsat.address_from_text(text) RETURNS cloudsat.address
    AS 'MODULE_PATHNAME', 'cloudsat_address_from_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_from_text IS 'converts text to an address';
CREATE FUNCTION cloudsat.address_to_text(cloudsat.address) RETURNS text
    AS 'MODULE_PATHNAME', 'cloudsat_address_to_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.address_to_text IS 'converts an address to its canonical text';
CREATE CAST (text AS cloudsat.address) WITH FUNCTION cloudsat.address_from_text AS ASSIGNMENT;
COMMENT ON CAST (text AS cloudsat.address) IS 'reads an address';
CREATE CAST (varchar AS cloudsat.address) WITH FUNCTION cloudsat.address_from_text AS ASSIGNMENT;
COMMENT ON CAST (varchar AS cloudsat.address) IS 'reads an address';
CREATE CAST (cloudsat.address AS text) WITH FUNCTION cloudsat.address_to_text AS ASSIGNMENT;
COMMENT ON CAST (cloudsat.address AS text) IS 'prints an address';
CREATE CAST (cloudsat.address AS varchar) WITH FUNCTION cloudsat.address_to_text AS ASSIGNMENT;
COMMENT ON CAST (cloudsat.address AS varchar) IS 'prints an address';

-- Subtrees. The planner turns `column <@ X` into the index range column >= _cloudsat.subtree_start(X) AND
-- column < _cloudsat.subtree_end(X), and `column @> X` into column = ANY (suffixes(X)).
CREATE FUNCTION _cloudsat.within_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'cloudsat_within_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.within_support IS 'planner support of address_within';
CREATE FUNCTION _cloudsat.contains_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'cloudsat_contains_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.contains_support IS 'planner support of address_contains';
CREATE FUNCTION _cloudsat.within_restriction(internal, oid, internal, int4) RETURNS float8
    AS 'MODULE_PATHNAME', 'cloudsat_within_restriction' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.within_restriction IS 'restriction selectivity of <@';
CREATE FUNCTION _cloudsat.within_join(internal, oid, internal, int2, internal) RETURNS float8
    AS 'MODULE_PATHNAME', 'cloudsat_within_join' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.within_join IS 'join selectivity of <@';
CREATE FUNCTION _cloudsat.contains_restriction(internal, oid, internal, int4) RETURNS float8
    AS 'MODULE_PATHNAME', 'cloudsat_contains_restriction' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.contains_restriction IS 'restriction selectivity of @>';
CREATE FUNCTION _cloudsat.contains_join(internal, oid, internal, int2, internal) RETURNS float8
    AS 'MODULE_PATHNAME', 'cloudsat_contains_join' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.contains_join IS 'join selectivity of @>';
CREATE FUNCTION cloudsat.address_within(address cloudsat.address, container cloudsat.address) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_address_within' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE
    SUPPORT _cloudsat.within_support;
COMMENT ON FUNCTION cloudsat.address_within IS 'whether the address is the container or lies under it';
CREATE FUNCTION cloudsat.address_contains(container cloudsat.address, address cloudsat.address) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_address_contains' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE
    SUPPORT _cloudsat.contains_support;
COMMENT ON FUNCTION cloudsat.address_contains IS 'whether the address is the container or lies under it';
CREATE OPERATOR pg_catalog.<@ (
    LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address, FUNCTION = cloudsat.address_within,
    COMMUTATOR = @>, RESTRICT = _cloudsat.within_restriction, JOIN = _cloudsat.within_join
);
COMMENT ON OPERATOR pg_catalog.<@ (cloudsat.address, cloudsat.address) IS
    'is the same address or lies under it';
CREATE OPERATOR pg_catalog.@> (
    LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address, FUNCTION = cloudsat.address_contains,
    COMMUTATOR = <@, RESTRICT = _cloudsat.contains_restriction, JOIN = _cloudsat.contains_join
);
COMMENT ON OPERATOR pg_catalog.@> (cloudsat.address, cloudsat.address) IS
    'is the same address or lies above it';

-- The bounds of such a range. The end is not an address, so bounds have a type of their own without input and
-- output, which keeps them out of columns. These functions must stay executable by every role that may read
-- the column.
CREATE TYPE _cloudsat.bound;
CREATE FUNCTION _cloudsat.bound_in(cstring) RETURNS _cloudsat.bound
    AS 'MODULE_PATHNAME', 'cloudsat_bound_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.bound_in IS 'refuses all input';
CREATE FUNCTION _cloudsat.bound_out(_cloudsat.bound) RETURNS cstring
    AS 'MODULE_PATHNAME', 'cloudsat_bound_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.bound_out IS 'refuses all output';
CREATE TYPE _cloudsat.bound (
    INPUT = _cloudsat.bound_in, OUTPUT = _cloudsat.bound_out,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = plain
);
COMMENT ON TYPE _cloudsat.bound IS 'internal: start or end of the index range of a subtree';
CREATE FUNCTION _cloudsat.subtree_start(cloudsat.address) RETURNS _cloudsat.bound
    AS 'MODULE_PATHNAME', 'cloudsat_subtree_start' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.subtree_start IS 'internal: the first key of the subtree, for index conditions';
CREATE FUNCTION _cloudsat.subtree_end(cloudsat.address) RETURNS _cloudsat.bound
    AS 'MODULE_PATHNAME', 'cloudsat_subtree_end' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.subtree_end IS
    'internal: the end of the subtree, after all its keys, for index conditions';
CREATE FUNCTION _cloudsat.bound_cmp(cloudsat.address, _cloudsat.bound) RETURNS int4
    AS 'MODULE_PATHNAME', 'cloudsat_address_cmp' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.bound_cmp IS 'internal: -1, 0 or 1, for btree';
CREATE FUNCTION _cloudsat.bound_ge(cloudsat.address, _cloudsat.bound) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_address_ge' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.bound_ge IS 'internal: not before the bound';
CREATE FUNCTION _cloudsat.bound_lt(cloudsat.address, _cloudsat.bound) RETURNS bool
    AS 'MODULE_PATHNAME', 'cloudsat_address_lt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.bound_lt IS 'internal: before the bound';
CREATE FUNCTION _cloudsat.range_start_restriction(internal, oid, internal, int4) RETURNS float8
    AS 'MODULE_PATHNAME', 'cloudsat_range_start_restriction' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.range_start_restriction IS
    'internal: selectivity of the range that starts here';
CREATE FUNCTION _cloudsat.range_end_restriction(internal, oid, internal, int4) RETURNS float8
    AS 'MODULE_PATHNAME', 'cloudsat_range_end_restriction' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION _cloudsat.range_end_restriction IS
    'internal: always 1, because the estimate for the start covers the whole range';
CREATE OPERATOR pg_catalog.>= (
    LEFTARG = cloudsat.address, RIGHTARG = _cloudsat.bound, FUNCTION = _cloudsat.bound_ge,
    RESTRICT = _cloudsat.range_start_restriction
);
COMMENT ON OPERATOR pg_catalog.>= (cloudsat.address, _cloudsat.bound) IS 'internal: not before the bound';
CREATE OPERATOR pg_catalog.< (
    LEFTARG = cloudsat.address, RIGHTARG = _cloudsat.bound, FUNCTION = _cloudsat.bound_lt,
    RESTRICT = _cloudsat.range_end_restriction
);
COMMENT ON OPERATOR pg_catalog.< (cloudsat.address, _cloudsat.bound) IS 'internal: before the bound';
-- Only what the two conditions need. The server's amvalidate() also expects the other comparisons with a
-- bound in the family, but no query uses them. An index scan that combines conditions of both types checks
-- each one separately.
ALTER OPERATOR FAMILY cloudsat.address_ops USING btree ADD
    OPERATOR 1 < (cloudsat.address, _cloudsat.bound),
    OPERATOR 4 >= (cloudsat.address, _cloudsat.bound),
    FUNCTION 1 (cloudsat.address, _cloudsat.bound) _cloudsat.bound_cmp(cloudsat.address, _cloudsat.bound);

-- The functions on addresses.
CREATE FUNCTION cloudsat.suffixes(address cloudsat.address) RETURNS cloudsat.address[]
    AS 'MODULE_PATHNAME', 'cloudsat_suffixes' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.suffixes(cloudsat.address) IS
    'the address itself and all its ancestors, the root last';
-- Without this one, suffixes('h.x.y') would be ambiguous.
CREATE FUNCTION cloudsat.suffixes(address text) RETURNS cloudsat.address[]
    AS 'MODULE_PATHNAME', 'cloudsat_suffixes_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.suffixes(text) IS 'the same for an address given as text';
CREATE FUNCTION cloudsat.suffixes(addresses cloudsat.address[]) RETURNS cloudsat.address[]
    AS 'MODULE_PATHNAME', 'cloudsat_suffixes_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.suffixes(cloudsat.address[]) IS
    'the addresses themselves and all their ancestors, each once, in descending order (the root last)';
CREATE FUNCTION cloudsat.parent(address cloudsat.address) RETURNS cloudsat.address
    AS 'MODULE_PATHNAME', 'cloudsat_parent' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.parent IS 'the parent address; null for the root';
CREATE FUNCTION cloudsat.domain(address cloudsat.address) RETURNS cloudsat.address
    AS 'MODULE_PATHNAME', 'cloudsat_domain' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.domain IS 'the address without its local part';
CREATE FUNCTION cloudsat.local(address cloudsat.address) RETURNS text
    AS 'MODULE_PATHNAME', 'cloudsat_local' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.local IS 'the local part; null if there is none';
CREATE FUNCTION cloudsat.depth(address cloudsat.address) RETURNS int4
    AS 'MODULE_PATHNAME', 'cloudsat_depth' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.depth IS 'number of steps to the root';
CREATE FUNCTION cloudsat.common_ancestor(a cloudsat.address, b cloudsat.address) RETURNS cloudsat.address
    AS 'MODULE_PATHNAME', 'cloudsat_common_ancestor' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.common_ancestor IS 'the deepest address that contains both';
CREATE FUNCTION cloudsat.channel(address cloudsat.address) RETURNS text
    AS 'MODULE_PATHNAME', 'cloudsat_channel' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.channel IS
    'the channel to LISTEN on for messages to this address, at most 63 octets';
