-- Which connection speaks as which addresses.

CREATE TABLE cloudsat.registered (
    nick          cloudsat.address   NOT NULL,
    "timestamp"   timestamptz        NOT NULL,
    chans         cloudsat.address[] NOT NULL,
    pid           int4               NOT NULL,
    backend_start timestamptz        NOT NULL
);
CREATE INDEX registered_nick_timestamp_idx ON cloudsat.registered (nick, "timestamp");
CREATE INDEX registered_connection_idx ON cloudsat.registered (pid, backend_start, "timestamp");
-- Rows are short and never updated. A row is deleted by matching all its columns, so it needs no key.
ALTER TABLE cloudsat.registered REPLICA IDENTITY FULL;
COMMENT ON TABLE cloudsat.registered IS
    'registrations, never updated; the newest of a nick counts. A registration that a connection cancels '
    'and repeats replaces its earlier row';
COMMENT ON COLUMN cloudsat.registered.nick IS 'the first of the connection''s own addresses';
COMMENT ON COLUMN cloudsat.registered."timestamp" IS 'when it registered';
COMMENT ON COLUMN cloudsat.registered.chans IS 'the addresses it is subscribed to; empty after it cancelled';
COMMENT ON COLUMN cloudsat.registered.pid IS 'process that serves the connection';
COMMENT ON COLUMN cloudsat.registered.backend_start IS
    'when that process began; with pid it identifies the connection';

SELECT pg_extension_config_dump('cloudsat.registered', '');

-- Not SECURITY DEFINER: it must know the caller, and it writes its row below SQL, which checks no privileges.
-- An untyped literal, as users write and drivers send it, is text, so text may be an address or an array
-- literal. Neither text nor text[] becomes an address without a cast, so each has its own function.
CREATE FUNCTION cloudsat.register(addresses cloudsat.address[], listen bool DEFAULT true)
    RETURNS cloudsat.address[]
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_register_session';
COMMENT ON FUNCTION cloudsat.register(cloudsat.address[], bool) IS
    'registers this session: the first address is its nick, all are its own, and it hears all their '
    'suffixes, which are returned; listens to their channels if listen is true; an empty array cancels';
CREATE FUNCTION cloudsat.register(addresses cloudsat.address, listen bool DEFAULT true)
    RETURNS cloudsat.address[]
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_register_session';
COMMENT ON FUNCTION cloudsat.register(cloudsat.address, bool) IS
    'registers this session under one address, like register(address[])';
CREATE FUNCTION cloudsat.register(addresses text[], listen bool DEFAULT true) RETURNS cloudsat.address[]
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_register_session';
COMMENT ON FUNCTION cloudsat.register(text[], bool) IS
    'registers this session under these addresses, like register(address[])';
CREATE FUNCTION cloudsat.register(addresses text, listen bool DEFAULT true) RETURNS cloudsat.address[]
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_register_session';
COMMENT ON FUNCTION cloudsat.register(text, bool) IS
    'registers this session under an address, or under those of an array literal such as '
    '{a@x.example.com,x.example.com}, like register(address[])';

-- This session's registration. PARALLEL RESTRICTED: only the leader of a parallel query knows it.
CREATE FUNCTION cloudsat.nick() RETURNS cloudsat.address
    LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cloudsat_nick';
COMMENT ON FUNCTION cloudsat.nick IS
    'the first address that this session registered; null if it is not registered';

CREATE FUNCTION cloudsat.addresses() RETURNS cloudsat.address[]
    LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cloudsat_addresses';
COMMENT ON FUNCTION cloudsat.addresses IS
    'the addresses that this session registered, the nick first; empty if it is not registered';

CREATE FUNCTION cloudsat.subscriptions() RETURNS cloudsat.address[]
    LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cloudsat_subscriptions';
COMMENT ON FUNCTION cloudsat.subscriptions IS
    'the addresses that this session hears: all suffixes of its own, the root last; empty if it is not '
    'registered';

-- Readers of the inbox may not read the board: security_barrier keeps a caller's function in WHERE from
-- seeing more.
CREATE VIEW cloudsat.inbox WITH (security_barrier) AS
    SELECT uuid, "timestamp", poster, chan, message, before, disposition, root, depth
      FROM cloudsat.messages
     WHERE chan = ANY (cloudsat.subscriptions());
COMMENT ON VIEW cloudsat.inbox IS 'all messages on this session''s subscriptions, its own included';
COMMENT ON COLUMN cloudsat.inbox.uuid IS 'UUIDv7: its order is the order of time';
COMMENT ON COLUMN cloudsat.inbox."timestamp" IS 'when it was posted, taken from the uuid';
COMMENT ON COLUMN cloudsat.inbox.poster IS 'the address that posted it';
COMMENT ON COLUMN cloudsat.inbox.chan IS 'the subscription on whose channel it was posted';
COMMENT ON COLUMN cloudsat.inbox.message IS 'the text';
COMMENT ON COLUMN cloudsat.inbox.before IS 'the message it replies to; null if it starts a thread';
COMMENT ON COLUMN cloudsat.inbox.disposition IS 'how the reply relates to the work of its parent';
COMMENT ON COLUMN cloudsat.inbox.root IS 'the message that started the thread; null in that message itself';
COMMENT ON COLUMN cloudsat.inbox.depth IS 'steps to the root of the thread; null in the root itself';

-- Steps from the newest row of one nick to that of the next: one index descent per nick, however often it
-- registered.
CREATE VIEW cloudsat.recent AS
    WITH RECURSIVE newest AS (
        (SELECT nick, "timestamp", chans, pid, backend_start
           FROM cloudsat.registered
          ORDER BY nick DESC, "timestamp" DESC LIMIT 1)
         UNION ALL
        SELECT r.nick, r."timestamp", r.chans, r.pid, r.backend_start
          FROM newest AS n,
               LATERAL (SELECT nick, "timestamp", chans, pid, backend_start
                          FROM cloudsat.registered
                         WHERE registered.nick < n.nick
                         ORDER BY nick DESC, "timestamp" DESC LIMIT 1) AS r)
    SELECT nick, "timestamp", chans, pid, backend_start FROM newest;
COMMENT ON VIEW cloudsat.recent IS 'the newest registration of each nick; chans is empty if it was cancelled';
COMMENT ON COLUMN cloudsat.recent.nick IS 'the first of the connection''s own addresses';
COMMENT ON COLUMN cloudsat.recent."timestamp" IS 'when it registered';
COMMENT ON COLUMN cloudsat.recent.chans IS 'the addresses it is subscribed to; empty after it cancelled';
COMMENT ON COLUMN cloudsat.recent.pid IS 'process that serves the connection';
COMMENT ON COLUMN cloudsat.recent.backend_start IS
    'when that process began; with pid it identifies the connection';

-- pg_stat_activity hides the times of other users' sessions, which show whether a pid is still the same
-- connection.
CREATE FUNCTION _cloudsat.sessions()
    RETURNS TABLE (pid int4, backend_start timestamptz, usename name, application_name text, client_addr inet,
                   state text, state_change timestamptz)
    LANGUAGE SQL STABLE PARALLEL RESTRICTED SECURITY DEFINER
BEGIN ATOMIC
    SELECT a.pid, a.backend_start, a.usename, a.application_name, a.client_addr, a.state, a.state_change
      FROM pg_stat_activity AS a
     WHERE a.datname = current_database();
END;
COMMENT ON FUNCTION _cloudsat.sessions IS 'the sessions of this database, for cloudsat.connections';

CREATE VIEW cloudsat.connections AS
    SELECT r.nick, r."timestamp", r.chans, r.pid, r.backend_start,
           s.usename, s.application_name, s.client_addr, s.state, s.state_change
      FROM cloudsat.recent AS r
      JOIN _cloudsat.sessions() AS s ON s.pid = r.pid
                                    AND s.backend_start = r.backend_start
     WHERE cardinality(r.chans) > 0;
COMMENT ON VIEW cloudsat.connections IS 'the newest registrations whose connection is alive, with its state';
COMMENT ON COLUMN cloudsat.connections.nick IS 'the first of the connection''s own addresses';
COMMENT ON COLUMN cloudsat.connections."timestamp" IS 'when it registered';
COMMENT ON COLUMN cloudsat.connections.chans IS 'the addresses it is subscribed to';
COMMENT ON COLUMN cloudsat.connections.pid IS 'process that serves the connection';
COMMENT ON COLUMN cloudsat.connections.backend_start IS 'when that process began';
COMMENT ON COLUMN cloudsat.connections.usename IS 'the role that connected';
COMMENT ON COLUMN cloudsat.connections.application_name IS 'the client''s application_name';
COMMENT ON COLUMN cloudsat.connections.client_addr IS 'the client''s address; null on a local socket';
COMMENT ON COLUMN cloudsat.connections.state IS 'active, idle, idle in transaction, and so on';
COMMENT ON COLUMN cloudsat.connections.state_change IS 'when it entered this state';
