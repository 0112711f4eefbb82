// Claims: claim and release. Claimers of one message wait for a lock that is held until the end of the
// transaction. The lock's holder reads the newest entry of the message's log, whatever its snapshot shows,
// and core/board/claim decides. So there is one winner at every isolation level, and no claimer fails because
// it lost.

#include <algorithm>

#include "board/address.hpp"
#include "board/append.hpp"
#include "board/disposition.hpp"
#include "board/enlistment.hpp"
#include "board/message.hpp"
#include "board/registration.hpp"
#include "board/uuid.hpp"
#include "core/board/claim.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"
#include "pg/sessions.hpp"
#include "pg/table_scan.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/xlog.h"
#include "storage/lock.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
}

namespace cloudsat::board {
namespace {

pg::Name claim_log(pg::Name::Kind::table, "claim_log");

// The columns of cloudsat.claim_log, in the order of src/board/claim.sql.
enum Column : std::size_t {
    c_message,
    c_timestamp,
    c_backend_start,
    c_pid,
    c_disposition,
    c_reply,
    c_nick,
    c_chan,
    c_action,
    c_lease_until,
    columns
};

// One log entry.
struct Entry {
    TimestampTz timestamp;
    core::ClaimAction action;
    core::Disposition disposition;
    core::Uuid reply;
    Datum nick; // palloc'd
    TimestampTz backend_start;
    int pid;
    bool has_lease;
    TimestampTz lease_until;
};

// Until the end of the transaction no other session claims or releases the message. This number is in a field
// where users' advisory locks have 1 or 2, and Citus has small numbers. A lock has only 64 bits for a uuid's
// 128; messages that share one only wait for each other.
void lock_claims(const core::Uuid& message) {
    constexpr uint16 claims = 0x6373;
    uint32 quarters[4];
    std::copy(message.bytes.begin(), message.bytes.end(), reinterpret_cast<std::uint8_t*>(quarters));
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, quarters[0] ^ quarters[2], quarters[1] ^ quarters[3], claims);
    LockAcquire(&tag, ExclusiveLock, false, false);
}

core::ClaimAction action_of(Datum text) {
    const std::optional<core::ClaimAction> action = core::parse_claim_action(pg::view(text));
    if (!action) {
        ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED), errmsg("invalid action in cloudsat.claim_log"));
    }
    return *action;
}

// The newest entry of a message; false if there is none. The caller holds the lock, so no entry can follow.
// Entries committed by now and those of this transaction are visible, whatever its snapshot. Entries are
// never updated, so SnapshotSelf never shows two versions of one; and it sets no predicate lock that could
// fail a SERIALIZABLE transaction.
bool read_newest(Relation log, const core::Uuid& message, Entry& entry) {
    const Oid key_index = CLOUDSAT_PRIMARY_KEY(log);
    if (!OidIsValid(key_index)) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("cloudsat.claim_log has lost its primary key"));
    }
    ScanKeyData key;
    ScanKeyInit(&key, c_message + 1, BTEqualStrategyNumber, F_UUID_EQ, as_datum(message));
    pg::TableScan scan;
    scan.begin(log, key_index, SnapshotSelf, key);
    TupleTableSlot* row = scan.next(BackwardScanDirection);
    const bool found = row != nullptr;
    if (found) {
        slot_getallattrs(row);
        const Datum* values = row->tts_values;
        const bool* nulls = row->tts_isnull;
        entry = {.timestamp = DatumGetTimestampTz(values[c_timestamp]),
                 .action = action_of(values[c_action]),
                 .disposition = disposition_value(values[c_disposition]),
                 .reply = from_datum(values[c_reply]),
                 .nick = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[c_nick])),
                 .backend_start = DatumGetTimestampTz(values[c_backend_start]),
                 .pid = DatumGetInt32(values[c_pid]),
                 .has_lease = !nulls[c_lease_until],
                 .lease_until = nulls[c_lease_until] ? 0 : DatumGetTimestampTz(values[c_lease_until])};
    }
    scan.end();
    return found;
}

bool is_mine(const Entry& entry) {
    return entry.pid == MyProcPid && entry.backend_start == MyStartTimestamp;
}

// The state of the newest entry, for the rule.
core::ClaimEntry facts(const Entry& entry, TimestampTz now) {
    return {.action = entry.action,
            .disposition = entry.disposition,
            .tenure = entry.has_lease ? core::Tenure::lease : core::Tenure::connection,
            .is_lease_over = entry.has_lease && entry.lease_until <= now,
            .is_connected = is_mine(entry) || pg::is_connected(entry.pid, entry.backend_start)};
}

core::Claimer claimer_as(bool has_nick, const Entry& entry) {
    if (!has_nick) {
        return core::Claimer::stranger;
    }
    return is_mine(entry) ? core::Claimer::same_connection : core::Claimer::same_nick;
}

struct NewEntry {
    core::ClaimAction action;
    core::Disposition disposition;
    core::Uuid reply;
    Datum nick;
    const TimestampTz* lease_until; // null: none
};

void append_entry(Appender& log, const Found& message, const Entry* newest, TimestampTz now,
                  const NewEntry& entry) {
    Datum values[columns] = {};
    bool nulls[columns] = {};
    values[c_message] = as_datum(message.uuid);
    // a message's entries are ordered by time even if the clock was set back
    values[c_timestamp] =
        TimestampTzGetDatum(newest == nullptr ? now : time_after(newest->timestamp, "claim_log"));
    values[c_backend_start] = TimestampTzGetDatum(MyStartTimestamp);
    values[c_pid] = Int32GetDatum(MyProcPid);
    values[c_disposition] = disposition_datum(entry.disposition);
    values[c_reply] = as_datum(entry.reply);
    values[c_nick] = entry.nick;
    values[c_chan] = message.chan;
    values[c_action] = pg::to_text(core::name_of(entry.action));
    nulls[c_lease_until] = entry.lease_until == nullptr;
    if (entry.lease_until != nullptr) {
        values[c_lease_until] = TimestampTzGetDatum(*entry.lease_until);
    }
    append_row(log, {values, nulls});
}

// The log, opened for appending.
Appender open_log() {
    return append_begin(claim_log.oid(), "claim_log_action");
}

// The end of a lease that begins now.
TimestampTz end_of_lease(TimestampTz now, Datum lease) {
    const TimestampTz end =
        DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), lease));
    if (end <= now || TIMESTAMP_NOT_FINITE(end)) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("lease must be positive"),
                errdetail("A lease is a finite time that starts now."));
    }
    return end;
}

// A caller of claim or release: the session with its registration, or an address that the call names.
struct Caller {
    Datum address; // the claimer: the nick, or the named one; a release by the session needs none
    bool is_session;

    bool hears(Datum chan) const {
        return is_administrator() ||
               (is_session ? is_subscribed(chan) : core::within(address_view(address), address_view(chan)));
    }
    bool is(Datum nick) const {
        return is_session ? is_own(nick) : address_view(nick) == address_view(address);
    }
};

void require_heard(const Caller& caller, const Found& message) {
    if (caller.hears(message.chan)) {
        return;
    }
    ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
            errmsg(caller.is_session ? "message %s is not on a subscription of this session"
                                     : "message %s is not on a subscription of %s",
                   uuid_cstring(message.uuid),
                   caller.is_session ? "" : address_cstring(address_view(caller.address))),
            errdetail(caller.is_session ? "A session can claim only messages that it hears."
                                        : "An address can claim only messages that it hears."));
}

[[noreturn]] void refuse_release(const Caller& caller, const core::Uuid& message, const Entry* newest,
                                 bool has_nick) {
    const bool is_held_now = newest != nullptr && newest->action != core::ClaimAction::released;
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            errmsg(caller.is_session ? "this session has not claimed message %s"
                                     : "message %s is not claimed by %s",
                   uuid_cstring(message),
                   caller.is_session ? "" : address_cstring(address_view(caller.address))),
            newest == nullptr         ? errdetail("It is not claimed.")
            : is_held_now && has_nick ? errdetail("Another connection of %s holds it, without a lease.",
                                                  address_cstring(address_view(newest->nick)))
            : is_held_now ? errdetail("%s holds it; only its holder and administrators may release it.",
                                      address_cstring(address_view(newest->nick)))
                          : errdetail("%s has released it.", address_cstring(address_view(newest->nick))));
    pg_unreachable();
}

// Takes the message if the rule allows it. Returns whether it is the claimer's, and the reply that took it.
bool take(const Caller& caller, const core::Uuid& uuid, Datum note, const Datum* lease, core::Uuid& reply) {
    check_size(note);
    Appender messages = open_board();
    const Found message = find_message(messages.table, uuid);
    require_heard(caller, message);
    Appender log = open_log();
    lock_claims(uuid);
    Entry newest{};
    const bool is_known = read_newest(log.table, uuid, newest);
    const TimestampTz now = GetCurrentTimestamp();
    const TimestampTz lease_until = lease != nullptr ? end_of_lease(now, *lease) : 0;
    const bool has_nick = is_known && address_view(caller.address) == address_view(newest.nick);
    const core::ClaimAnswer answer =
        is_known ? core::answer_claim(facts(newest, now), claimer_as(has_nick, newest))
                 : core::ClaimAnswer::take;

    if (answer == core::ClaimAnswer::take || answer == core::ClaimAnswer::take_over) {
        reply = write_reply(messages, caller.address, message, core::Disposition::acknowledged, note);
    } else if (answer == core::ClaimAnswer::renew) {
        reply = newest.reply;
    }
    if (answer != core::ClaimAnswer::refuse) {
        const core::ClaimAction action = answer == core::ClaimAnswer::take    ? core::ClaimAction::claimed
                                         : answer == core::ClaimAnswer::renew ? core::ClaimAction::renewed
                                                                              : core::ClaimAction::taken_over;
        append_entry(log, message, is_known ? &newest : nullptr, now,
                     {.action = action,
                      .disposition = core::Disposition::acknowledged,
                      .reply = reply,
                      .nick = caller.address,
                      .lease_until = lease != nullptr ? &lease_until : nullptr});
    }
    append_end(log);
    append_end(messages);
    return answer != core::ClaimAnswer::refuse;
}

// Returns the reply.
core::Uuid give_up(const Caller& caller, const core::Uuid& uuid, core::Disposition disposition, Datum note) {
    check_size(note);
    Appender messages = open_board();
    const Found message = find_message(messages.table, uuid);
    Appender log = open_log();
    lock_claims(uuid);
    Entry newest{};
    const bool is_known = read_newest(log.table, uuid, newest);
    const TimestampTz now = GetCurrentTimestamp();
    const bool has_nick = is_known && caller.is(newest.nick);
    const core::ClaimEntry held = is_known ? facts(newest, now) : core::ClaimEntry{};
    if (!is_known || !core::is_held(held) ||
        !(is_administrator() || core::may_release(held, claimer_as(has_nick, newest)))) {
        require_heard(caller, message); // an error may name the holder only to those that hear the message
        refuse_release(caller, uuid, is_known ? &newest : nullptr, has_nick);
    }
    // in the holder's name, because it is the holder whose work ends
    const core::Uuid reply = write_reply(messages, newest.nick, message, disposition, note);
    append_entry(log, message, &newest, now,
                 {.action = core::ClaimAction::released,
                  .disposition = disposition,
                  .reply = reply,
                  .nick = newest.nick,
                  .lease_until = nullptr});
    append_end(log);
    append_end(messages);
    return reply;
}

Caller require_enlisted(Datum address) {
    require_may_speak_as(address_view(address));
    return {address, false};
}

Datum claim(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.claim()");
    pg::require_arguments(fcinfo, {"message", "note"});
    const Caller caller{own_nick(), true};
    const Datum lease = PG_GETARG_DATUM(2);
    core::Uuid reply{};
    if (!take(caller, from_datum(PG_GETARG_DATUM(0)), PG_GETARG_DATUM(1), PG_ARGISNULL(2) ? nullptr : &lease,
              reply)) {
        PG_RETURN_NULL();
    }
    return copy_datum(reply);
}

// Without a registration, so there is no connection that could hold it: only a lease.
Datum claim_as(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.claim_as()");
    pg::require_arguments(fcinfo, {"claimer", "message", "lease", "note"});
    const Caller caller = require_enlisted(PG_GETARG_DATUM(0));
    const Datum lease = PG_GETARG_DATUM(2);
    core::Uuid reply{};
    if (!take(caller, from_datum(PG_GETARG_DATUM(1)), PG_GETARG_DATUM(3), &lease, reply)) {
        PG_RETURN_NULL();
    }
    return copy_datum(reply);
}

Datum release(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.release()");
    pg::require_arguments(fcinfo, {"message", "disposition", "note"});
    if (!is_administrator()) {
        own_nick(); // 55000 without a registration
    }
    return copy_datum(give_up({Datum{}, true}, from_datum(PG_GETARG_DATUM(0)),
                              disposition_value(PG_GETARG_DATUM(1)), PG_GETARG_DATUM(2)));
}

Datum release_as(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.release_as()");
    pg::require_arguments(fcinfo, {"claimer", "message", "disposition", "note"});
    const Caller caller = require_enlisted(PG_GETARG_DATUM(0));
    return copy_datum(give_up(caller, from_datum(PG_GETARG_DATUM(1)), disposition_value(PG_GETARG_DATUM(2)),
                              PG_GETARG_DATUM(3)));
}

Datum _is_connected(PG_FUNCTION_ARGS) {
    // A standby does not know the primary's connections. It reports none as lost, because no claim can be
    // taken over there.
    PG_RETURN_BOOL(RecoveryInProgress() || pg::is_connected(PG_GETARG_INT32(0), PG_GETARG_TIMESTAMPTZ(1)));
}

} // namespace

SQL_FUNCTION(claim);
SQL_FUNCTION(claim_as);
SQL_FUNCTION(release);
SQL_FUNCTION(release_as);
SQL_FUNCTION(_is_connected);

} // namespace cloudsat::board
