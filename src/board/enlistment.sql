-- Which logins are bots, of which kind, and which addresses they may register.

-- regrole holds the role's OID, so a row follows a rename, and a later role of the same name has no part in
-- it. A dump shows names, so a restored row finds the role of that name in the new cluster. Rows of dropped
-- roles have no effect: they are not dumped, and the next change deletes them.
CREATE TABLE cloudsat.enlisted (
    role        regrole          NOT NULL,
    kind        text             NOT NULL,
    address     cloudsat.address NOT NULL,
    "timestamp" timestamptz      NOT NULL,
    enlisted_by name             NOT NULL,
    PRIMARY KEY (role, address),
    CONSTRAINT enlisted_kind CHECK (kind = ANY (ARRAY['server', 'task', 'adhoc', 'admin']))
);
COMMENT ON TABLE cloudsat.enlisted IS 'the logins that are bots; changed by enlist() and dismiss()';
COMMENT ON COLUMN cloudsat.enlisted.role IS 'the login';
COMMENT ON COLUMN cloudsat.enlisted.kind IS
    'server, task, adhoc or admin: the login is a member of cloudsat_<kind>';
COMMENT ON COLUMN cloudsat.enlisted.address IS
    'a server or task may register this address and those under it; for the other kinds it is informative';
COMMENT ON COLUMN cloudsat.enlisted."timestamp" IS 'when it was enlisted';
COMMENT ON COLUMN cloudsat.enlisted.enlisted_by IS 'the name, at that time, of the role that enlisted it';

SELECT pg_extension_config_dump('cloudsat.enlisted',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid OPERATOR(pg_catalog.=) role)');

-- The public functions check the caller; these make the change. Only those call them, so they are SECURITY
-- DEFINER and not granted.
CREATE FUNCTION _cloudsat.enlist(role regrole, kind text, address cloudsat.address, enlisted_by regrole)
    RETURNS bool
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $enlist$
#variable_conflict use_column
DECLARE
    other text;
    added bool;
BEGIN
    -- one change at a time: a role must not become a bot of two kinds, and concurrent GRANTs conflict
    LOCK TABLE cloudsat.enlisted IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM cloudsat.enlisted AS e WHERE NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = e.role);
    SELECT e.kind INTO other FROM cloudsat.enlisted AS e
     WHERE e.role = enlist.role AND e.kind <> enlist.kind LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
            MESSAGE = format('role "%s" is already enlisted as %s',
                             (SELECT rolname FROM pg_roles WHERE oid = enlist.role), other),
            DETAIL = 'A role is a bot of one kind.',
            HINT = format('Use SELECT cloudsat.dismiss(%L) first.', enlist.role);
    END IF;
    INSERT INTO cloudsat.enlisted VALUES (enlist.role, enlist.kind, enlist.address, clock_timestamp(),
                                          (SELECT rolname FROM pg_roles WHERE oid = enlist.enlisted_by))
        ON CONFLICT DO NOTHING;
    added := FOUND;
    -- a direct membership, even if it already has one through another role, which may end
    IF NOT EXISTS (SELECT FROM pg_auth_members AS m
                    WHERE m.member = enlist.role AND m.roleid = to_regrole('cloudsat_' || enlist.kind))
       OR NOT pg_has_role(enlist.role, 'cloudsat_' || enlist.kind, 'USAGE') THEN
        EXECUTE format('GRANT %I TO %s', 'cloudsat_' || enlist.kind, enlist.role)
             || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT TRUE'
                     ELSE '' END;
    END IF;
    RETURN added;
END
$enlist$;
COMMENT ON FUNCTION _cloudsat.enlist IS 'makes the change for cloudsat.enlist(), which checks the caller';

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
    -- From version 16 on there may be one grant from each of several grantors, and REVOKE revokes only one.
    -- Before, there is one, whose grantor may no longer exist.
    FOR grantor IN SELECT coalesce(r.oid, current_user::regrole)
                     FROM pg_auth_members AS m LEFT JOIN pg_roles AS r ON r.oid = m.grantor
                    WHERE m.member = dismiss.role AND m.roleid = to_regrole(was) LOOP
        EXECUTE format('REVOKE %I FROM %s GRANTED BY %s CASCADE', was, dismiss.role, grantor);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE oid = dismiss.role) AND pg_has_role(dismiss.role, was, 'USAGE') THEN
        RAISE WARNING 'role "%" is still a member of % through another role',
            (SELECT rolname FROM pg_roles WHERE oid = dismiss.role), was
            USING DETAIL = 'It can no longer register an address, but registered sessions stay registered.';
    END IF;
    RETURN true;
END
$dismiss$;
COMMENT ON FUNCTION _cloudsat.dismiss IS 'makes the change for cloudsat.dismiss(), which checks the caller';

-- Not SECURITY DEFINER: they must know the caller.
CREATE FUNCTION cloudsat.enlist(role regrole, kind text, address cloudsat.address DEFAULT NULL) RETURNS bool
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_enlist';
COMMENT ON FUNCTION cloudsat.enlist IS
    'makes a login a bot of a kind (server, task, adhoc, admin) that may register the address and those '
    'under it; false if it already is one';

CREATE FUNCTION cloudsat.dismiss(role regrole) RETURNS bool
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_dismiss';
COMMENT ON FUNCTION cloudsat.dismiss IS
    'makes a bot an ordinary login again, without addresses and membership; false if it was not a bot';
