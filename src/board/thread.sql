-- Walking threads. These functions read the board's table themselves: a role that may execute them may read
-- it.

-- Returns its rows one by one. In FROM, the server would first store them all; a function in a select list is
-- called row by row. So thread() is only a subquery, which the planner inlines. It is neither STRICT nor has
-- a SET clause, which would prevent that, and no search_path changes the meaning of its body.
-- in an order in which the executor finds columns fast
CREATE FUNCTION _cloudsat.thread(start uuid, OUT depth int4, OUT parent_gone bool, OUT uuid uuid,
                                 OUT "timestamp" timestamptz, OUT disposition cloudsat.disposition,
                                 OUT poster cloudsat.address, OUT chan cloudsat.address, OUT message text,
                                 OUT path uuid[])
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'cloudsat_thread' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION _cloudsat.thread IS 'the rows of cloudsat.thread';

CREATE FUNCTION cloudsat.thread(start uuid)
    RETURNS TABLE (path uuid[], depth int4, uuid uuid, "timestamp" timestamptz, poster cloudsat.address,
                   chan cloudsat.address, disposition cloudsat.disposition, message text, parent_gone bool)
    LANGUAGE sql STABLE PARALLEL SAFE COST 50
BEGIN ATOMIC
    SELECT (step).path, (step).depth, (step).uuid, (step)."timestamp", (step).poster, (step).chan,
           (step).disposition, (step).message, (step).parent_gone
      FROM (SELECT _cloudsat.thread(start) AS step) AS walk;
END;
COMMENT ON FUNCTION cloudsat.thread IS
    'a message and all replies under it, depth-first, siblings in uuid order; parent_gone marks replies '
    'whose parent was cleaned up';

CREATE FUNCTION cloudsat.thread_text(start uuid) RETURNS text
    AS 'MODULE_PATHNAME', 'cloudsat_thread_text' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.thread_text IS
    'a message and all replies under it, drawn as an indented tree with one line per message';

CREATE FUNCTION cloudsat.root(start uuid) RETURNS uuid
    AS 'MODULE_PATHNAME', 'cloudsat_root' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cloudsat.root IS
    'the message that started this one''s thread: itself if it is not a reply; null for an unknown uuid';

CREATE FUNCTION cloudsat.ancestors(start uuid)
    RETURNS TABLE (distance int4, uuid uuid, "timestamp" timestamptz, poster cloudsat.address,
                   chan cloudsat.address, disposition cloudsat.disposition, message text, parent_gone bool)
    AS 'MODULE_PATHNAME', 'cloudsat_ancestors' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION cloudsat.ancestors IS
    'the messages above a reply, from its parent (distance 1) up to the root, or to the last one that still '
    'exists (parent_gone)';

CREATE FUNCTION cloudsat.children(start uuid)
    RETURNS TABLE (uuid uuid, "timestamp" timestamptz, poster cloudsat.address, chan cloudsat.address,
                   disposition cloudsat.disposition, message text)
    AS 'MODULE_PATHNAME', 'cloudsat_children' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION cloudsat.children IS 'the direct replies to a message, in uuid order';
