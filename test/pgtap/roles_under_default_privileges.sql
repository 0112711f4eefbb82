-- The matrix of roles.sql once more, in a database whose default privileges give everything away: to PUBLIC and to a role,
-- everywhere and in the schemas of the extension, before it is created and after.
BEGIN;
CREATE EXTENSION IF NOT EXISTS cloudsat; -- so that there are its roles
DROP EXTENSION cloudsat;
CREATE ROLE cloudsat_crowd;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, cloudsat_crowd;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO cloudsat_server WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON ROUTINES TO cloudsat_crowd, cloudsat_server;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC, cloudsat_crowd, cloudsat_server;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO cloudsat_crowd, cloudsat_server;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC, cloudsat_crowd, cloudsat_server;
ALTER DEFAULT PRIVILEGES IN SCHEMA pg_catalog GRANT ALL ON ROUTINES TO cloudsat_crowd;
CREATE EXTENSION cloudsat;
ALTER DEFAULT PRIVILEGES IN SCHEMA cloudsat, _cloudsat GRANT SELECT ON TABLES TO PUBLIC, cloudsat_crowd, cloudsat_server;
ALTER DEFAULT PRIVILEGES IN SCHEMA cloudsat, _cloudsat GRANT ALL ON TYPES TO PUBLIC, cloudsat_crowd, cloudsat_server;
\ir roles.sql
