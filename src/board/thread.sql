-- Walking threads. These functions read the board's table themselves: whoever may execute them may read it.

CREATE FUNCTION cloudsat.thread(start pg_catalog.uuid)
    RETURNS TABLE (path pg_catalog.uuid[], depth pg_catalog.int4, uuid pg_catalog.uuid,
                   "timestamp" pg_catalog.timestamptz, poster cloudsat.address, chan cloudsat.address,
                   disposition cloudsat.disposition, message pg_catalog.text, parent_gone pg_catalog.bool)
    AS 'MODULE_PATHNAME', 'cloudsat_thread' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.thread(pg_catalog.uuid) IS
    'a message and all replies under it, depth-first, siblings in uuid order; replies whose parent has been cleaned up say parent_gone';

CREATE FUNCTION cloudsat.thread_text(start pg_catalog.uuid) RETURNS pg_catalog.text
    AS 'MODULE_PATHNAME', 'cloudsat_thread_text' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.thread_text(pg_catalog.uuid) IS
    'a message and all replies under it, drawn as an indented tree with one line for each';

CREATE FUNCTION cloudsat.root(start pg_catalog.uuid) RETURNS pg_catalog.uuid
    AS 'MODULE_PATHNAME', 'cloudsat_root' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.root(pg_catalog.uuid) IS
    'the message that started the thread of this one: itself, when it is no reply; null for an unknown uuid';

CREATE FUNCTION cloudsat.ancestors(start pg_catalog.uuid)
    RETURNS TABLE (distance pg_catalog.int4, uuid pg_catalog.uuid, "timestamp" pg_catalog.timestamptz,
                   poster cloudsat.address, chan cloudsat.address, disposition cloudsat.disposition,
                   message pg_catalog.text, parent_gone pg_catalog.bool)
    AS 'MODULE_PATHNAME', 'cloudsat_ancestors' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION cloudsat.ancestors(pg_catalog.uuid) IS
    'the messages above a reply, from its parent (distance 1) up to the root, or to the last one that is still there (parent_gone)';

CREATE FUNCTION cloudsat.children(start pg_catalog.uuid)
    RETURNS TABLE (uuid pg_catalog.uuid, "timestamp" pg_catalog.timestamptz, poster cloudsat.address,
                   chan cloudsat.address, disposition cloudsat.disposition, message pg_catalog.text)
    AS 'MODULE_PATHNAME', 'cloudsat_children' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION cloudsat.children(pg_catalog.uuid) IS 'the direct replies to a message, in uuid order';
