-- How posts wake those who wait: for administrators to look at.

CREATE FUNCTION _cloudsat.waking(OUT notify pg_catalog.text, OUT waiting pg_catalog.int4, OUT notifications pg_catalog.int8,
    OUT pending pg_catalog.int4, OUT notified pg_catalog.int8, OUT batches pg_catalog.int8, OUT dropped pg_catalog.int8)
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cloudsat_waking';
COMMENT ON FUNCTION _cloudsat.waking() IS 'the doorbell''s counters in shared memory, for the view waking';

CREATE VIEW cloudsat.waking AS
    SELECT notify, waiting, notifications, pending, notified, batches, dropped FROM _cloudsat.waking();
COMMENT ON VIEW cloudsat.waking IS
    'how posts in this database wake those who wait, in one row; the counts are null without preloading, and begin at the server''s start';
COMMENT ON COLUMN cloudsat.waking.notify IS
    'how a post of this session notifies those who LISTEN, at this moment: batched, inline or off';
COMMENT ON COLUMN cloudsat.waking.waiting IS 'sessions that wait for messages in receive()';
COMMENT ON COLUMN cloudsat.waking.notifications IS 'channels that commits handed to the notifier';
COMMENT ON COLUMN cloudsat.waking.pending IS 'channels that it has not notified of yet';
COMMENT ON COLUMN cloudsat.waking.notified IS 'NOTIFYs that it sent: one for all pending notifications on a channel';
COMMENT ON COLUMN cloudsat.waking.batches IS 'transactions in which it sent them';
COMMENT ON COLUMN cloudsat.waking.dropped IS
    'notifications that were not sent, because there were too many at once or the server''s queue was full';
