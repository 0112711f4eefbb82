-- Why the guardian treats a queue as it does, and what it would do next.

CREATE FUNCTION cloudsat.explain_queue(server pg_catalog.text, vhost pg_catalog.text, name pg_catalog.text,
    OUT item pg_catalog.text, OUT value pg_catalog.text, OUT detail pg_catalog.text) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'cloudsat_explain_queue' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 30;
COMMENT ON FUNCTION cloudsat.explain_queue(pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
    'which rules a queue is under and where they come from, how it stands and why, and what the next poll and each size would bring; also of a queue that does not exist';
