-- Roles have privileges on our objects only through the grants that follow. PUBLIC's built-in privileges are
-- revoked, and so are those that ALTER DEFAULT PRIVILEGES of this database granted to any role.

-- The extension's members, the partitions, which are not members, and the row types of both. A user's view or
-- table with a column of such a type would prevent the table from being dropped.
CREATE FUNCTION _cloudsat.objects(OUT class regclass, OUT object oid, OUT kind text, OUT name text,
                                  OUT is_member bool, OUT grantees oid[])
    RETURNS SETOF record
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 500
    SET search_path = pg_catalog, pg_temp
AS $body$
    WITH member AS (
        SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
         WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'cloudsat'),
    relation AS (
        SELECT c.*, true AS is_member FROM member AS m JOIN pg_class AS c ON c.oid = m.objid
         WHERE m.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
         UNION ALL
        SELECT c.*, false FROM pg_class AS c
         WHERE (c.relnamespace = '_cloudsat'::regnamespace AND c.relname ~ '^detached_[0-9]+$'
                AND c.relkind = 'r' OR c.oid IN (SELECT t.relid FROM member AS m
                               JOIN pg_class AS p ON p.oid = m.objid AND p.relkind = 'p',
                                    LATERAL pg_partition_tree(p.oid) AS t
                              WHERE m.classid = 'pg_class'::regclass))
           AND NOT EXISTS (SELECT FROM member AS m
                            WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)),
    object (class, object, kind, name, is_member, owner, letter, acl) AS (
        SELECT 'pg_class'::regclass, r.oid, CASE r.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
               format('%s.%I', r.relnamespace::regnamespace, r.relname), r.is_member, r.relowner,
               CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END, r.relacl
          FROM relation AS r
         UNION ALL
        SELECT 'pg_type'::regclass, t.oid, 'TYPE', t.oid::regtype::text, coalesce(r.is_member, true),
               t.typowner, 'T', t.typacl
          FROM pg_type AS t LEFT JOIN relation AS r ON r.oid = t.typrelid
         WHERE (r.oid IS NOT NULL
                OR EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid))
           AND t.typcategory <> 'A' AND t.typtype <> 'm'  -- these have the rights of their elements
         UNION ALL
        SELECT m.classid::regclass, p.oid, 'ROUTINE', p.oid::regprocedure::text, true, p.proowner,
               'f', p.proacl
          FROM member AS m JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
         UNION ALL
        SELECT m.classid::regclass, n.oid, 'SCHEMA', quote_ident(n.nspname), true, n.nspowner, 'n', n.nspacl
          FROM member AS m JOIN pg_namespace AS n ON m.classid = 'pg_namespace'::regclass AND n.oid = m.objid
         UNION ALL
        SELECT m.classid::regclass, f.oid, 'FOREIGN DATA WRAPPER', quote_ident(f.fdwname), true, f.fdwowner,
               'F', f.fdwacl
          FROM member AS m JOIN pg_foreign_data_wrapper AS f
            ON m.classid = 'pg_foreign_data_wrapper'::regclass AND f.oid = m.objid)
    SELECT o.class, o.object, o.kind, o.name, o.is_member,
           ARRAY(SELECT a.grantee FROM aclexplode(coalesce(o.acl, acldefault(o.letter::"char", o.owner))) AS a
                  WHERE a.grantee <> o.owner
                  UNION
                 SELECT a.grantee FROM pg_attribute AS c, aclexplode(c.attacl) AS a
                  WHERE o.class = 'pg_class'::regclass AND c.attrelid = o.object AND a.grantee <> o.owner)
      FROM object AS o;
$body$;
COMMENT ON FUNCTION _cloudsat.objects IS
    'objects of cloudsat that can have privileges, in the terms of GRANT, and the roles besides the owner '
    'that have any; 0: PUBLIC';

-- Privileges on a table include those on its columns; CASCADE also revokes privileges that the grantee passed
-- on.
CREATE FUNCTION _cloudsat.revoke(kind text, name text, grantees oid[]) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    grantee oid;
BEGIN
    FOREACH grantee IN ARRAY grantees LOOP
        EXECUTE format('REVOKE ALL ON %s %s FROM %s CASCADE', kind, name,
                       CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END);
    END LOOP;
END
$body$;
COMMENT ON FUNCTION _cloudsat.revoke IS
    'revokes all privileges of these roles on an object: maintain() for partitions, install and update '
    'scripts for their objects';

SELECT _cloudsat.revoke(kind, name, grantees) FROM _cloudsat.objects();
