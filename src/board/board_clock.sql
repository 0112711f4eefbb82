-- The board clock: what messages.xact counts. See board_clock.hpp.

-- No key: sessions that begin an era at the same time each write its row, so that none waits for another.
CREATE TABLE cloudsat.eras (
    era               int4        NOT NULL,
    system_identifier int8        NOT NULL,
    timeline          int4        NOT NULL,
    recovered_to      pg_lsn,
    next_xact         xid8        NOT NULL,
    began             timestamptz NOT NULL
);
ALTER TABLE cloudsat.eras REPLICA IDENTITY FULL; -- a handful of rows
COMMENT ON TABLE cloudsat.eras IS
    'the lives of the clusters that have held the board, in order: each may assign the same transaction '
    'numbers again, so the era precedes them; an era may have several rows';
COMMENT ON COLUMN cloudsat.eras.era IS 'bits 48 and above of messages.xact';
COMMENT ON COLUMN cloudsat.eras.system_identifier IS
    'system identifier of the cluster, as shown by pg_control_system()';
COMMENT ON COLUMN cloudsat.eras.timeline IS 'timeline of the cluster: a promotion begins another';
COMMENT ON COLUMN cloudsat.eras.recovered_to IS
    'end of the recovery that preceded this life of the cluster; null if it had been shut down cleanly';
COMMENT ON COLUMN cloudsat.eras.next_xact IS
    'the next transaction number when the row was written: a transaction with a smaller one may belong to an '
    'earlier era';
COMMENT ON COLUMN cloudsat.eras.began IS 'when the first row was written in it';

SELECT pg_extension_config_dump('cloudsat.eras', '');

-- also if session_replication_role is replica
CREATE FUNCTION _cloudsat.era_changed() RETURNS trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'cloudsat_era_changed';
COMMENT ON FUNCTION _cloudsat.era_changed IS 'notifies every session that the eras have changed';
CREATE TRIGGER eras_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cloudsat.eras
    FOR EACH STATEMENT EXECUTE FUNCTION _cloudsat.era_changed();
COMMENT ON TRIGGER eras_changed ON cloudsat.eras IS 'notifies every session';
ALTER TABLE cloudsat.eras ENABLE ALWAYS TRIGGER eras_changed;
