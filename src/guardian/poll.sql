-- Status of polling, one row per broker; and a function for polling manually.

CREATE TABLE cloudsat.polls (
    server               pg_catalog.text NOT NULL PRIMARY KEY,
    home                 pg_catalog.text NOT NULL,
    enforce_home         pg_catalog.text NOT NULL,
    enforce_held_back    pg_catalog.bool NOT NULL DEFAULT false,
    cycle                pg_catalog.int8 NOT NULL DEFAULT 0,
    last_poll            pg_catalog.timestamptz,
    last_success         pg_catalog.timestamptz,
    next_poll            pg_catalog.timestamptz,
    up_since             pg_catalog.timestamptz,
    fetch_ms             pg_catalog.float8,
    record_ms            pg_catalog.float8,
    bytes                pg_catalog.int8,
    queues               pg_catalog.int8,
    unusable             pg_catalog.int8 NOT NULL DEFAULT 0,
    consecutive_failures pg_catalog.int4 NOT NULL DEFAULT 0,
    last_error_kind      pg_catalog.text,
    last_error           pg_catalog.text,
    last_error_at        pg_catalog.timestamptz,
    missing              pg_catalog.int8 NOT NULL DEFAULT 0,
    missing_polls        pg_catalog.int4 NOT NULL DEFAULT 0,
    missing_since        pg_catalog.timestamptz,
    names_at             pg_catalog.timestamptz,
    bindings_at          pg_catalog.timestamptz,
    users_at             pg_catalog.timestamptz,
    rules                pg_catalog.text
) WITH (fillfactor = 50);
COMMENT ON TABLE cloudsat.polls IS 'status of polling, one row per broker';
COMMENT ON COLUMN cloudsat.polls.server IS 'name of the foreign server';
COMMENT ON COLUMN cloudsat.polls.home IS
    'cluster, database and oid of the foreign server; identifies it after a rename';
COMMENT ON COLUMN cloudsat.polls.enforce_home IS
    'cluster and database in which enforce was set or confirmed; in any other, enforce is held back';
COMMENT ON COLUMN cloudsat.polls.enforce_held_back IS
    'enforce is on for the server but has no effect here until confirm_enforce()';
COMMENT ON COLUMN cloudsat.polls.cycle IS 'number of polls so far';
COMMENT ON COLUMN cloudsat.polls.last_poll IS 'when the last poll began';
COMMENT ON COLUMN cloudsat.polls.last_success IS
    'when the last poll that saw the whole broker began: queues that are not marked as gone existed then';
COMMENT ON COLUMN cloudsat.polls.next_poll IS 'when the guard polls next';
COMMENT ON COLUMN cloudsat.polls.up_since IS
    'when the broker was first reached after a failure; decisions are suspended for 15 s';
COMMENT ON COLUMN cloudsat.polls.fetch_ms IS
    'time in milliseconds that the broker took to serve the documents of the last poll';
COMMENT ON COLUMN cloudsat.polls.record_ms IS 'time in milliseconds that recording and judging took';
COMMENT ON COLUMN cloudsat.polls.bytes IS 'bytes fetched by the last poll';
COMMENT ON COLUMN cloudsat.polls.queues IS 'queues seen by the last complete poll';
COMMENT ON COLUMN cloudsat.polls.unusable IS
    'rows of the last complete poll that could not be stored: empty or overlong names, unreadable samples';
COMMENT ON COLUMN cloudsat.polls.consecutive_failures IS
    'failed polls in a row; at least 3 if no guard polled the broker for three intervals; 0 if the last '
    'poll succeeded';
COMMENT ON COLUMN cloudsat.polls.last_error_kind IS
    'kind of the last failure; unguarded if no guard polled the broker';
COMMENT ON COLUMN cloudsat.polls.last_error IS 'message of the last failure';
COMMENT ON COLUMN cloudsat.polls.last_error_at IS 'time of the last failure';
COMMENT ON COLUMN cloudsat.polls.missing IS 'absent queues, if too many at once to be believed yet';
COMMENT ON COLUMN cloudsat.polls.missing_polls IS 'polls in a row with too many absent queues';
COMMENT ON COLUMN cloudsat.polls.missing_since IS 'time of the first of those polls';
COMMENT ON COLUMN cloudsat.polls.names_at IS 'when the names and arguments of all queues were last read';
COMMENT ON COLUMN cloudsat.polls.bindings_at IS 'when all bindings were last read';
COMMENT ON COLUMN cloudsat.polls.users_at IS
    'when the users of the broker were last listed, which happens only if the server has admins';
COMMENT ON COLUMN cloudsat.polls.rules IS
    'fingerprint of the limits, patterns and policies that the queues were last matched with';

SELECT pg_catalog.pg_extension_config_dump('cloudsat.polls', '');

CREATE FUNCTION cloudsat.poll(server pg_catalog.text,
    OUT queues pg_catalog.int8, OUT changed pg_catalog.int8, OUT events pg_catalog.int8,
        OUT bytes pg_catalog.int8,
    OUT fetch_ms pg_catalog.float8, OUT record_ms pg_catalog.float8) RETURNS record
    AS 'MODULE_PATHNAME', 'cloudsat_poll' LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER;
COMMENT ON FUNCTION cloudsat.poll(pg_catalog.text) IS
    'runs one poll of a broker in this session: acts on intentions of earlier transactions, fetches, '
    'records and judges; a fault of the broker is reported as a warning and in cloudsat.polls';
