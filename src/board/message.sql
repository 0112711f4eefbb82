-- The board's one table: append-only, with a reply's link in the reply's own row, partitioned into days by
-- uuid.

CREATE TABLE cloudsat.messages (
    uuid        uuid             NOT NULL,
    "timestamp" timestamptz      NOT NULL,
    poster      cloudsat.address NOT NULL,
    chan        cloudsat.address NOT NULL,
    message     text             NOT NULL,
    before      uuid,
    disposition cloudsat.disposition,
    root        uuid,
    depth       int4,
    xact        xid8             NOT NULL,
    -- all of the link or none; post and reply satisfy it by construction
    CONSTRAINT messages_link CHECK (num_nulls(before, disposition, root, depth) = ANY (ARRAY[0, 4]))
) PARTITION BY RANGE (uuid);

COMMENT ON TABLE cloudsat.messages IS
    'every message of the board, append-only; partitioned by the time in its uuid';
COMMENT ON COLUMN cloudsat.messages.uuid IS 'UUIDv7: its order is the order of time';
COMMENT ON COLUMN cloudsat.messages."timestamp" IS 'when it was posted, taken from the uuid';
COMMENT ON COLUMN cloudsat.messages.poster IS 'the address that posted it';
COMMENT ON COLUMN cloudsat.messages.chan IS 'the address to whose channel it was posted';
COMMENT ON COLUMN cloudsat.messages.message IS 'the text';
COMMENT ON COLUMN cloudsat.messages.before IS 'the message it replies to; null if it starts a thread';
COMMENT ON COLUMN cloudsat.messages.disposition IS 'how the reply relates to the work of its parent';
COMMENT ON COLUMN cloudsat.messages.root IS
    'the message that started the thread; null in that message itself';
COMMENT ON COLUMN cloudsat.messages.depth IS 'steps to the root of the thread; null in the root itself';
COMMENT ON COLUMN cloudsat.messages.xact IS
    'the transaction that wrote it, on the board clock, for exact reading';

-- Takes messages that fit no dated partition, so that a post never fails; cloudsat.maintain() empties it.
-- Each partition has its own indexes, and the parent has none. pg_restore attaches partitions to the parent
-- that CREATE EXTENSION made: an index on that parent would create indexes that the dump then tries to create
-- again, and fails.
CREATE TABLE cloudsat.messages_default PARTITION OF cloudsat.messages DEFAULT;
ALTER TABLE cloudsat.messages_default ADD CONSTRAINT messages_default_pkey PRIMARY KEY (uuid);
CREATE INDEX messages_default_chan_xact_idx ON cloudsat.messages_default (chan, xact);
CREATE INDEX messages_default_root_idx ON cloudsat.messages_default (root, poster, uuid)
    WHERE root IS NOT NULL;
COMMENT ON TABLE cloudsat.messages_default IS 'messages without a dated partition (yet)';

CREATE VIEW cloudsat.threads AS
    SELECT before, disposition, uuid AS after FROM cloudsat.messages WHERE before IS NOT NULL;
COMMENT ON VIEW cloudsat.threads IS 'reply links: "after" replies to "before"';
COMMENT ON COLUMN cloudsat.threads.before IS 'the message replied to';
COMMENT ON COLUMN cloudsat.threads.disposition IS 'how the reply relates to the work of its parent';
COMMENT ON COLUMN cloudsat.threads.after IS 'the reply';

SELECT pg_extension_config_dump('cloudsat.messages', '');
SELECT pg_extension_config_dump('cloudsat.messages_default', '');

-- Append-only for everybody. The row trigger is cloned to every partition, so it also protects a leaf named
-- directly. The statement trigger refuses even an UPDATE that matches no row. ALWAYS: also if
-- session_replication_role is replica.
CREATE FUNCTION _cloudsat.refuse_update() RETURNS trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'cloudsat_refuse_update';
COMMENT ON FUNCTION _cloudsat.refuse_update IS 'refuses every UPDATE of the board';
CREATE TRIGGER messages_append_only BEFORE UPDATE ON cloudsat.messages
    FOR EACH ROW EXECUTE FUNCTION _cloudsat.refuse_update();
COMMENT ON TRIGGER messages_append_only ON cloudsat.messages IS 'the board is append-only';
CREATE TRIGGER messages_append_only_statement BEFORE UPDATE ON cloudsat.messages
    FOR EACH STATEMENT EXECUTE FUNCTION _cloudsat.refuse_update();
COMMENT ON TRIGGER messages_append_only_statement ON cloudsat.messages IS 'the board is append-only';
ALTER TABLE cloudsat.messages ENABLE ALWAYS TRIGGER messages_append_only;
ALTER TABLE cloudsat.messages ENABLE ALWAYS TRIGGER messages_append_only_statement;

-- Posting. Not STRICT: a null is an error that names the argument. Neither SECURITY DEFINER nor SET: they
-- must know the caller, and they write below SQL, which checks no privileges and looks nothing up by name.
CREATE FUNCTION cloudsat.post(chan cloudsat.address, message text) RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_post';
COMMENT ON FUNCTION cloudsat.post(cloudsat.address, text) IS
    'starts a thread on a channel as this session''s nick; returns the message''s uuid';

CREATE FUNCTION cloudsat.post(poster cloudsat.address, chan cloudsat.address, message text) RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_post_from';
COMMENT ON FUNCTION cloudsat.post(cloudsat.address, cloudsat.address, text) IS
    'starts a thread on a channel as one of this session''s addresses; returns the message''s uuid';

CREATE FUNCTION cloudsat.post(poster cloudsat.address, chan cloudsat.address, messages text[])
    RETURNS SETOF uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_post_many_from';
COMMENT ON FUNCTION cloudsat.post(cloudsat.address, cloudsat.address, text[]) IS
    'posts many messages, each starting a thread; returns their uuids in order';

CREATE FUNCTION cloudsat.reply(parent uuid, disposition cloudsat.disposition, message text) RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_reply';
COMMENT ON FUNCTION cloudsat.reply(uuid, cloudsat.disposition, text) IS
    'replies to a message as this session''s nick, on its poster''s channel; returns the uuid of the reply';

CREATE FUNCTION cloudsat.reply(poster cloudsat.address, chan cloudsat.address, message text, parent uuid,
                               disposition cloudsat.disposition)
    RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_reply_from';
COMMENT ON FUNCTION cloudsat.reply(cloudsat.address, cloudsat.address, text, uuid, cloudsat.disposition) IS
    'replies to a message as one of this session''s addresses, on any channel; returns the uuid of the reply';

-- The same without a registration, for sessions that a pooler shares: the role must be enlisted for the
-- poster's address at each call.
CREATE FUNCTION cloudsat.post_as(poster cloudsat.address, chan cloudsat.address, message text)
    RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_post_as';
COMMENT ON FUNCTION cloudsat.post_as(cloudsat.address, cloudsat.address, text) IS
    'starts a thread on a channel as an address for which the role is enlisted, without a registration; '
    'returns the message''s uuid';

CREATE FUNCTION cloudsat.post_as(poster cloudsat.address, chan cloudsat.address, messages text[])
    RETURNS SETOF uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_post_many_as';
COMMENT ON FUNCTION cloudsat.post_as(cloudsat.address, cloudsat.address, text[]) IS
    'posts many messages like post_as(poster, chan, message), each starting a thread; returns their uuids in '
    'order';

CREATE FUNCTION cloudsat.reply_as(poster cloudsat.address, parent uuid,
                                  disposition cloudsat.disposition, message text)
    RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_reply_as';
COMMENT ON FUNCTION cloudsat.reply_as(cloudsat.address, uuid, cloudsat.disposition, text) IS
    'replies to a message, on its poster''s channel, as an address for which the role is enlisted, without a '
    'registration; returns the uuid of the reply';

CREATE FUNCTION cloudsat.reply_as(poster cloudsat.address, chan cloudsat.address, message text,
                                  parent uuid, disposition cloudsat.disposition)
    RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_reply_to_as';
COMMENT ON FUNCTION cloudsat.reply_as(cloudsat.address, cloudsat.address, text, uuid,
                                      cloudsat.disposition) IS
    'replies to a message like reply_as(poster, parent, disposition, message), on any channel';

-- A name of its own: untyped literals could not choose between uuid and uuid[].
CREATE FUNCTION cloudsat.reply_many_as(poster cloudsat.address, parents uuid[],
                                       disposition cloudsat.disposition, messages text[])
    RETURNS SETOF uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_reply_many_as';
COMMENT ON FUNCTION cloudsat.reply_many_as IS
    'replies to many messages like reply_as(poster, parent, disposition, message), one text for each; '
    'returns the uuids of the replies in order';
