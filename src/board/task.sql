-- Tasks: the state of a message's work, from the dispositions of the replies under it. These functions read
-- the board's table themselves: a role that may execute them may read it.

CREATE FUNCTION cloudsat.participants(root uuid)
    RETURNS TABLE (poster cloudsat.address, state cloudsat.disposition, since timestamptz, last uuid,
                   replies int8, taken_up timestamptz, belayed_by uuid)
    AS 'MODULE_PATHNAME', 'cloudsat_participants' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION cloudsat.participants IS
    'the addresses that replied to a message or under it, each with their last disposition other than info, '
    'and the belay that cancelled their work';

-- Neither STRICT nor a SET clause, so that the planner inlines the body; no search_path changes its meaning.
CREATE FUNCTION cloudsat.acknowledgments(root uuid) RETURNS SETOF cloudsat.address
    LANGUAGE sql STABLE PARALLEL SAFE COST 100 ROWS 10
BEGIN ATOMIC
    SELECT p.poster FROM cloudsat.participants(root) AS p WHERE p.taken_up IS NOT NULL;
END;
COMMENT ON FUNCTION cloudsat.acknowledgments IS 'the addresses that took up a task, whatever the result';

CREATE FUNCTION cloudsat.failed(root uuid) RETURNS SETOF cloudsat.address
    LANGUAGE sql STABLE PARALLEL SAFE COST 100 ROWS 10
BEGIN ATOMIC
    SELECT p.poster FROM cloudsat.participants(root) AS p WHERE p.state = 'problem';
END;
COMMENT ON FUNCTION cloudsat.failed IS 'the addresses whose last disposition on a task is problem';

CREATE FUNCTION cloudsat.incomplete(root uuid) RETURNS SETOF cloudsat.address
    LANGUAGE sql STABLE PARALLEL SAFE COST 100 ROWS 10
BEGIN ATOMIC
    SELECT p.poster FROM cloudsat.participants(root) AS p
     WHERE p.state = 'acknowledged' AND p.belayed_by IS NULL;
END;
COMMENT ON FUNCTION cloudsat.incomplete IS
    'the addresses that work on a task: acknowledged, and neither failed, ended nor belayed';

CREATE FUNCTION cloudsat.task(root uuid)
    RETURNS TABLE (state cloudsat.disposition, participants int8, working int8, ended int8, failed int8,
                   belayed int8, ignored int8, informed int8, replies int8, first_activity timestamptz,
                   last_activity timestamptz)
    AS 'MODULE_PATHNAME', 'cloudsat_task' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100 ROWS 1;
COMMENT ON FUNCTION cloudsat.task IS
    'the state of a message''s work and its participants by stage; one row, or none if neither the message '
    'nor a reply exists';

-- The function runs only for rows left by the conditions on the message; a condition on uuid excludes whole
-- partitions.
CREATE VIEW cloudsat.tasks AS
    SELECT m.uuid, m."timestamp", m.poster, m.chan, m.message, t.state, t.participants, t.working, t.ended,
           t.failed, t.belayed, t.ignored, t.informed, t.replies, t.last_activity
      FROM cloudsat.messages AS m, LATERAL cloudsat.task(m.uuid) AS t
     WHERE m.before IS NULL;
COMMENT ON VIEW cloudsat.tasks IS
    'every thread as a task: the message that started it and the state of its work; restrict it by uuid';
COMMENT ON COLUMN cloudsat.tasks.uuid IS 'the message that started the thread';
COMMENT ON COLUMN cloudsat.tasks."timestamp" IS 'when it was posted, taken from the uuid';
COMMENT ON COLUMN cloudsat.tasks.poster IS 'the address that posted it';
COMMENT ON COLUMN cloudsat.tasks.chan IS 'the channel it was posted to';
COMMENT ON COLUMN cloudsat.tasks.message IS 'the text';
COMMENT ON COLUMN cloudsat.tasks.state IS
    'acknowledged while a participant works on it; else the latest of problem, belay and end; else ignored, '
    'or null';
COMMENT ON COLUMN cloudsat.tasks.participants IS
    'number of addresses that replied: the sum of the next six columns';
COMMENT ON COLUMN cloudsat.tasks.working IS
    'number that acknowledged, and neither failed, ended nor were belayed';
COMMENT ON COLUMN cloudsat.tasks.ended IS 'number whose last disposition is end';
COMMENT ON COLUMN cloudsat.tasks.failed IS 'number whose last disposition is problem';
COMMENT ON COLUMN cloudsat.tasks.belayed IS 'number that cancelled, or were cancelled after taking it up';
COMMENT ON COLUMN cloudsat.tasks.ignored IS 'number whose last disposition is ignored';
COMMENT ON COLUMN cloudsat.tasks.informed IS 'number that said only info';
COMMENT ON COLUMN cloudsat.tasks.replies IS 'number of replies in the whole thread';
COMMENT ON COLUMN cloudsat.tasks.last_activity IS 'when the last message of the thread was posted';
