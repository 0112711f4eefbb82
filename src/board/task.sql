-- Tasks: what has become of a message, by the dispositions of the replies under it. These functions read the board's
-- table themselves: whoever may execute them may read it.

CREATE FUNCTION cloudsat.participants(root pg_catalog.uuid)
    RETURNS TABLE (poster cloudsat.address, state cloudsat.disposition, since pg_catalog.timestamptz,
                   last pg_catalog.uuid, replies pg_catalog.int8, taken_up pg_catalog.timestamptz,
                   belayed_by pg_catalog.uuid)
    AS 'MODULE_PATHNAME', 'cloudsat_participants' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION cloudsat.participants(pg_catalog.uuid) IS
    'who replied to a message or under it, each with the last of its dispositions other than info, and the belay that cancelled what it works on';

-- Neither STRICT nor a SET clause, so that the planner puts the body in their place; no search_path changes it.
CREATE FUNCTION cloudsat.acknowledgments(root pg_catalog.uuid) RETURNS SETOF cloudsat.address
    LANGUAGE sql STABLE PARALLEL SAFE COST 100 ROWS 10
BEGIN ATOMIC
    SELECT p.poster FROM cloudsat.participants(root) AS p WHERE p.taken_up IS NOT NULL;
END;
COMMENT ON FUNCTION cloudsat.acknowledgments(pg_catalog.uuid) IS 'who took a task up, whatever came of it';

CREATE FUNCTION cloudsat.failed(root pg_catalog.uuid) RETURNS SETOF cloudsat.address
    LANGUAGE sql STABLE PARALLEL SAFE COST 100 ROWS 10
BEGIN ATOMIC
    SELECT p.poster FROM cloudsat.participants(root) AS p WHERE p.state OPERATOR(pg_catalog.=) 'problem';
END;
COMMENT ON FUNCTION cloudsat.failed(pg_catalog.uuid) IS 'whose last word on a task is problem';

CREATE FUNCTION cloudsat.incomplete(root pg_catalog.uuid) RETURNS SETOF cloudsat.address
    LANGUAGE sql STABLE PARALLEL SAFE COST 100 ROWS 10
BEGIN ATOMIC
    SELECT p.poster FROM cloudsat.participants(root) AS p
     WHERE p.state OPERATOR(pg_catalog.=) 'acknowledged' AND p.belayed_by IS NULL;
END;
COMMENT ON FUNCTION cloudsat.incomplete(pg_catalog.uuid) IS
    'who took a task up and has neither failed, ended nor been belayed: who works on it';

CREATE FUNCTION cloudsat.task(root pg_catalog.uuid)
    RETURNS TABLE (state cloudsat.disposition, participants pg_catalog.int8, working pg_catalog.int8,
                   ended pg_catalog.int8, failed pg_catalog.int8, belayed pg_catalog.int8, ignored pg_catalog.int8,
                   informed pg_catalog.int8, replies pg_catalog.int8, first_activity pg_catalog.timestamptz,
                   last_activity pg_catalog.timestamptz)
    AS 'MODULE_PATHNAME', 'cloudsat_task' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 1;
COMMENT ON FUNCTION cloudsat.task(pg_catalog.uuid) IS
    'what has become of a message: its state, how many take part and how far they are; one row, none when there is neither the message nor a reply';

-- The function is asked only for what the conditions on the message leave over; those on uuid spare whole partitions.
CREATE VIEW cloudsat.tasks AS
    SELECT m.uuid, m."timestamp", m.poster, m.chan, m.message, t.state, t.participants, t.working, t.ended, t.failed,
           t.belayed, t.ignored, t.informed, t.replies, t.last_activity
      FROM cloudsat.messages AS m, LATERAL cloudsat.task(m.uuid) AS t
     WHERE m.before IS NULL;
COMMENT ON VIEW cloudsat.tasks IS 'every thread as a task: the message that started it, and what has become of it; bound it by uuid';
COMMENT ON COLUMN cloudsat.tasks.uuid IS 'the message that started the thread';
COMMENT ON COLUMN cloudsat.tasks."timestamp" IS 'when it was posted: the time in uuid';
COMMENT ON COLUMN cloudsat.tasks.poster IS 'who asks';
COMMENT ON COLUMN cloudsat.tasks.chan IS 'whom';
COMMENT ON COLUMN cloudsat.tasks.message IS 'for what';
COMMENT ON COLUMN cloudsat.tasks.state IS
    'acknowledged while somebody works on it; then the last that was said of problem, belay, end; else ignored, or null';
COMMENT ON COLUMN cloudsat.tasks.participants IS 'who replied: the sum of the six that follow';
COMMENT ON COLUMN cloudsat.tasks.working IS 'took it up, and have neither failed, ended nor been belayed';
COMMENT ON COLUMN cloudsat.tasks.ended IS 'whose last word is end';
COMMENT ON COLUMN cloudsat.tasks.failed IS 'whose last word is problem';
COMMENT ON COLUMN cloudsat.tasks.belayed IS 'who cancelled, or took it up and were cancelled';
COMMENT ON COLUMN cloudsat.tasks.ignored IS 'whose last word is ignored';
COMMENT ON COLUMN cloudsat.tasks.informed IS 'who said nothing but info';
COMMENT ON COLUMN cloudsat.tasks.replies IS 'in the whole thread';
COMMENT ON COLUMN cloudsat.tasks.last_activity IS 'when the last message of the thread was posted';
