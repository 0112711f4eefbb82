-- Who speaks from which connection.

CREATE TABLE cloudsat.registered (
    nick          cloudsat.address       NOT NULL,
    "timestamp"   pg_catalog.timestamptz NOT NULL,
    chans         cloudsat.address[]     NOT NULL,
    pid           pg_catalog.int4        NOT NULL,
    backend_start pg_catalog.timestamptz NOT NULL
);
CREATE INDEX registered_nick_timestamp_idx ON cloudsat.registered (nick, "timestamp");
COMMENT ON TABLE cloudsat.registered IS 'every registration, append-only; the newest of a nick counts';
COMMENT ON COLUMN cloudsat.registered.nick IS 'the first of the connection''s own addresses';
COMMENT ON COLUMN cloudsat.registered."timestamp" IS 'when it registered';
COMMENT ON COLUMN cloudsat.registered.chans IS 'the addresses it is subscribed to; empty when it cancelled';
COMMENT ON COLUMN cloudsat.registered.pid IS 'process that serves the connection';
COMMENT ON COLUMN cloudsat.registered.backend_start IS 'when that process began: with pid it names the connection';

SELECT pg_catalog.pg_extension_config_dump('cloudsat.registered', '');
