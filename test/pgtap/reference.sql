-- doc/reference.md has one row for every public function, view and table, as the catalog has it: its arguments, what it
-- returns, and its COMMENT. A failure shows the rows, ready to be put into the page.
\set page `cat doc/reference.md`
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS cloudsat;
SET LOCAL search_path = cloudsat, pg_catalog; -- names of types are shown without their schema

CREATE TEMP VIEW members AS
SELECT d.classid, d.objid
FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'cloudsat';

-- functions that stand behind types, operators, indexes, aggregates, casts and the wrapper, and are never called by name
CREATE TEMP VIEW behind AS
SELECT unnest(ARRAY[typinput, typoutput, typreceive, typsend]) AS oid FROM pg_type
UNION SELECT unnest(ARRAY[oprcode, oprrest, oprjoin]) FROM pg_operator
UNION SELECT amproc FROM pg_amproc
UNION SELECT unnest(ARRAY[aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn]) FROM pg_aggregate
UNION SELECT castfunc FROM pg_cast
UNION SELECT unnest(ARRAY[fdwhandler, fdwvalidator]) FROM pg_foreign_data_wrapper
UNION SELECT prosupport FROM pg_proc
UNION SELECT oid FROM pg_proc WHERE prorettype = 'trigger'::regtype;

CREATE TEMP VIEW public_calls AS
SELECT format('%s%s(%s)%s', CASE WHEN p.prokind = 'p' THEN 'CALL ' END, p.proname,
           -- without what it returns, and without the types of defaults
           regexp_replace(regexp_replace(regexp_replace(pg_get_function_arguments(p.oid), '(^|, )OUT [^,]+', '', 'g'),
                          '(^|, )IN ', '\1', 'g'), '(DEFAULT (''[^'']*''|NULL))::[^,]+', '\1', 'g'),
           CASE WHEN p.prorettype = 'void'::regtype THEN ''
                WHEN p.proargmodes IS NULL THEN ' → ' || pg_get_function_result(p.oid)
                ELSE ' → ' || CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END || (
                    SELECT '(' || string_agg(column_name, ', ' ORDER BY place) || ')'
                    FROM unnest(p.proargnames, p.proargmodes) WITH ORDINALITY AS a (column_name, mode, place)
                    WHERE mode IN ('o', 'b', 't')) END) AS call,
    obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc AS p JOIN members AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
WHERE p.pronamespace = 'cloudsat'::regnamespace AND p.oid NOT IN (SELECT oid FROM behind)
UNION ALL
SELECT c.relname, obj_description(c.oid, 'pg_class')
FROM pg_class AS c JOIN members AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
WHERE c.relnamespace = 'cloudsat'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition;

CREATE TEMP VIEW due AS SELECT format('| `%s` | %s |', call, replace(comment, '|', '\|')) AS line FROM public_calls;
CREATE TEMP TABLE written AS
SELECT line FROM regexp_split_to_table(:'page', '\n') AS line WHERE line LIKE '| `%';

SET LOCAL search_path = cloudsat, public, pg_catalog;
SELECT plan(4);
SELECT cmp_ok((SELECT count(*) FROM due)::int, '>', 60, 'there are calls to tell of');
SELECT is(string_agg(line, E'\n' ORDER BY line), NULL, 'doc/reference.md has this row of every public call, view and table')
FROM (SELECT line FROM due EXCEPT SELECT line FROM written) AS missing;
SELECT is(string_agg(line, E'\n' ORDER BY line), NULL, 'and no row of what is not there')
FROM (SELECT line FROM written EXCEPT SELECT line FROM due) AS stale;
SELECT is(string_agg(line, E'\n' ORDER BY line), NULL, 'each once')
FROM (SELECT line FROM written GROUP BY line HAVING count(*) > 1) AS repeated;
SELECT * FROM finish();
ROLLBACK;
