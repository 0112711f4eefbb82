-- The state of cloudsat's processes in all databases of the cluster.

CREATE FUNCTION _cloudsat.workers(OUT kind text, OUT database_oid oid, OUT server_oid oid, OUT server text,
                                  OUT pid integer, OUT state text, OUT since timestamptz,
                                  OUT started_at timestamptz, OUT rounds bigint, OUT failures integer,
                                  OUT last_error_at timestamptz, OUT last_error text, OUT note text)
    RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'cloudsat_workers';
COMMENT ON FUNCTION _cloudsat.workers IS 'the roster in shared memory, for worker_status';

CREATE VIEW cloudsat.worker_status AS
    SELECT w.kind, d.datname::text AS database, w.server, w.pid, w.state, w.since, w.started_at, w.rounds,
        w.failures, w.last_error_at, w.last_error, w.note
    FROM _cloudsat.workers() w
        LEFT JOIN pg_database d ON d.oid = w.database_oid;
COMMENT ON VIEW cloudsat.worker_status IS
    'cloudsat''s processes in the whole cluster: the supervisor, a launcher and a notifier per database, a '
    'guard per broker';
COMMENT ON COLUMN cloudsat.worker_status.kind IS 'supervisor, launcher, guard or notifier';
COMMENT ON COLUMN cloudsat.worker_status.database IS 'its database; null for the supervisor';
COMMENT ON COLUMN cloudsat.worker_status.server IS 'the broker that a guard watches';
COMMENT ON COLUMN cloudsat.worker_status.pid IS 'its process ID, as in pg_stat_activity';
COMMENT ON COLUMN cloudsat.worker_status.state IS
    'starting, waiting for the extension, idle (until its next round), working, failing (its last round '
    'failed; idle until the next attempt), or standing by (another guard watches its broker, or is about to)';
COMMENT ON COLUMN cloudsat.worker_status.since IS 'when it entered this state';
COMMENT ON COLUMN cloudsat.worker_status.started_at IS 'when the process began';
COMMENT ON COLUMN cloudsat.worker_status.rounds IS 'rounds of work since then, failed ones included';
COMMENT ON COLUMN cloudsat.worker_status.failures IS 'how many rounds failed in a row, up to the last';
COMMENT ON COLUMN cloudsat.worker_status.last_error_at IS 'when a round last failed';
COMMENT ON COLUMN cloudsat.worker_status.last_error IS
    'message of that error, truncated; the server log has all of it';
COMMENT ON COLUMN cloudsat.worker_status.note IS 'what prevents it from doing all its work; null: nothing';
