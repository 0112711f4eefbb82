-- Who may do what: every object of the extension and of its schema, against each of the four kinds. An object that is
-- not in the matrix fails, and so does a privilege that the matrix does not give, or that is missing.
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS cloudsat;
SELECT FROM cloudsat.maintain();
CREATE ROLE cloudsat_stranger LOGIN; -- has what PUBLIC has
CREATE TEMP TABLE matrix (kind text, name text, server text, task text, adhoc text, admin text);

-- r SELECT  a INSERT  w UPDATE  d DELETE  D TRUNCATE  x REFERENCES  t TRIGGER  U USAGE  C CREATE  X EXECUTE
INSERT INTO matrix VALUES
--   kind        object                                                    server task adhoc admin
    ('schema',   'cloudsat',                                                'U',  'U',  'U',  'U'),
    ('schema',   '_cloudsat',                                               '-',  '-',  '-',  '-'),
    ('wrapper',  'rabbitmq',                                                '-',  '-',  '-',  'U'),
    ('type',     'address',                                                 'U',  'U',  'U',  'U'),
    ('type',     'disposition',                                             'U',  'U',  'U',  'U'),
    ('type',     'level',                                                   '-',  '-',  'U',  'U'),
    ('type',     '_cloudsat.bound',                                         '-',  '-',  '-',  '-'),
    -- called by the server itself
    ('function', '_cloudsat.within_restriction(internal,oid,internal,integer)', '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.within_join(internal,oid,internal,smallint,internal)', '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.contains_restriction(internal,oid,internal,integer)', '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.contains_join(internal,oid,internal,smallint,internal)', '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.range_start_restriction(internal,oid,internal,integer)', '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.range_end_restriction(internal,oid,internal,integer)', '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.rabbitmq_validator(text[],oid)',                '-',  '-',  '-',  '-'),
    -- reading and writing one's own
    ('view',     'inbox',                                                   'r',  'r',  'r',  'r'),
    ('function', 'nick()',                                                  'X',  'X',  'X',  'X'),
    ('function', 'addresses()',                                             'X',  'X',  'X',  'X'),
    ('function', 'subscriptions()',                                         'X',  'X',  'X',  'X'),
    ('function', 'inbox(address[],pg_snapshot,integer,interval)',           'X',  'X',  'X',  'X'),
    ('function', 'inbox(address,pg_snapshot,integer,interval)',             'X',  'X',  'X',  'X'),
    ('function', 'inbox(text[],pg_snapshot,integer,interval)',              'X',  'X',  'X',  'X'),
    ('function', 'inbox(text,pg_snapshot,integer,interval)',                'X',  'X',  'X',  'X'),
    ('function', 'current_snapshot()',                                      'X',  'X',  'X',  'X'),
    ('function', 'receive(integer,interval,boolean)',                       'X',  'X',  '-',  'X'),
    ('function', 'wait(interval)',                                          'X',  'X',  '-',  'X'),
    ('function', 'bookmark(boolean)',                                       'X',  'X',  '-',  'X'),
    ('function', 'register(address[],boolean)',                             'X',  'X',  '-',  'X'),
    ('function', 'register(address,boolean)',                               'X',  'X',  '-',  'X'),
    ('function', 'register(text[],boolean)',                                'X',  'X',  '-',  'X'),
    ('function', 'register(text,boolean)',                                  'X',  'X',  '-',  'X'),
    ('function', 'reply(uuid,disposition,text)',                            'X',  'X',  '-',  'X'),
    ('function', 'reply(address,address,text,uuid,disposition)',            'X',  'X',  '-',  'X'),
    ('function', 'post(address,text)',                                      'X',  'X',  '-',  'X'),
    ('function', 'post(address,address,text)',                              'X',  'X',  '-',  'X'),
    ('function', 'post(address,address,text[])',                            'X',  'X',  '-',  'X'),
    ('function', 'post_as(address,address,text)',                           'X',  'X',  '-',  'X'),
    ('function', 'post_as(address,address,text[])',                         'X',  'X',  '-',  'X'),
    ('function', 'reply_as(address,uuid,disposition,text)',                 'X',  'X',  '-',  'X'),
    ('function', 'reply_as(address,address,text,uuid,disposition)',         'X',  'X',  '-',  'X'),
    ('function', 'reply_many_as(address,uuid[],disposition,text[])',        'X',  'X',  '-',  'X'),
    ('function', 'claim_as(address,uuid,interval,text)',                    'X',  'X',  '-',  'X'),
    ('function', 'release_as(address,uuid,disposition,text)',               'X',  'X',  '-',  'X'),
    ('function', 'claim(uuid,text,interval)',                               'X',  'X',  '-',  'X'),
    ('function', 'release(uuid,disposition,text)',                          'X',  'X',  '-',  'X'),
    ('view',     'claims',                                                  'r',  'r',  'r',  'r'),
    ('view',     'orphaned_claims',                                         'r',  'r',  'r',  'r'),
    ('function', '_cloudsat.is_connected(integer,timestamp with time zone)', 'X',  'X',  'X',  'X'),
    -- walking threads, anybody's
    ('function', 'thread(uuid)',                                            '-',  'X',  'X',  'X'),
    ('function', '_cloudsat.thread(uuid)',                                  '-',  'X',  'X',  'X'),
    ('function', 'thread_text(uuid)',                                       '-',  'X',  'X',  'X'),
    ('function', 'root(uuid)',                                              '-',  'X',  'X',  'X'),
    ('function', 'ancestors(uuid)',                                         '-',  'X',  'X',  'X'),
    ('function', 'children(uuid)',                                          '-',  'X',  'X',  'X'),
    ('function', 'participants(uuid)',                                      '-',  'X',  'X',  'X'),
    ('function', 'acknowledgments(uuid)',                                   '-',  'X',  'X',  'X'),
    ('function', 'failed(uuid)',                                            '-',  'X',  'X',  'X'),
    ('function', 'incomplete(uuid)',                                        '-',  'X',  'X',  'X'),
    ('function', 'task(uuid)',                                              '-',  'X',  'X',  'X'),
    -- the whole board
    ('table',    'messages',                                                '-',  '-',  'r',  'r'),
    ('table',    'messages_default',                                        '-',  '-',  '-',  '-'),
    ('table',    'messages_DAY',                                            '-',  '-',  '-',  '-'),
    ('view',     'threads',                                                 '-',  '-',  'r',  'r'),
    ('table',    'registered',                                              '-',  '-',  'r',  'r'),
    ('view',     'recent',                                                  '-',  '-',  'r',  'r'),
    ('view',     'connections',                                             '-',  '-',  'r',  'r'),
    ('view',     'tasks',                                                   '-',  '-',  'r',  'r'),
    ('table',    'claim_log',                                               '-',  '-',  'r',  'r'),
    ('view',     '_cloudsat.held',                                          '-',  '-',  '-',  '-'),
    ('table',    'bookmarks',                                               '-',  '-',  'r',  'r'),
    ('table',    'eras',                                                    '-',  '-',  'r',  'r'),
    ('function', '_cloudsat.era_changed()',                                 '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.sessions()',                                    '-',  '-',  'X',  'X'),
    ('function', '_cloudsat.uuid()',                                        '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.refuse_update()',                               '-',  '-',  '-',  '-'),
    ('function', 'maintain()',                                              '-',  '-',  '-',  'X'),
    ('function', 'cleanup(interval,boolean)',                               '-',  '-',  '-',  'X'),
    ('function', '_cloudsat.prune(timestamp with time zone)',               '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.prune_registered(timestamp with time zone)',    '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.prune_bookmarks(timestamp with time zone)',     '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.prune_claim_log(timestamp with time zone)',     '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.horizon(text,timestamp with time zone)',        '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.drop_partition(regclass,regclass)',             '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.drop_detached()',                               '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.missing_periods(timestamp with time zone,interval,integer)', '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.make_partition(tstzrange)',                     '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.lock_messages(boolean,boolean,text,text,text)', '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.attach_partition(text,tstzrange)',              '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.maintain_guardian(interval)',                   '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.cleanup_horizon(interval,boolean)',             '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.delete_older(timestamp with time zone)',        '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.expired_partitions(timestamp with time zone)',  '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.board_is_awaited(interval)',                    '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.objects()',                                     '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.revoke(text,text,oid[])',                       '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.prune_events(timestamp with time zone)',        '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.restoring()',                                   '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.filling(timestamp with time zone)',             '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.unfinished()',                                  '-',  '-',  '-',  '-'),
    -- watching it
    ('view',     'throughput',                                              '-',  '-',  'r',  'r'),
    ('function', 'throughput(timestamp with time zone,timestamp with time zone)',
                                                                            '-',  '-',  'X',  'X'),
    ('view',     'error_rates',                                             '-',  '-',  'r',  'r'),
    ('function', 'error_rates(timestamp with time zone,timestamp with time zone)',
                                                                            '-',  '-',  'X',  'X'),
    ('view',     'space_usage',                                             '-',  '-',  'r',  'r'),
    ('function', '_cloudsat.partitions()',                                  '-',  '-',  'X',  'X'),
    ('function', '_cloudsat.rows(regclass)',                                '-',  '-',  'X',  'X'),
    ('view',     'listeners',                                               '-',  '-',  'r',  'r'),
    ('view',     'notify_queue',                                            '-',  '-',  'r',  'r'),
    ('view',     'horizon',                                                 '-',  '-',  'r',  'r'),
    ('function', '_cloudsat.transactions()',                                '-',  '-',  'X',  'X'),
    ('view',     'waking',                                                  '-',  '-',  'r',  'r'),
    ('function', '_cloudsat.waking()',                                      '-',  '-',  'X',  'X'),
    -- who is a bot
    ('table',    'enlisted',                                                '-',  '-',  'r',  'r'),
    ('function', 'enlist(regrole,text,address)',                            '-',  '-',  '-',  'X'),
    ('function', 'dismiss(regrole)',                                        '-',  '-',  '-',  'X'),
    ('function', '_cloudsat.enlist(regrole,text,address,regrole)',          '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.dismiss(regrole)',                              '-',  '-',  '-',  '-'),
    -- the guardian
    ('table',    'queues',                                                  '-',  '-',  'r',  'r'),
    ('table',    'bindings',                                                '-',  '-',  'r',  'r'),
    ('table',    'queue_history',                                           '-',  '-',  'r',  'r'),
    ('table',    'queue_history_default',                                   '-',  '-',  '-',  '-'),
    ('table',    'queue_history_DAY',                                       '-',  '-',  '-',  '-'),
    ('table',    'queue_events',                                            '-',  '-',  'r',  'r'),
    ('sequence', 'queue_events_id_seq',                                     '-',  '-',  '-',  '-'),
    ('table',    'queue_policies',                                          '-',  '-',  'r',  'rawd'),
    ('sequence', 'queue_policies_id_seq',                                   '-',  '-',  '-',  'U'),
    ('table',    'accounts',                                                '-',  '-',  'r',  'rd'),
    ('table',    'account_owners',                                          '-',  '-',  'r',  'r'),
    ('function', 'confirm_enforce(text)',                                   '-',  '-',  '-',  'X'),
    ('table',    'account_requests',                                        '-',  '-',  '-',  'r*'),
    ('function', 'create_account(text,text,text,address[])',                '-',  '-',  '-',  'X'),
    ('function', 'set_account_password(text,text,text)',                    '-',  '-',  '-',  'X'),
    ('function', 'set_account_owners(text,text,address[])',                 '-',  '-',  '-',  'X'),
    ('function', 'delete_account(text,text)',                               '-',  '-',  '-',  'X'),
    ('function', 'request_account(text,text,address)',                      '-',  '-',  '-',  'X'),
    ('function', 'confirm_account(text,text)',                              '-',  '-',  '-',  'X'),
    ('function', '_cloudsat.prune_account_requests()',                      '-',  '-',  '-',  '-'),
    ('table',    'polls',                                                   '-',  '-',  'r',  'r'),
    ('table',    'archived_messages',                                       '-',  '-',  '-',  'r'),
    ('sequence', 'archived_messages_id_seq',                                '-',  '-',  '-',  '-'),
    ('view',     'archives',                                                '-',  '-',  'r',  'r'),
    ('function', 'archived(text,text,text)',                                '-',  '-',  '-',  'X'),
    ('function', 'take_archived(text,text,text,bigint)',                    '-',  '-',  '-',  'X'),
    ('function', 'replay(text,text,text,bigint)',                           '-',  '-',  '-',  'X'),
    ('function', 'explain_queue(text,text,text)',                           '-',  '-',  'X',  'X'),
    ('function', 'poll(text)',                                              '-',  '-',  '-',  'X'),
    ('function', '_cloudsat.check_policy()',                                '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.refuse_event_change()',                         '-',  '-',  '-',  '-'),
    ('table',    'outbox',                                                  '-',  '-',  'r*', 'rd'),
    ('sequence', 'outbox_id_seq',                                           '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.prune_outbox(timestamp with time zone)',        '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.make_history(text,date)',                         '-',  '-',  '-',  '-'),
    ('function', '_cloudsat.maintain_history(interval,integer)',            '-',  '-',  '-',  '-'),
    -- the processes
    ('view',     'worker_status',                                           '-',  '-',  'r',  'r'),
    ('function', '_cloudsat.workers()',                                     '-',  '-',  'X',  'X'),
    ('function', 'start()',                                                 '-',  '-',  '-',  'X'),
    ('function', 'stop()',                                                  '-',  '-',  '-',  'X');

-- Row types: a view or a table with a column of one would keep its table from being dropped.
INSERT INTO matrix SELECT 'row type', name, '-', '-', '-', '-' FROM matrix WHERE kind IN ('table', 'view');

-- What computes from its arguments alone (types, operators, uuid_time, ...) is for all of them, without a line each.
CREATE FUNCTION pg_temp.for_all(kind text, volatility "char") RETURNS bool LANGUAGE sql
    RETURN kind = 'function' AND volatility = 'i';

SET LOCAL search_path = cloudsat, pg_catalog; -- so that names are printed without that schema
CREATE TEMP TABLE objects AS
WITH member AS (
    SELECT classid, objid FROM pg_depend
     WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
       AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cloudsat'))
SELECT 'schema' AS kind, oid, nspname::text AS name, NULL::"char" AS volatility, nspacl AS acl, nspowner AS owner
  FROM pg_namespace WHERE nspname IN ('cloudsat', '_cloudsat')
UNION ALL
SELECT 'wrapper', oid, fdwname, NULL, fdwacl, fdwowner FROM pg_foreign_data_wrapper
 WHERE (('pg_foreign_data_wrapper'::regclass, oid) IN (SELECT * FROM member))
UNION ALL
SELECT 'function', oid, oid::regprocedure::text, provolatile, proacl, proowner FROM pg_proc
 WHERE pronamespace = ANY (ARRAY['cloudsat', '_cloudsat']::regnamespace[]) OR ('pg_proc'::regclass, oid) IN (SELECT * FROM member)
UNION ALL
-- without arrays, whose rights are those of their elements
SELECT CASE WHEN EXISTS (SELECT FROM pg_class AS c WHERE c.oid = typrelid AND c.relkind <> 'c') THEN 'row type' ELSE 'type' END, oid, oid::regtype::text, NULL, typacl, typowner FROM pg_type AS t
 WHERE (typnamespace = ANY (ARRAY['cloudsat', '_cloudsat']::regnamespace[]) OR ('pg_type'::regclass, oid) IN (SELECT * FROM member))
   AND typcategory <> 'A'
UNION ALL
SELECT CASE relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END,
       oid, oid::regclass::text, NULL, relacl, relowner FROM pg_class AS c
 WHERE (relnamespace = ANY (ARRAY['cloudsat', '_cloudsat']::regnamespace[]) OR ('pg_class'::regclass, oid) IN (SELECT * FROM member))
   AND relkind NOT IN ('i', 'I', 'c', 't');
UPDATE objects SET name = regexp_replace(name, '_[0-9]{8}(_[0-9]{4})?$', '_DAY');

-- The letters that a role has on an object; one with a * is for some of its columns only.
CREATE FUNCTION pg_temp.privileges(role name, kind text, object oid) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(letter, '' ORDER BY place), '-')
      FROM (VALUES ('r', 1, 'SELECT'), ('a', 2, 'INSERT'), ('w', 3, 'UPDATE'), ('d', 4, 'DELETE'), ('D', 5, 'TRUNCATE'),
                   ('x', 6, 'REFERENCES'), ('t', 7, 'TRIGGER'), ('U', 8, 'USAGE'), ('C', 9, 'CREATE'), ('X', 10, 'EXECUTE'))
           AS p (plain, place, privilege),
           LATERAL (SELECT CASE
               WHEN kind IN ('table', 'view', 'materialized view') AND place <= 7 THEN
                   CASE WHEN has_table_privilege(role, object, privilege) THEN plain
                        WHEN place IN (1, 2, 3, 6) AND has_any_column_privilege(role, object, privilege) THEN plain || '*' END
               WHEN kind = 'sequence' AND place IN (1, 3, 8) AND has_sequence_privilege(role, object, privilege)
                 OR kind = 'schema' AND place IN (8, 9) AND has_schema_privilege(role, object, privilege)
                 OR kind IN ('type', 'row type') AND place = 8 AND has_type_privilege(role, object, privilege)
                 OR kind = 'wrapper' AND place = 8 AND has_foreign_data_wrapper_privilege(role, object, privilege)
                 OR kind = 'function' AND place = 10 AND has_function_privilege(role, object, privilege) THEN plain
               END) AS held (letter)
     WHERE letter IS NOT NULL
$$;
CREATE TEMP TABLE actual AS
SELECT kind, name, volatility, pg_temp.privileges('cloudsat_stranger', kind, oid) AS stranger,
       pg_temp.privileges('cloudsat_server', kind, oid) AS server, pg_temp.privileges('cloudsat_task', kind, oid) AS task,
       pg_temp.privileges('cloudsat_adhoc', kind, oid) AS adhoc, pg_temp.privileges('cloudsat_admin', kind, oid) AS admin
  FROM objects;
SET LOCAL search_path = public, pg_catalog;

SELECT plan(10);
SELECT isnt_empty($$SELECT FROM objects WHERE name IN ('messages_DAY', 'queue_history_DAY') HAVING count(*) >= 4$$, 'there are partitions');
SELECT is_empty($$
	SELECT kind, name, server, task, adhoc, admin FROM actual
	WHERE NOT pg_temp.for_all(kind, volatility) AND (kind, name) NOT IN (SELECT kind, name FROM matrix) ORDER BY 1, 2
$$, 'every object is in the matrix');
SELECT is_empty($$
	SELECT kind, name FROM matrix WHERE (kind, name) NOT IN (SELECT kind, name FROM actual) ORDER BY 1, 2
$$, 'everything in the matrix is an object');
SELECT is_empty($$
	SELECT a.name, 'is' AS "is", a.server, a.task, a.adhoc, a.admin, 'and not' AS "not", m.server, m.task, m.adhoc, m.admin
	FROM actual AS a JOIN matrix AS m USING (kind, name)
	WHERE (a.server, a.task, a.adhoc, a.admin) <> (m.server, m.task, m.adhoc, m.admin) ORDER BY 1
$$, 'each kind has what the matrix says');
SELECT is_empty($$
	SELECT name, server, task, adhoc, admin FROM actual
	WHERE pg_temp.for_all(kind, volatility) AND NOT 'X' = ALL (ARRAY[server, task, adhoc, admin]) ORDER BY 1
$$, 'what is pure is for all kinds');
SELECT is_empty($$
	SELECT kind, name, stranger FROM actual WHERE stranger <> '-' ORDER BY 1, 2
$$, 'nobody else has anything');
SELECT is_empty($$
	SELECT kind, name, grantee::regrole, privilege_type
	FROM (SELECT kind, name, owner, acl FROM objects
	      UNION ALL SELECT kind, name || '.' || attname, owner, attacl FROM objects JOIN pg_attribute ON attrelid = oid WHERE kind IN ('table', 'view')
	     ) AS o, aclexplode(acl)
	WHERE is_grantable OR grantee <> owner AND grantee::regrole::text NOT IN
		('cloudsat_server', 'cloudsat_task', 'cloudsat_adhoc', 'cloudsat_admin') ORDER BY 1, 2
$$, 'nothing is granted to other roles, nor to be passed on');
SELECT is_empty($$
	SELECT kind, name FROM objects WHERE owner <> (SELECT extowner FROM pg_extension WHERE extname = 'cloudsat') ORDER BY 1, 2
$$, 'the extension''s owner owns all of it');
SELECT is_empty($$
	SELECT rolname FROM pg_roles WHERE rolname IN ('cloudsat_server', 'cloudsat_task', 'cloudsat_adhoc', 'cloudsat_admin')
	AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
		OR EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = pg_roles.oid) OR shobj_description(oid, 'pg_authid') IS NULL)
$$, 'the groups cannot log in, have no attributes, are in no other role, and say what they are for');
-- They ask who calls, and would always see their owner.
SELECT is_empty($$
	SELECT name FROM objects JOIN pg_proc USING (oid) WHERE kind = 'function' AND prosecdef AND pronamespace = 'cloudsat'::regnamespace
	AND proname IN ('register', 'post', 'reply', 'nick', 'addresses', 'subscriptions', 'enlist', 'dismiss', 'inbox', 'receive', 'wait', 'claim',
		'release', 'bookmark') ORDER BY 1
$$, 'what speaks or reads for its caller is not SECURITY DEFINER');
SELECT * FROM finish();
ROLLBACK;
