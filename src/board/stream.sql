-- Streams deliver every message committed after registration, once, in batches.

CREATE TABLE cloudsat.bookmarks (
    nick         cloudsat.address NOT NULL,
    "timestamp"  timestamptz      NOT NULL,
    position     pg_snapshot      NOT NULL,
    partial_xact xid8,
    partial_uuid uuid,
    floor        timestamptz
);
-- Rows are never updated. A row is deleted by matching all its columns.
ALTER TABLE cloudsat.bookmarks REPLICA IDENTITY FULL;
CREATE INDEX bookmarks_nick_timestamp_idx ON cloudsat.bookmarks (nick, "timestamp");
COMMENT ON TABLE cloudsat.bookmarks IS
    'positions of streams, append-only; the newest of a nick counts when it registers';
COMMENT ON COLUMN cloudsat.bookmarks.nick IS 'the nick whose stream it is';
COMMENT ON COLUMN cloudsat.bookmarks."timestamp" IS 'when it was saved';
COMMENT ON COLUMN cloudsat.bookmarks.position IS
    'the transactions whose messages were received, on the clock of messages.xact';
COMMENT ON COLUMN cloudsat.bookmarks.partial_xact IS 'a transaction of which some messages were received';
COMMENT ON COLUMN cloudsat.bookmarks.partial_uuid IS 'the last message received of that transaction';
COMMENT ON COLUMN cloudsat.bookmarks.floor IS
    'no message from before this time is missing, so earlier ones need no search; null: unknown';

SELECT pg_extension_config_dump('cloudsat.bookmarks', '');

-- PARALLEL UNSAFE: they take their own snapshots. Not SECURITY DEFINER: they must know the caller, and they
-- read and write below SQL, which checks no privileges.
CREATE FUNCTION cloudsat.receive(max int4 DEFAULT 100, timeout interval DEFAULT '0',
                                 include_own bool DEFAULT false)
    RETURNS TABLE (uuid uuid, "timestamp" timestamptz, poster cloudsat.address, chan cloudsat.address,
                   message text, before uuid, disposition cloudsat.disposition, root uuid, depth int4)
    LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'cloudsat_receive';
COMMENT ON FUNCTION cloudsat.receive IS
    'the next messages on this session''s subscriptions, each once, at most max; waits up to timeout for '
    'the first, holding its statement''s snapshot';

-- Neither SECURITY DEFINER nor SET: such a procedure may not end transactions.
CREATE PROCEDURE cloudsat.wait(timeout interval DEFAULT '1 minute')
    LANGUAGE C AS 'MODULE_PATHNAME', 'cloudsat_wait';
COMMENT ON PROCEDURE cloudsat.wait IS
    'ends the transaction, then waits without a snapshot until there may be something to receive, at most '
    'for timeout';

CREATE FUNCTION cloudsat.bookmark(force bool DEFAULT false) RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_bookmark';
COMMENT ON FUNCTION cloudsat.bookmark IS
    'saves this session''s stream position under its nick, from which register() resumes. Unless force is '
    'true, anything further that the nick''s newest bookmark has received is kept';

-- One for each type of address argument, as for register. PARALLEL UNSAFE like the others.
CREATE FUNCTION cloudsat.inbox(addresses cloudsat.address[], since pg_snapshot DEFAULT NULL,
                               max int4 DEFAULT NULL, timeout interval DEFAULT '0')
    RETURNS TABLE (uuid uuid, "timestamp" timestamptz, poster cloudsat.address, chan cloudsat.address,
                   message text, before uuid, disposition cloudsat.disposition, root uuid, depth int4,
                   upto pg_snapshot)
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_inbox_of';
COMMENT ON FUNCTION cloudsat.inbox(cloudsat.address[], pg_snapshot, int4, interval) IS
    'messages on the suffixes of these addresses that are not in since: all, or those of the first '
    'transactions, about max; upto is the next since. Waits up to timeout for the first one';
CREATE FUNCTION cloudsat.inbox(addresses cloudsat.address, since pg_snapshot DEFAULT NULL,
                               max int4 DEFAULT NULL, timeout interval DEFAULT '0')
    RETURNS TABLE (uuid uuid, "timestamp" timestamptz, poster cloudsat.address, chan cloudsat.address,
                   message text, before uuid, disposition cloudsat.disposition, root uuid, depth int4,
                   upto pg_snapshot)
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_inbox_of';
COMMENT ON FUNCTION cloudsat.inbox(cloudsat.address, pg_snapshot, int4, interval) IS
    'messages on the suffixes of an address that are not in since, like inbox(address[], ...)';
CREATE FUNCTION cloudsat.inbox(addresses text[], since pg_snapshot DEFAULT NULL,
                               max int4 DEFAULT NULL, timeout interval DEFAULT '0')
    RETURNS TABLE (uuid uuid, "timestamp" timestamptz, poster cloudsat.address, chan cloudsat.address,
                   message text, before uuid, disposition cloudsat.disposition, root uuid, depth int4,
                   upto pg_snapshot)
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_inbox_of';
COMMENT ON FUNCTION cloudsat.inbox(text[], pg_snapshot, int4, interval) IS
    'messages on the suffixes of these addresses that are not in since, like inbox(address[], ...)';
CREATE FUNCTION cloudsat.inbox(addresses text, since pg_snapshot DEFAULT NULL,
                               max int4 DEFAULT NULL, timeout interval DEFAULT '0')
    RETURNS TABLE (uuid uuid, "timestamp" timestamptz, poster cloudsat.address, chan cloudsat.address,
                   message text, before uuid, disposition cloudsat.disposition, root uuid, depth int4,
                   upto pg_snapshot)
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_inbox_of';
COMMENT ON FUNCTION cloudsat.inbox(text, pg_snapshot, int4, interval) IS
    'messages on the suffixes of an address, or of those of an array literal, that are not in since, like '
    'inbox(address[], ...)';

CREATE FUNCTION cloudsat.current_snapshot() RETURNS pg_snapshot
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_current_snapshot';
COMMENT ON FUNCTION cloudsat.current_snapshot IS
    'the present, as since for cloudsat.inbox: a reader that begins with it reads everything committed from '
    'now on';
