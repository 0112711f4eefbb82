-- Accounts: users of a broker, and the addresses that own them.

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
COMMENT ON TABLE cloudsat.accounts IS 'users of brokers, as far as cloudsat knows of them';
COMMENT ON COLUMN cloudsat.accounts.server IS 'name of the foreign server';
COMMENT ON COLUMN cloudsat.accounts.username IS 'name of the user in the broker, and of the owner of the queues whose names say so';
COMMENT ON COLUMN cloudsat.accounts.origin IS
    'how it came here: created by create_account(), confirmed by confirm_account(), declared by set_account_owners() alone, adopted because the guardian found it in the broker';
COMMENT ON COLUMN cloudsat.accounts.created_at IS 'since when it is known here';
COMMENT ON COLUMN cloudsat.accounts.password_at IS 'when cloudsat last gave it a password; null: never';
COMMENT ON COLUMN cloudsat.accounts.gone_at IS 'when the broker was found to have no such user (any more); null: it has, as far as known';

CREATE TABLE cloudsat.account_owners (
    server      pg_catalog.text NOT NULL,
    username    pg_catalog.text NOT NULL,
    owner       cloudsat.address NOT NULL,
    PRIMARY KEY (server, username, owner),
    FOREIGN KEY (server, username) REFERENCES cloudsat.accounts ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE cloudsat.account_owners IS 'whose an account is: who is told of its queues, and may answer for them';
COMMENT ON COLUMN cloudsat.account_owners.server IS 'name of the foreign server';
COMMENT ON COLUMN cloudsat.account_owners.username IS 'the account';
COMMENT ON COLUMN cloudsat.account_owners.owner IS 'one of the addresses that own it';

SELECT pg_catalog.pg_extension_config_dump('cloudsat.accounts', '');
SELECT pg_catalog.pg_extension_config_dump('cloudsat.account_owners', '');
