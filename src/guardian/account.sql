-- Accounts: users of a broker and the addresses that own them.

CREATE TABLE cloudsat.accounts (
    server      pg_catalog.text NOT NULL,
    username    pg_catalog.text NOT NULL,
    origin      pg_catalog.text NOT NULL CHECK (origin OPERATOR(pg_catalog.=) ANY (ARRAY[
                    'created', 'confirmed', 'declared', 'adopted'])),
    created_at  pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    password_at pg_catalog.timestamptz,
    gone_at     pg_catalog.timestamptz,
    PRIMARY KEY (server, username)
);
COMMENT ON TABLE cloudsat.accounts IS 'users of brokers that cloudsat knows of';
COMMENT ON COLUMN cloudsat.accounts.server IS 'name of the foreign server';
COMMENT ON COLUMN cloudsat.accounts.username IS
    'name of the user in the broker, and of the owner of queues that carry this name';
COMMENT ON COLUMN cloudsat.accounts.origin IS
    'how cloudsat learned of it: created by create_account(), confirmed by confirm_account(), declared by '
    'set_account_owners() alone, adopted because the guardian found it in the broker';
COMMENT ON COLUMN cloudsat.accounts.created_at IS 'when cloudsat first knew of it';
COMMENT ON COLUMN cloudsat.accounts.password_at IS 'when cloudsat last set its password; null if never';
COMMENT ON COLUMN cloudsat.accounts.gone_at IS
    'when the broker was found to have no such user; null while the user exists, as far as known';

CREATE TABLE cloudsat.account_owners (
    server      pg_catalog.text NOT NULL,
    username    pg_catalog.text NOT NULL,
    owner       cloudsat.address NOT NULL,
    PRIMARY KEY (server, username, owner),
    FOREIGN KEY (server, username) REFERENCES cloudsat.accounts ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE cloudsat.account_owners IS
    'owners of accounts: the addresses that are warned about its queues and may speak for them';
COMMENT ON COLUMN cloudsat.account_owners.server IS 'name of the foreign server';
COMMENT ON COLUMN cloudsat.account_owners.username IS 'the account';
COMMENT ON COLUMN cloudsat.account_owners.owner IS 'one of the addresses that own the account';

SELECT pg_catalog.pg_extension_config_dump('cloudsat.accounts', '');
SELECT pg_catalog.pg_extension_config_dump('cloudsat.account_owners', '');

-- Open and recently used requests for an account. A requester proves with the token that mail to the address
-- reaches them. The token itself is only in that mail.
CREATE TABLE cloudsat.account_requests (
    token_hash   pg_catalog.bytea NOT NULL PRIMARY KEY,
    server       pg_catalog.text NOT NULL,
    username     pg_catalog.text NOT NULL,
    owner        cloudsat.address NOT NULL CHECK (cloudsat.local(owner) IS NOT NULL),
    place        pg_catalog.int4 NOT NULL,
    requested_at pg_catalog.timestamptz NOT NULL,
    expires_at   pg_catalog.timestamptz NOT NULL,
    used_at      pg_catalog.timestamptz,
    CONSTRAINT account_requests_place_key UNIQUE (owner, place)
);
CREATE INDEX account_requests_requested_at_idx ON cloudsat.account_requests (requested_at);
COMMENT ON TABLE cloudsat.account_requests IS 'requested accounts, kept until the mailed token expires';
COMMENT ON COLUMN cloudsat.account_requests.token_hash IS 'SHA-256 of the token';
COMMENT ON COLUMN cloudsat.account_requests.server IS 'name of the foreign server';
COMMENT ON COLUMN cloudsat.account_requests.username IS 'the requested account';
COMMENT ON COLUMN cloudsat.account_requests.owner IS 'future owner, and recipient of the mail';
COMMENT ON COLUMN cloudsat.account_requests.place IS
    'number of the owner''s request; the number of open requests per owner is limited';
COMMENT ON COLUMN cloudsat.account_requests.requested_at IS 'time of the request';
COMMENT ON COLUMN cloudsat.account_requests.expires_at IS 'when the token expires';
COMMENT ON COLUMN cloudsat.account_requests.used_at IS 'when the token was used; it can be used only once';

SELECT pg_catalog.pg_extension_config_dump('cloudsat.account_requests', '');

CREATE FUNCTION cloudsat.create_account(server pg_catalog.text, username pg_catalog.text,
    password pg_catalog.text,
    owners cloudsat.address[]) RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'cloudsat_create_account' LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER;
COMMENT ON FUNCTION cloudsat.create_account(pg_catalog.text, pg_catalog.text, pg_catalog.text,
    cloudsat.address[]) IS
    'creates a user in a broker with permissions on queue/<user>/... and exchange/<user>/..., and records '
    'its owners';

CREATE FUNCTION cloudsat.set_account_password(server pg_catalog.text, username pg_catalog.text,
    password pg_catalog.text)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'cloudsat_set_account_password'
        LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER;
COMMENT ON FUNCTION cloudsat.set_account_password(pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
    'sets the password of a broker''s user; open connections stay open';

CREATE FUNCTION cloudsat.set_account_owners(server pg_catalog.text, username pg_catalog.text,
    owners cloudsat.address[])
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'cloudsat_set_account_owners' LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER;
COMMENT ON FUNCTION cloudsat.set_account_owners(pg_catalog.text, pg_catalog.text, cloudsat.address[]) IS
    'sets the owners of an account, including users created in the broker itself; does not contact the '
    'broker';

CREATE FUNCTION cloudsat.delete_account(server pg_catalog.text,
    username pg_catalog.text) RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'cloudsat_delete_account' LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER;
COMMENT ON FUNCTION cloudsat.delete_account(pg_catalog.text, pg_catalog.text) IS
    'deletes a broker''s user, which closes its connections; its queues remain';

CREATE FUNCTION cloudsat.request_account(server pg_catalog.text, username pg_catalog.text,
    owner cloudsat.address)
    RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'cloudsat_request_account' LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER;
COMMENT ON FUNCTION cloudsat.request_account(pg_catalog.text, pg_catalog.text, cloudsat.address) IS
    'mails the owner a token with which confirm_account() creates the account';

CREATE FUNCTION cloudsat.confirm_account(token pg_catalog.text, password pg_catalog.text,
    OUT server pg_catalog.text, OUT username pg_catalog.text) RETURNS record
    AS 'MODULE_PATHNAME', 'cloudsat_confirm_account' LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER;
COMMENT ON FUNCTION cloudsat.confirm_account(pg_catalog.text, pg_catalog.text) IS
    'creates the account that a mailed token stands for, with the given password; returns its server and '
    'name';

-- Called by cloudsat.maintain().
CREATE FUNCTION _cloudsat.prune_account_requests() RETURNS pg_catalog.int8
    LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    WITH pruned AS (DELETE FROM cloudsat.account_requests AS r WHERE r.expires_at < now() RETURNING 1)
    SELECT count(*) FROM pruned;
END;
COMMENT ON FUNCTION _cloudsat.prune_account_requests() IS
    'deletes requests whose token has expired; returns their number';
