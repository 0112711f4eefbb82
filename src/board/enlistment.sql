-- Which logins are bots, of which kind, and which addresses they may take.

-- regrole holds the role's OID, so a row is bound to this very role: it follows a rename, and another role that is given
-- the same name later has no part in it. A dump shows names, so the rows find the roles of the cluster they are
-- restored to. Rows of roles that were dropped mean nothing; they are not dumped, and go with the next change.
CREATE TABLE cloudsat.enlisted (
    role        pg_catalog.regrole     NOT NULL,
    kind        pg_catalog.text        NOT NULL,
    address     cloudsat.address       NOT NULL,
    "timestamp" pg_catalog.timestamptz NOT NULL,
    enlisted_by pg_catalog.name        NOT NULL,
    PRIMARY KEY (role, address),
    CONSTRAINT enlisted_kind CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['server', 'task', 'adhoc', 'admin']))
);
COMMENT ON TABLE cloudsat.enlisted IS 'the logins that are bots; changed by enlist() and dismiss()';
COMMENT ON COLUMN cloudsat.enlisted.role IS 'the login';
COMMENT ON COLUMN cloudsat.enlisted.kind IS 'server, task, adhoc or admin: it is a member of cloudsat_<kind>';
COMMENT ON COLUMN cloudsat.enlisted.address IS
    'a server or task may register this address and those under it; for the others it says where they belong';
COMMENT ON COLUMN cloudsat.enlisted."timestamp" IS 'since when';
COMMENT ON COLUMN cloudsat.enlisted.enlisted_by IS 'the name of who enlisted it, at that time';

SELECT pg_catalog.pg_extension_config_dump('cloudsat.enlisted',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid OPERATOR(pg_catalog.=) role)');

-- The calls check who asks; these do what was asked for. For nobody but them, so SECURITY DEFINER and not granted.
CREATE FUNCTION _cloudsat.enlist(role regrole, kind text, address cloudsat.address, enlisted_by regrole) RETURNS bool
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $enlist$
#variable_conflict use_column
DECLARE
    other text;
    added bool;
BEGIN
    -- one change at a time: a role must not become a bot of two kinds, and concurrent GRANTs get in each other's way
    LOCK TABLE cloudsat.enlisted IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM cloudsat.enlisted AS e WHERE NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = e.role);
    SELECT e.kind INTO other FROM cloudsat.enlisted AS e
     WHERE e.role = enlist.role AND e.kind <> enlist.kind LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
            MESSAGE = format('role "%s" is enlisted as %s already', (SELECT rolname FROM pg_roles WHERE oid = enlist.role), other),
            DETAIL = 'A role is a bot of one kind.',
            HINT = format('Use SELECT cloudsat.dismiss(%L) first.', enlist.role);
    END IF;
    INSERT INTO cloudsat.enlisted VALUES (enlist.role, enlist.kind, enlist.address, clock_timestamp(),
                                          (SELECT rolname FROM pg_roles WHERE oid = enlist.enlisted_by))
        ON CONFLICT DO NOTHING;
    added := FOUND;
    -- its own membership, even when it is one by way of another role: that may end
    IF NOT EXISTS (SELECT FROM pg_auth_members AS m
                    WHERE m.member = enlist.role AND m.roleid = to_regrole('cloudsat_' || enlist.kind))
       OR NOT pg_has_role(enlist.role, 'cloudsat_' || enlist.kind, 'USAGE') THEN
        EXECUTE format('GRANT %I TO %s', 'cloudsat_' || enlist.kind, enlist.role)
             || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT TRUE' ELSE '' END;
    END IF;
    RETURN added;
END
$enlist$;
COMMENT ON FUNCTION _cloudsat.enlist(pg_catalog.regrole, pg_catalog.text, cloudsat.address, pg_catalog.regrole) IS
    'what cloudsat.enlist does when it may';

CREATE FUNCTION _cloudsat.dismiss(role regrole) RETURNS bool
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $dismiss$
#variable_conflict use_column
DECLARE
    was     text;
    grantor regrole;
BEGIN
    LOCK TABLE cloudsat.enlisted IN SHARE ROW EXCLUSIVE MODE;
    SELECT 'cloudsat_' || e.kind INTO was FROM cloudsat.enlisted AS e WHERE e.role = dismiss.role LIMIT 1;
    DELETE FROM cloudsat.enlisted AS e
     WHERE e.role = dismiss.role OR NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = e.role);
    IF was IS NULL THEN
        RETURN false;
    END IF;
    -- From 16 on there may be a grant from each of several grantors, and REVOKE takes back one. Before, there is one,
    -- and its grantor may be gone.
    FOR grantor IN SELECT coalesce(r.oid, current_user::regrole)
                     FROM pg_auth_members AS m LEFT JOIN pg_roles AS r ON r.oid = m.grantor
                    WHERE m.member = dismiss.role AND m.roleid = to_regrole(was) LOOP
        EXECUTE format('REVOKE %I FROM %s GRANTED BY %s CASCADE', was, dismiss.role, grantor);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE oid = dismiss.role) AND pg_has_role(dismiss.role, was, 'USAGE') THEN
        RAISE WARNING 'role "%" is still a member of %, by way of another role',
            (SELECT rolname FROM pg_roles WHERE oid = dismiss.role), was
            USING DETAIL = 'It can register no address any more, but sessions that are registered go on.';
    END IF;
    RETURN true;
END
$dismiss$;
COMMENT ON FUNCTION _cloudsat.dismiss(pg_catalog.regrole) IS 'what cloudsat.dismiss does when it may';

-- Not SECURITY DEFINER: they must know who calls.
CREATE FUNCTION cloudsat.enlist(role pg_catalog.regrole, kind pg_catalog.text, address cloudsat.address DEFAULT NULL)
    RETURNS pg_catalog.bool
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_enlist';
COMMENT ON FUNCTION cloudsat.enlist(pg_catalog.regrole, pg_catalog.text, cloudsat.address) IS
    'makes a login a bot of a kind (server, task, adhoc, admin) that may register the address and those under it; false when it is one already';

CREATE FUNCTION cloudsat.dismiss(role pg_catalog.regrole) RETURNS pg_catalog.bool
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_dismiss';
COMMENT ON FUNCTION cloudsat.dismiss(pg_catalog.regrole) IS
    'makes a bot an ordinary login again: no addresses, no membership; false when it was none';
