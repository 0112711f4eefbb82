-- Explains how the guardian treats a queue and what it would do next.

CREATE FUNCTION cloudsat.explain_queue(server pg_catalog.text, vhost pg_catalog.text, name pg_catalog.text,
    OUT item pg_catalog.text, OUT value pg_catalog.text, OUT detail pg_catalog.text) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'cloudsat_explain_queue' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 30;
COMMENT ON FUNCTION cloudsat.explain_queue(pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
    'the rules that apply to a queue and their origin, its state and the reasons for it, and the outcome of '
    'the next poll and of each size; also for a queue that does not exist';
