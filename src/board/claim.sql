-- Claims: which nick works on a message. A message's newest log entry names the holder and decides whether
-- the claim still holds.

CREATE TABLE cloudsat.claim_log (
    message       uuid                 NOT NULL,
    "timestamp"   timestamptz          NOT NULL,
    backend_start timestamptz          NOT NULL,
    pid           int4                 NOT NULL,
    disposition   cloudsat.disposition NOT NULL,
    reply         uuid                 NOT NULL,
    nick          cloudsat.address     NOT NULL,
    chan          cloudsat.address     NOT NULL,
    action        text                 NOT NULL,
    lease_until   timestamptz,
    PRIMARY KEY (message, "timestamp"),
    -- claim and release satisfy it by construction
    CONSTRAINT claim_log_action CHECK (action = ANY (ARRAY['claimed', 'renewed', 'taken_over', 'released']))
);
COMMENT ON TABLE cloudsat.claim_log IS
    'every claim and release, append-only; the newest entry of a message counts, and must be kept as long '
    'as the message exists';
COMMENT ON COLUMN cloudsat.claim_log.message IS 'the claimed message';
COMMENT ON COLUMN cloudsat.claim_log."timestamp" IS 'when; later for each further entry of a message';
COMMENT ON COLUMN cloudsat.claim_log.backend_start IS
    'when that process began; with pid it identifies the connection';
COMMENT ON COLUMN cloudsat.claim_log.pid IS 'process of the connection that claimed or released';
COMMENT ON COLUMN cloudsat.claim_log.disposition IS 'disposition of the reply';
COMMENT ON COLUMN cloudsat.claim_log.reply IS
    'the reply that took or released the claim; for renewed, the reply that took it';
COMMENT ON COLUMN cloudsat.claim_log.nick IS 'the holder';
COMMENT ON COLUMN cloudsat.claim_log.chan IS 'the channel of the message';
COMMENT ON COLUMN cloudsat.claim_log.action IS
    'claimed, renewed, taken_over (from a holder that had lost it) or released';
COMMENT ON COLUMN cloudsat.claim_log.lease_until IS 'when the claim expires; null: when the connection ends';

SELECT pg_extension_config_dump('cloudsat.claim_log', '');

-- Not STRICT: a null message is an error that names the argument, and a null lease means no lease. Not
-- SECURITY DEFINER: they must know the caller, and they write below SQL, which checks no privileges.
CREATE FUNCTION cloudsat.claim(message uuid, note text DEFAULT 'claimed', lease interval DEFAULT NULL)
    RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_claim';
COMMENT ON FUNCTION cloudsat.claim IS
    'takes a message for this session''s nick and replies acknowledged; returns the uuid of the reply, or '
    'null if another holder has it';

CREATE FUNCTION cloudsat.release(message uuid, disposition cloudsat.disposition, note text) RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_release';
COMMENT ON FUNCTION cloudsat.release IS
    'releases a claim with a reply: end and belay close the message permanently, others free it; returns '
    'the uuid of the reply';

-- The same without a registration, for sessions that a pooler shares: the role must be enlisted for the
-- claimer's address at each call, and only a lease holds the claim.
CREATE FUNCTION cloudsat.claim_as(claimer cloudsat.address, message uuid,
                                  lease interval, note text DEFAULT 'claimed')
    RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_claim_as';
COMMENT ON FUNCTION cloudsat.claim_as IS
    'takes a message for an address for which the role is enlisted, without a registration, until the lease '
    'expires, and replies acknowledged; returns the uuid of the reply, or null if another holder has it';

CREATE FUNCTION cloudsat.release_as(claimer cloudsat.address, message uuid,
                                    disposition cloudsat.disposition, note text)
    RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cloudsat_release_as';
COMMENT ON FUNCTION cloudsat.release_as IS
    'releases a claim of that address like release(message, disposition, note), without a registration';

CREATE FUNCTION _cloudsat.is_connected(pid int4, backend_start timestamptz) RETURNS bool
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cloudsat__is_connected';
COMMENT ON FUNCTION _cloudsat.is_connected IS 'whether that connection still exists';

-- Readers of the log see all claims. Other callers see only claims of messages that they hear;
-- security_barrier keeps a caller's function in WHERE from seeing more.
CREATE VIEW _cloudsat.held WITH (security_barrier) AS
    SELECT message, nick, chan, cloudsat.uuid_time(reply) AS since, lease_until, reply, pid, backend_start,
           CASE WHEN lease_until IS NULL THEN NOT _cloudsat.is_connected(pid, backend_start)
                ELSE lease_until <= clock_timestamp() END AS orphaned
      FROM (SELECT DISTINCT ON (message) message, nick, chan, reply, lease_until, pid, backend_start, action
              FROM cloudsat.claim_log
             ORDER BY message, "timestamp" DESC) AS newest
     WHERE action <> 'released'
       AND (has_table_privilege('cloudsat.claim_log', 'SELECT')
            OR chan = ANY (cloudsat.subscriptions()));
COMMENT ON VIEW _cloudsat.held IS 'unreleased claims, for cloudsat.claims and cloudsat.orphaned_claims';
COMMENT ON COLUMN _cloudsat.held.message IS 'the claimed message';
COMMENT ON COLUMN _cloudsat.held.nick IS 'the holder';
COMMENT ON COLUMN _cloudsat.held.chan IS 'the channel of the message';
COMMENT ON COLUMN _cloudsat.held.since IS 'when it was taken';
COMMENT ON COLUMN _cloudsat.held.lease_until IS 'when the claim expires; null: when the connection ends';
COMMENT ON COLUMN _cloudsat.held.reply IS 'the reply that took it';
COMMENT ON COLUMN _cloudsat.held.pid IS 'process of the connection that claimed it';
COMMENT ON COLUMN _cloudsat.held.backend_start IS 'when that process began';
COMMENT ON COLUMN _cloudsat.held.orphaned IS
    'whether the claim is lost: the lease has expired or, without a lease, the connection is gone';

CREATE VIEW cloudsat.claims AS
    SELECT message, nick, chan, since, lease_until, reply, pid, backend_start
      FROM _cloudsat.held WHERE NOT orphaned;
COMMENT ON VIEW cloudsat.claims IS 'live claims';
COMMENT ON COLUMN cloudsat.claims.message IS 'the claimed message';
COMMENT ON COLUMN cloudsat.claims.nick IS 'the holder';
COMMENT ON COLUMN cloudsat.claims.chan IS 'the channel of the message';
COMMENT ON COLUMN cloudsat.claims.since IS 'when it was taken';
COMMENT ON COLUMN cloudsat.claims.lease_until IS 'when the claim is lost; null: when the connection ends';
COMMENT ON COLUMN cloudsat.claims.reply IS 'the reply that took it';
COMMENT ON COLUMN cloudsat.claims.pid IS 'process of the connection that claimed it';
COMMENT ON COLUMN cloudsat.claims.backend_start IS
    'when that process began; with pid it identifies the connection';

CREATE VIEW cloudsat.orphaned_claims AS
    SELECT message, nick, chan, since, lease_until, reply, pid, backend_start
      FROM _cloudsat.held WHERE orphaned;
COMMENT ON VIEW cloudsat.orphaned_claims IS
    'claims whose lease has expired or, without a lease, whose connection is gone; claim() can take them '
    'over';
COMMENT ON COLUMN cloudsat.orphaned_claims.message IS 'the claimed message';
COMMENT ON COLUMN cloudsat.orphaned_claims.nick IS 'the nick that held it';
COMMENT ON COLUMN cloudsat.orphaned_claims.chan IS 'the channel of the message';
COMMENT ON COLUMN cloudsat.orphaned_claims.since IS 'when it was taken';
COMMENT ON COLUMN cloudsat.orphaned_claims.lease_until IS
    'when the claim expired; null: when the connection ended';
COMMENT ON COLUMN cloudsat.orphaned_claims.reply IS 'the reply that took it';
COMMENT ON COLUMN cloudsat.orphaned_claims.pid IS 'process of the connection that claimed it';
COMMENT ON COLUMN cloudsat.orphaned_claims.backend_start IS
    'when that process began; with pid it identifies the connection';
