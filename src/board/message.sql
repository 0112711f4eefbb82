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
CREATE INDEX messages_default_root_idx ON cloudsat.messages_default (root) WHERE root IS NOT NULL;
COMMENT ON TABLE cloudsat.messages_default IS 'messages for which there is no dated partition (yet)';

CREATE VIEW cloudsat.threads AS
    SELECT before, disposition, uuid AS after FROM cloudsat.messages WHERE before IS NOT NULL;
COMMENT ON VIEW cloudsat.threads IS 'the reply links: "after" replies to "before"';
COMMENT ON COLUMN cloudsat.threads.before IS 'the message replied to';
COMMENT ON COLUMN cloudsat.threads.disposition IS 'how';
COMMENT ON COLUMN cloudsat.threads.after IS 'the reply';

SELECT pg_catalog.pg_extension_config_dump('cloudsat.messages', ''),
       pg_catalog.pg_extension_config_dump('cloudsat.messages_default', '');
