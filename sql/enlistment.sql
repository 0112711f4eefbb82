-- Enlisting: who may be a bot, of which kind, and which addresses it may take; what a dismissal takes away. The roles
-- speak by SET ROLE here; test/t/043_identity.pl has real logins.
\set ON_ERROR_ROLLBACK on
BEGIN;
SET LOCAL cloudsat.notify = off;
CREATE ROLE regress_cloudsat_bot LOGIN;
CREATE ROLE "regress_cloudsat Bot" LOGIN;
CREATE ROLE regress_cloudsat_boss LOGIN IN ROLE cloudsat_admin;
CREATE FUNCTION pg_temp.refusal(statement text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
                            hint = PG_EXCEPTION_HINT;
END $$;
CREATE FUNCTION pg_temp.allowed(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text;
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    state := (pg_temp.refusal(statement)).state;
    RESET ROLE;
    RETURN state;
END $$;
CREATE TEMP VIEW members AS SELECT m.member::regrole AS member, m.roleid::regrole AS role
  FROM pg_auth_members AS m WHERE m.roleid::regrole::text LIKE 'cloudsat%' AND m.member::regrole::text LIKE '%regress%';
GRANT SELECT ON members TO PUBLIC;

-- membership alone is not enough to take an address
GRANT cloudsat_task TO regress_cloudsat_bot;
SET LOCAL ROLE regress_cloudsat_bot;
SELECT * FROM pg_temp.refusal($$SELECT cloudsat.register('{bot@h1.example.com}')$$) \gx
SELECT cloudsat.register('{}');
RESET ROLE;
REVOKE cloudsat_task FROM regress_cloudsat_bot;

-- several addresses, one kind; again is no change
SELECT cloudsat.enlist('regress_cloudsat_bot', 'server', 'h1.example.com') AS first,
       cloudsat.enlist('regress_cloudsat_bot', 'server', 'H1.example.com.') AS again,
       cloudsat.enlist('regress_cloudsat_bot', 'server', 'spare@h2.example.com') AS second,
       cloudsat.enlist('"regress_cloudsat Bot"', 'task', 'example.org') AS other;
SELECT role, kind, address, enlisted_by = current_user AS by_me FROM cloudsat.enlisted ORDER BY role::text COLLATE "C", address;
SELECT * FROM members ORDER BY member::text COLLATE "C";

-- the addresses and what lies under them
SET LOCAL ROLE regress_cloudsat_bot;
SELECT r.* FROM (VALUES (1, '{h1.example.com}'), (2, '{app@h1.example.com,vm.h1.example.com,spare@h2.example.com}'),
                        (3, '{example.com}'), (4, '{h2.example.com}'), (5, '{other@h2.example.com}'), (6, '{h11.example.com}'),
                        (7, '{h1.example.com,h2.example.com}'), (8, '{.}'), (9, '{example.org}')) AS v (n, addresses),
       pg_temp.refusal(format('SELECT cloudsat.register(%L)', addresses)) AS r ORDER BY n;
SELECT cloudsat.addresses(); -- of the second, the last one accepted
SET LOCAL ROLE "regress_cloudsat Bot";
SELECT cloudsat.register('{ops@example.org}');
SELECT hint FROM pg_temp.refusal($$SELECT cloudsat.register('{example.com}')$$);
RESET ROLE;

-- administrators and superusers take any
SET LOCAL ROLE regress_cloudsat_boss;
SELECT cloudsat.register('{any.example.net}');
RESET ROLE;
SELECT cloudsat.register('{any.example.net}');

-- who cannot be a bot, and other mistakes
CREATE ROLE regress_cloudsat_group;
CREATE ROLE regress_cloudsat_aloof LOGIN NOINHERIT;
SELECT r.* FROM (VALUES
    (1, $$SELECT cloudsat.enlist('regress_cloudsat_missing', 'task', '.')$$), (2, $$SELECT cloudsat.enlist('regress_cloudsat_group', 'task', '.')$$),
    (3, $$SELECT cloudsat.enlist('regress_cloudsat_aloof', 'task', '.')$$), (4, $$SELECT cloudsat.enlist('pg_monitor', 'task', '.')$$),
    (5, $$SELECT cloudsat.enlist('regress_cloudsat_bot', 'boss', '.')$$), (6, $$SELECT cloudsat.enlist('regress_cloudsat_bot', 'task', '.')$$),
    (7, $$SELECT cloudsat.enlist('regress_cloudsat_bot', 'server')$$), (8, $$SELECT cloudsat.enlist(NULL, 'task', '.')$$),
    (9, $$SELECT cloudsat.enlist('regress_cloudsat_bot', NULL, '.')$$), (10, $$SELECT cloudsat.dismiss(NULL)$$),
    (11, $$SELECT cloudsat.enlist('1'::regrole, 'task', '.')$$))
    AS v (n, statement), pg_temp.refusal(statement) AS r ORDER BY n;
CREATE ROLE regress_cloudsat_super LOGIN SUPERUSER;
SELECT * FROM pg_temp.refusal($$SELECT cloudsat.enlist('regress_cloudsat_super', 'task', '.')$$);

-- an administrator enlists, but makes and unmakes administrators only with admin option
CREATE ROLE regress_cloudsat_new LOGIN;
SET LOCAL ROLE regress_cloudsat_boss;
SELECT cloudsat.enlist('regress_cloudsat_new', 'adhoc');
SELECT cloudsat.dismiss('regress_cloudsat_new');
SELECT * FROM pg_temp.refusal($$SELECT cloudsat.enlist('regress_cloudsat_new', 'admin')$$);
SELECT * FROM pg_temp.refusal($$SELECT _cloudsat.enlist('regress_cloudsat_new', 'admin', '.', 'regress_cloudsat_boss')$$);
RESET ROLE;
SELECT cloudsat.enlist('regress_cloudsat_new', 'admin');
SET LOCAL ROLE regress_cloudsat_boss;
SELECT * FROM pg_temp.refusal($$SELECT cloudsat.dismiss('regress_cloudsat_new')$$);
RESET ROLE;
GRANT cloudsat_admin TO regress_cloudsat_boss WITH ADMIN OPTION;
SET LOCAL ROLE regress_cloudsat_boss;
SELECT cloudsat.dismiss('regress_cloudsat_new');
SELECT cloudsat.enlist('regress_cloudsat_new', 'admin');
RESET ROLE;
SELECT role, kind, address, enlisted_by FROM cloudsat.enlisted WHERE role = 'regress_cloudsat_new'::regrole;
REVOKE ADMIN OPTION FOR cloudsat_admin FROM regress_cloudsat_boss;
SELECT statement, array_agg(pg_temp.allowed(role, statement) ORDER BY role) AS "adhoc, admin, server, task"
  FROM (VALUES (1, $$SELECT cloudsat.enlist('regress_cloudsat_group', 'task', '.')$$),
               (2, $$SELECT cloudsat.dismiss('regress_cloudsat_group')$$), (3, 'SELECT FROM cloudsat.enlisted'),
               (4, $$INSERT INTO cloudsat.enlisted VALUES ('regress_cloudsat_bot', 'task', '.', now(), 'x')$$),
               (5, 'UPDATE cloudsat.enlisted SET address = ''.'''), (6, 'DELETE FROM cloudsat.enlisted'))
       AS v (n, statement), (VALUES ('cloudsat_adhoc'), ('cloudsat_admin'), ('cloudsat_server'), ('cloudsat_task')) AS r (role)
 GROUP BY n, statement ORDER BY n;

-- adhoc reads and takes no address, whatever else it was granted
SELECT cloudsat.dismiss('regress_cloudsat_new');
SELECT cloudsat.enlist('regress_cloudsat_new', 'adhoc', 'example.net');
GRANT cloudsat_server TO regress_cloudsat_new;
SET LOCAL ROLE regress_cloudsat_new;
SELECT state, detail FROM pg_temp.refusal($$SELECT cloudsat.register('{example.net}')$$);
RESET ROLE;

-- a dismissal
SET LOCAL ROLE regress_cloudsat_bot;
SELECT cloudsat.register('{h1.example.com}');
RESET ROLE;
SELECT cloudsat.dismiss('regress_cloudsat_bot') AS dismissed, cloudsat.dismiss('regress_cloudsat_bot') AS again;
SELECT * FROM members WHERE member = 'regress_cloudsat_bot'::regrole;
SET LOCAL ROLE regress_cloudsat_bot;
SELECT state FROM pg_temp.refusal($$SELECT cloudsat.reply(gen_random_uuid(), 'info', 'x')$$);
RESET ROLE;
-- taken back, it was none
SELECT cloudsat.enlist('regress_cloudsat_bot', 'server', 'h1.example.com');
SAVEPOINT s;
SELECT cloudsat.dismiss('regress_cloudsat_bot');
ROLLBACK TO s;
SELECT pg_temp.allowed('regress_cloudsat_bot', $$SELECT cloudsat.register('{h1.example.com}')$$);
-- who is a member by way of a group stays one
GRANT cloudsat_server TO regress_cloudsat_group;
GRANT regress_cloudsat_group TO regress_cloudsat_bot;
SELECT cloudsat.dismiss('regress_cloudsat_bot');
SELECT pg_temp.allowed('regress_cloudsat_bot', $$SELECT cloudsat.register('{h1.example.com}')$$);

-- a bot keeps its addresses under a new name; who gets its name gets nothing; what dropped roles had goes
SELECT cloudsat.enlist('regress_cloudsat_bot', 'server', 'h1.example.com');
ALTER ROLE regress_cloudsat_bot RENAME TO regress_cloudsat_renamed;
CREATE ROLE regress_cloudsat_bot LOGIN IN ROLE cloudsat_server;
SELECT pg_temp.allowed('regress_cloudsat_renamed', statement) AS renamed, pg_temp.allowed('regress_cloudsat_bot', statement) AS namesake
  FROM (VALUES ($$SELECT cloudsat.register('{h1.example.com}')$$)) AS v (statement);
DROP ROLE regress_cloudsat_renamed;
CREATE ROLE regress_cloudsat_renamed LOGIN IN ROLE cloudsat_server;
SELECT pg_temp.allowed('regress_cloudsat_renamed', $$SELECT cloudsat.register('{h1.example.com}')$$) AS created_again;
SELECT count(*) AS left_over FROM cloudsat.enlisted WHERE role NOT IN (SELECT oid FROM pg_roles);
SELECT cloudsat.enlist('regress_cloudsat_renamed', 'server', 'h2.example.com');
SELECT count(*) AS left_over FROM cloudsat.enlisted WHERE role NOT IN (SELECT oid FROM pg_roles);
ROLLBACK;
