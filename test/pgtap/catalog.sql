-- The contract of the install script, asked of the catalog: every object has a comment, nothing is granted to PUBLIC,
-- functions carry the marks they must, and every table that holds users' rows is dumped.
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS cloudsat;
SELECT FROM cloudsat.maintain();
SET LOCAL search_path = public, pg_catalog;

CREATE TEMP VIEW members AS
SELECT d.classid, d.objid, pg_describe_object(d.classid, d.objid, 0) AS what
FROM pg_depend d
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE e.extname = 'cloudsat' AND d.deptype = 'e';

CREATE TEMP VIEW functions AS
SELECT p.*, m.what, l.lanname
FROM members m
JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
JOIN pg_language l ON l.oid = p.prolang;

CREATE TEMP VIEW relations AS
SELECT c.*, m.what
FROM members m
JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid;

SELECT plan(13);

SELECT cmp_ok((SELECT count(*) FROM members)::int, '>', 50, 'the extension has members to look at');

SELECT is_empty($$
	SELECT what FROM members
	WHERE obj_description(objid, (SELECT relname FROM pg_class WHERE oid = classid)) IS NULL
	  -- what comes along with a table, a view, a type
	  AND NOT (classid = 'pg_type'::regclass AND EXISTS (
	      SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
	      WHERE t.oid = objid AND (t.typcategory = 'A' OR c.relkind IS DISTINCT FROM 'c' AND c.oid IS NOT NULL)))
	ORDER BY 1
$$, 'every member has a comment');

SELECT is_empty($$
	SELECT r.what, a.attname
	FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid
	WHERE r.relkind IN ('r', 'p', 'v') AND NOT r.relispartition AND a.attnum > 0 AND NOT a.attisdropped
	  AND col_description(r.oid, a.attnum) IS NULL
	ORDER BY 1, 2
$$, 'every column of every table and view has a comment');

SELECT is_empty($$
	SELECT what FROM functions
	WHERE EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)
	ORDER BY 1
$$, 'PUBLIC may execute nothing');

SELECT is_empty($$
	SELECT what FROM relations
	WHERE EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = 0)
	UNION ALL
	SELECT 'schema ' || nspname FROM pg_namespace, aclexplode(nspacl) WHERE nspname IN ('cloudsat', '_cloudsat') AND grantee = 0
$$, 'PUBLIC may read and write nothing, and not even look into the schema');

SELECT is_empty($$
	SELECT what FROM functions
	WHERE lanname <> 'c' AND lanname <> 'internal' AND prosqlbody IS NULL
	  AND NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)
	ORDER BY 1
$$, 'functions whose text is parsed when they run have their search_path pinned');

SELECT is_empty($$
	SELECT what FROM functions WHERE provolatile = 'i' AND prokind = 'f' AND proretset = false
	  AND (proparallel <> 's' OR NOT proisstrict)
	  AND prorettype <> 'internal'::regtype AND NOT 'internal'::regtype = ANY (proargtypes)
	  AND proname <> 'rabbitmq_validator'
	ORDER BY 1
$$, 'immutable functions are strict and parallel safe');

SELECT is_empty($$
	SELECT what FROM functions WHERE provolatile = 'v' AND proparallel = 's' ORDER BY 1
$$, 'volatile functions are not marked parallel safe');

SELECT is_empty($$
	SELECT what FROM functions WHERE prosecdef AND provolatile = 'i' ORDER BY 1
$$, 'no pure function runs with the owner''s rights');

SELECT is_empty($$
	SELECT r.what FROM relations r
	WHERE r.relkind = 'r' AND NOT EXISTS (
		SELECT FROM pg_extension e WHERE e.extname = 'cloudsat' AND r.oid = ANY (e.extconfig))
	ORDER BY 1
$$, 'every table''s rows are dumped');

SELECT is_empty($$
	SELECT r.what FROM relations r
	WHERE r.relkind = 'S' AND NOT EXISTS (
		SELECT FROM pg_extension e WHERE e.extname = 'cloudsat' AND r.oid = ANY (e.extconfig))
	ORDER BY 1
$$, 'every sequence''s state is dumped');

SELECT is_empty($$
	SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname IN ('cloudsat', '_cloudsat') AND c.relkind = 'v'
	  AND NOT EXISTS (SELECT FROM relations r WHERE r.oid = c.oid)
$$, 'no view of the schema is left out of the extension');

-- A publication of all tables has the server refuse every UPDATE and DELETE of a table without.
SELECT is_empty($$
	SELECT c.oid::regclass FROM pg_class c
	WHERE c.relkind = 'r' AND c.relnamespace = ANY (ARRAY['cloudsat', '_cloudsat']::regnamespace[])
	  AND CASE c.relreplident WHEN 'f' THEN false WHEN 'd' THEN NOT EXISTS (
	      SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND i.indisvalid) ELSE true END
$$, 'every table and partition has a replica identity');

SELECT * FROM finish();
ROLLBACK;
