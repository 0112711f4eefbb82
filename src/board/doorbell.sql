-- How posts wake waiting sessions, for administrators.

CREATE FUNCTION _cloudsat.waking(OUT notify text, OUT waiting int4, OUT notifications int8, OUT pending int4,
                                 OUT notified int8, OUT batches int8, OUT dropped int8)
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cloudsat_waking';
COMMENT ON FUNCTION _cloudsat.waking IS 'the doorbell''s counters in shared memory, for the view waking';

CREATE VIEW cloudsat.waking AS
    SELECT notify, waiting, notifications, pending, notified, batches, dropped FROM _cloudsat.waking();
COMMENT ON VIEW cloudsat.waking IS
    'how posts in this database wake waiting sessions, in one row; the counts start at the server''s start '
    'and are null without preloading';
COMMENT ON COLUMN cloudsat.waking.notify IS
    'how a post of this session would notify listeners now: batched, inline or off';
COMMENT ON COLUMN cloudsat.waking.waiting IS 'sessions that wait for messages in receive() or wait()';
COMMENT ON COLUMN cloudsat.waking.notifications IS 'channels that commits passed to the notifier';
COMMENT ON COLUMN cloudsat.waking.pending IS 'channels that the notifier has not notified yet';
COMMENT ON COLUMN cloudsat.waking.notified IS
    'NOTIFYs that the notifier sent: one for all pending notifications on a channel';
COMMENT ON COLUMN cloudsat.waking.batches IS 'transactions in which the notifier sent them';
COMMENT ON COLUMN cloudsat.waking.dropped IS
    'notifications not sent because there were too many at once or the server''s queue was full';
