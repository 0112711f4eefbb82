-- The board's one table: append-only, a reply's link in the row of the reply, cut into days by uuid.

CREATE TABLE cloudsat.messages (
    uuid        pg_catalog.uuid        NOT NULL,
    "timestamp" pg_catalog.timestamptz NOT NULL,
    poster      cloudsat.address       NOT NULL,
    chan        cloudsat.address       NOT NULL,
    message     pg_catalog.text        NOT NULL,
    before      pg_catalog.uuid,
    disposition cloudsat.disposition,
    root        pg_catalog.uuid,
    depth       pg_catalog.int4,
    xact        pg_catalog.xid8        NOT NULL,
    -- all of the link or none of it; post and reply hold to it by construction
    CONSTRAINT messages_link CHECK (pg_catalog.num_nulls(before, disposition, root, depth) OPERATOR(pg_catalog.=)
                                    ANY (ARRAY[0, 4]))
) PARTITION BY RANGE (uuid);

COMMENT ON TABLE cloudsat.messages IS 'every message of the board, append-only; partitioned by the time in its uuid';
COMMENT ON COLUMN cloudsat.messages.uuid IS 'UUIDv7: who sorts by it sorts by time';
COMMENT ON COLUMN cloudsat.messages."timestamp" IS 'when it was posted: the time in uuid';
COMMENT ON COLUMN cloudsat.messages.poster IS 'who speaks';
COMMENT ON COLUMN cloudsat.messages.chan IS 'to whom: the address on whose channel it rings';
COMMENT ON COLUMN cloudsat.messages.message IS 'the text';
COMMENT ON COLUMN cloudsat.messages.before IS 'the message that this one replies to; null in one that starts a thread';
COMMENT ON COLUMN cloudsat.messages.disposition IS 'how the reply relates to the work of its parent';
COMMENT ON COLUMN cloudsat.messages.root IS 'the message that started the thread; null in that message itself';
COMMENT ON COLUMN cloudsat.messages.depth IS 'steps to the root of the thread; null in the root itself';
COMMENT ON COLUMN cloudsat.messages.xact IS 'the transaction that wrote it, for exact reading';

-- Takes what no dated partition takes, so that a post never fails; cloudsat.maintain() empties it.
-- Each partition has indexes of its own, and the parent none: pg_restore attaches a partition to the parent that CREATE
-- EXTENSION made, and an index of that parent would make indexes which the dump then makes again, and fails.
CREATE TABLE cloudsat.messages_default PARTITION OF cloudsat.messages DEFAULT;
ALTER TABLE cloudsat.messages_default ADD CONSTRAINT messages_default_pkey PRIMARY KEY (uuid);
CREATE INDEX messages_default_chan_xact_idx ON cloudsat.messages_default (chan, xact);
CREATE INDEX messages_default_root_idx ON cloudsat.messages_default (root, poster, uuid) WHERE root IS NOT NULL;
COMMENT ON TABLE cloudsat.messages_default IS 'messages for which there is no dated partition (yet)';

CREATE VIEW cloudsat.threads AS
    SELECT before, disposition, uuid AS after FROM cloudsat.messages WHERE before IS NOT NULL;
COMMENT ON VIEW cloudsat.threads IS 'the reply links: "after" replies to "before"';
COMMENT ON COLUMN cloudsat.threads.before IS 'the message replied to';
COMMENT ON COLUMN cloudsat.threads.disposition IS 'how';
COMMENT ON COLUMN cloudsat.threads.after IS 'the reply';

SELECT pg_catalog.pg_extension_config_dump('cloudsat.messages', '');
SELECT pg_catalog.pg_extension_config_dump('cloudsat.messages_default', '');

-- Append-only for everybody. The row trigger is cloned to every partition, so it holds for a leaf named directly too;
-- the statement trigger refuses even what would find no row. ALWAYS: also in a session that plays replica.
CREATE FUNCTION _cloudsat.refuse_update() RETURNS trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'cloudsat_refuse_update';
COMMENT ON FUNCTION _cloudsat.refuse_update() IS 'refuses every UPDATE of the board';
CREATE TRIGGER messages_append_only BEFORE UPDATE ON cloudsat.messages
    FOR EACH ROW EXECUTE FUNCTION _cloudsat.refuse_update();
COMMENT ON TRIGGER messages_append_only ON cloudsat.messages IS 'the board is append-only';
CREATE TRIGGER messages_append_only_statement BEFORE UPDATE ON cloudsat.messages
    FOR EACH STATEMENT EXECUTE FUNCTION _cloudsat.refuse_update();
COMMENT ON TRIGGER messages_append_only_statement ON cloudsat.messages IS 'the board is append-only';
ALTER TABLE cloudsat.messages ENABLE ALWAYS TRIGGER messages_append_only;
ALTER TABLE cloudsat.messages ENABLE ALWAYS TRIGGER messages_append_only_statement;

-- Speaking. Not STRICT: a null is an error that names the argument. Not SECURITY DEFINER, and no SET clause: they write
-- below SQL, where no privilege is asked for and nothing is looked up by name, and they must know who calls.
CREATE FUNCTION cloudsat.post(chan cloudsat.address, message pg_catalog.text) RETURNS pg_catalog.uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_post';
COMMENT ON FUNCTION cloudsat.post(cloudsat.address, pg_catalog.text) IS
    'posts a message to a channel as this session''s nick: a new thread; returns its uuid';

CREATE FUNCTION cloudsat.post(poster cloudsat.address, chan cloudsat.address, message pg_catalog.text)
    RETURNS pg_catalog.uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_post_from';
COMMENT ON FUNCTION cloudsat.post(cloudsat.address, cloudsat.address, pg_catalog.text) IS
    'posts a message to a channel as one of this session''s addresses: a new thread; returns its uuid';

CREATE FUNCTION cloudsat.post(poster cloudsat.address, chan cloudsat.address, messages pg_catalog.text[])
    RETURNS SETOF pg_catalog.uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_post_many';
COMMENT ON FUNCTION cloudsat.post(cloudsat.address, cloudsat.address, pg_catalog.text[]) IS
    'posts many messages, each a new thread; returns their uuids in order';

CREATE FUNCTION cloudsat.reply(parent pg_catalog.uuid, disposition cloudsat.disposition, message pg_catalog.text)
    RETURNS pg_catalog.uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_reply';
COMMENT ON FUNCTION cloudsat.reply(pg_catalog.uuid, cloudsat.disposition, pg_catalog.text) IS
    'replies to a message, as this session''s nick, to the one who posted it; returns the uuid of the reply';

CREATE FUNCTION cloudsat.reply(poster cloudsat.address, chan cloudsat.address, message pg_catalog.text,
                               parent pg_catalog.uuid, disposition cloudsat.disposition) RETURNS pg_catalog.uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_reply_from';
COMMENT ON FUNCTION cloudsat.reply(cloudsat.address, cloudsat.address, pg_catalog.text, pg_catalog.uuid,
                                   cloudsat.disposition) IS
    'replies to a message as one of this session''s addresses, to any channel; returns the uuid of the reply';
