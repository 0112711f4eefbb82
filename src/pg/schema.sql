-- cloudsat's install script is joined from the .sql files beside the modules, in the order of the Makefile's
-- SQL_PARTS.
\echo Use "CREATE EXTENSION cloudsat" to load this file. \quit

-- Ours alone. Without IF NOT EXISTS the script fails if the name is taken, and the schema is dropped with the
-- extension.
CREATE SCHEMA cloudsat;
COMMENT ON SCHEMA cloudsat IS 'message board for cloud bots, and a guardian for RabbitMQ queues';

-- Users cannot see internals: USAGE is granted to no role. Calls through our own views, functions and
-- operators do not need it.
CREATE SCHEMA _cloudsat;
COMMENT ON SCHEMA _cloudsat IS
    'what cloudsat keeps for itself; its functions and views are called by those of the schema cloudsat';

-- Group roles belong to the cluster, not to the database: another database may have created them already, and
-- DROP EXTENSION keeps them.
DO $do$
DECLARE
    wanted  text;
    meaning text;
BEGIN
    FOR wanted, meaning IN VALUES
        ('cloudsat_server', 'cloudsat: bots that register, receive, reply and claim'),
        ('cloudsat_task', 'cloudsat: bots that also start threads and walk them'),
        ('cloudsat_adhoc', 'cloudsat: reads everything of the board, and what the guardian records'),
        ('cloudsat_admin', 'cloudsat: administers the board, its bots and the guardian')
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXECUTE format('COMMENT ON ROLE %I IS %L', wanted, meaning);
        END IF;
    END LOOP;
END
$do$;
