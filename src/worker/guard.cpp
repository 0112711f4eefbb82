// The guard: one process per broker. Polls it regularly, and ends when its server or the extension is gone.
// The guardian implements a poll; this file schedules it and splits it into transactions:
//
//     begin | fetch | record | intentions | look | reconsider | act | conclude | look ... | take | store |
//     take ...
//
// Each | is a commit. While the guard fetches, acts, or waits for the next poll it has no transaction and no
// snapshot, and every wait processes interrupts. So no broker can delay vacuum, DROP EXTENSION, or the end of
// the process.

#include <algorithm>
#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "core/guardian/cadence.hpp"
#include "core/guardian/precedence.hpp"
#include "guardian/act.hpp"
#include "guardian/archive.hpp"
#include "guardian/cycle.hpp"
#include "guardian/enforcement.hpp"
#include "guardian/fetch.hpp"
#include "guardian/record.hpp"
#include "guardian/server.hpp"
#include "guardian/watch.hpp"
#include "worker/process.hpp"

extern "C" {
#include "commands/dbcommands.h"
#include "common/pg_prng.h"
#include "pgstat.h"
#include "utils/inval.h"
#include "utils/syscache.h"
}

namespace cloudsat::worker {
namespace {

constexpr TimestampTz soon = core::micros_per_second; // if another session uses our server or extension

enum class StandsBy { no, watched, patient };

struct Guard {
    Oid server;
    uint32 server_hash; // of its key in the catalog's cache
    bool server_changed;
    bool gone;              // the server or the extension no longer exists
    bool locked;            // we hold the server's lock
    guardian::Watch watch;  // the one held; its server is InvalidOid if none
    bool standing_by;       // the wanted watch is not available
    StandsBy stands_by;     // in which way, as logged
    TimestampTz free_since; // since when the wanted watch is free and no other guard precedes; 0 if it is not
    bool held_back;         // enforce is held back, as logged
    int errors;             // consecutive rounds that ended in an error
    TimestampTz next_poll;
};

Guard state;

// `hash` is that of the changed row's key, 0 for all rows. Invalidations may arrive outside a transaction, so
// this callback, like every such one, looks nothing up: caches may be read only in a transaction.
void server_changed(Datum, int, uint32 hash) noexcept {
    state.server_changed = state.server_changed || hash == 0 || hash == state.server_hash;
}

// A mapping's key is its own OID, which the guard does not know.
void mapping_changed(Datum, int, uint32) noexcept {
    state.server_changed = true;
}

// Begins a transaction that can rely on the extension and the server. False, without a transaction, if they
// are gone or another session is about to drop or alter the extension.
bool begin_with_server() {
    begin_transaction();
    pg::Presence presence = pg::hold_presence();
    bool there = presence == pg::Presence::present &&
                 SearchSysCacheExists1(FOREIGNSERVEROID, ObjectIdGetDatum(state.server));
    if (!there) {
        commit_transaction();
        state.gone = presence != pg::Presence::busy;
        state.next_poll = GetCurrentTimestamp() + soon;
    }
    return there;
}

// Before an irreversible action: whether the server's cached state is out of date, or a session is about to
// drop the extension.
bool called_off() {
    AcceptInvalidationMessages();
    return state.server_changed || is_dismissed();
}

// The note says why this guard does not watch. Logged once for each reason.
void stand_by(StandsBy why, const char* watcher) {
    report_note(why == StandsBy::patient ? "waits for the previous guard of the broker"
                                         : psprintf("the broker is watched by %s", watcher));
    if (why == state.stands_by) {
        return;
    }
    state.stands_by = why;
    if (why == StandsBy::patient) {
        ereport(
            LOG, errhidecontext(true),
            errmsg("%s waits for the previous guard of the broker", MyBgworkerEntry->bgw_name),
            errdetail(
                "The broker was watched from another database or cluster, of which this one may be a copy."));
    } else {
        ereport(LOG, errhidecontext(true),
                errmsg("%s stands by: its broker is watched already", MyBgworkerEntry->bgw_name),
                errdetail("It is watched by %s.", watcher),
                errhint("Drop one of the two servers, or give each its own \"vhosts\"."));
    }
}

const char* describe(const Member& guard) {
    const char* database = get_database_name(guard.duty.database);
    return guard.duty.database == MyDatabaseId
               ? psprintf("process %d for server \"%s\"", guard.pid, NameStr(guard.name))
               : psprintf("process %d in database \"%s\"", guard.pid, database != nullptr ? database : "?");
}

core::Contender contender_for(const guardian::Server& server, const guardian::Watch& wanted,
                              const guardian::PolledBy& polled) {
    return {.broker = wanted.broker,
            .part = wanted.part,
            .may_act = !server.held_back,
            .is_watching = state.watch == wanted,
            .last_watched = polled.us,
            .database = MyDatabaseId,
            .server = state.server};
}

bool contends(const Member& member, const core::Contender& own) {
    return member.duty.kind == Kind::guard && member.pid != MyProcPid &&
           core::conflict(member.contender, own);
}

// The guard that precedes this one for the wanted watch; null if there is none. A guard that watches without
// precedence is woken, so that it notices.
const Member* who_goes_before(const core::Contender& own) {
    const Member* first = nullptr;
    for (const Member& member : roster()) {
        if (!contends(member, own)) {
            continue;
        }
        if (core::goes_before(member.contender, own)) {
            first = &member;
        } else if (member.contender.is_watching) {
            wake(member.duty);
        }
    }
    return first;
}

// While this guard rests: whether a guard with precedence wants its watch.
bool is_to_give_way() {
    if (!OidIsValid(state.watch.server)) {
        return false;
    }
    const std::span<const Member> members = roster();
    const Member* own = find_member(members, {Kind::guard, MyDatabaseId, state.server});
    const bool result =
        own != nullptr && std::ranges::any_of(members, [&](const Member& member) {
            return contends(member, own->contender) && core::goes_before(member.contender, own->contender);
        });
    pfree(const_cast<Member*>(members.data()));
    return result;
}

// A copy does not take what its original may be about to take.
bool is_patient(bool waits) {
    const TimestampTz now = GetCurrentTimestamp();
    if (state.free_since == 0) {
        state.free_since = now;
    }
    return waits && now - state.free_since < core::patience;
}

void give_up_watch() {
    if (OidIsValid(state.watch.server)) {
        guardian::end_watch(state.watch);
        state.watch = {};
    }
}

// One guard of a broker watches it, the others stand by. True if this guard holds the watch.
bool have_watch(const guardian::Server& server) {
    const guardian::Watch wanted = guardian::watch_of(server);
    const guardian::PolledBy polled = guardian::polled_by(server);
    core::Contender own = contender_for(server, wanted, polled);
    report_contender(own);
    const Member* first = who_goes_before(own);
    if (first == nullptr && own.is_watching) {
        return true;
    }
    give_up_watch();
    state.standing_by = true;
    own.is_watching = false;
    if (first != nullptr) {
        state.free_since = 0;
        stand_by(StandsBy::watched, describe(*first));
    } else if (is_patient(core::waits_for_others(own.may_act, polled.elsewhere))) {
        stand_by(StandsBy::patient, "");
    } else if (guardian::try_watch(wanted)) {
        state.watch = wanted;
        state.standing_by = false;
        own.is_watching = true;
    } else {
        state.free_since = 0;
        stand_by(StandsBy::watched, guardian::describe_watcher(wanted));
    }
    report_contender(own);
    if (!state.standing_by && state.stands_by != StandsBy::no) {
        state.stands_by = StandsBy::no;
        report_note("");
        ereport(LOG, errhidecontext(true),
                errmsg("%s begins: no other guard watches its broker any more", MyBgworkerEntry->bgw_name));
    }
    return !state.standing_by;
}

// Logs once that enforce must be confirmed.
void tell_held_back(const guardian::Server& server) {
    if (server.held_back == state.held_back) {
        return;
    }
    state.held_back = server.held_back;
    report_note(server.held_back ? "enforce is held back until confirm_enforce()" : "");
    if (server.held_back) {
        ereport(LOG, errhidecontext(true), errmsg("enforce is held back for broker \"%s\"", server.name),
                errdetail("%s", guardian::not_confirmed), errhint("%s", guardian::how_to_confirm(server)));
    }
}

void do_deed(guardian::Intentions& intentions, guardian::Intention& intention) {
    guardian::look(intentions, intention);
    if (intention.due) {
        if (!begin_with_server()) {
            return;
        }
        guardian::reconsider(intentions, intention);
        commit_transaction();
        guardian::act(intentions, intention);
    }
    // Recorded even if the server has been dropped meanwhile.
    with_extension([&] { guardian::conclude(intentions, intention); });
}

void archive(guardian::Archiving& archiving) {
    pgstat_report_activity(STATE_RUNNING, psprintf("archiving from broker \"%s\"", archiving.server->name));
    while (guardian::take(archiving)) {
        if (called_off()) {
            guardian::give_back(archiving, "");
            return;
        }
        bool settled = false;
        const auto do_batch = [&] { // stores it, and acknowledges it once that is committed
            if (begin_with_server()) {
                guardian::store(archiving);
                commit_transaction();
                guardian::settle(archiving);
                settled = true;
            }
        };
        char error[160] = "";
        if (!pg::survive(do_batch, error)) {
            guardian::give_back(archiving, error);
            pg::survive(do_batch); // which reports the failure
        }
        if (!settled) { // the extension or the server is being dropped: the messages remain in their queue
            guardian::give_back(archiving, "");
            return;
        }
    }
}

// Actions that this poll or an earlier one committed to. Each queue has its own recovery, so that a failing
// one does not delay the others.
void act() {
    if (!begin_with_server()) {
        return;
    }
    // read again: enforce may have been switched off during the request
    const guardian::Server* server = guardian::load_server(state.server, CurrentMemoryContext);
    guardian::Intentions* intentions =
        guardian::open_intentions(server, guardian::http_of_process(), CurrentMemoryContext);
    intentions->called_off = called_off;
    guardian::Archiving* archiving =
        guardian::open_archiving(server, guardian::http_of_process(), CurrentMemoryContext);
    commit_transaction();
    for (guardian::Intention& intention : intentions->list) {
        if (intentions->unreachable || called_off()) {
            return;
        }
        pg::survive([&] { do_deed(*intentions, intention); });
    }
    guardian::disconnect(*intentions);
    if (archiving != nullptr) {
        archive(*archiving);
    }
}

void poll() {
    state.server_changed = false; // before the options are read: later changes are for the next poll
    if (is_dismissed()) {
        state.gone = true;
        return;
    }
    if (!begin_with_server()) {
        return;
    }
    state.locked = guardian::try_lock_server(state.server, guardian::LockKind::session);
    if (!state.locked) { // another session calls poll()
        commit_transaction();
        state.next_poll = GetCurrentTimestamp() + soon;
        return;
    }
    const guardian::Server* server = guardian::load_server(state.server, CurrentMemoryContext);
    report_name(server->name);
    if (!have_watch(*server)) {
        commit_transaction();
        state.next_poll = GetCurrentTimestamp() + soon;
        return;
    }
    report_state(State::working);
    tell_held_back(*server);
    guardian::Cycle* cycle = guardian::begin(server, guardian::http_of_process(), CurrentMemoryContext);
    commit_transaction();
    pgstat_report_activity(STATE_RUNNING, psprintf("polling broker \"%s\"", server->name));
    guardian::fetch(*cycle);
    if (!begin_with_server()) {
        return;
    }
    guardian::Report report = guardian::record(*cycle);
    if (report.changed == 0 && report.events == 0) {
        commit_async(); // a crash may lose it, but that only loses the time of the last poll
    }
    commit_transaction();
    report_next_poll(report.next_poll);
    if (cycle->reached) {
        act();
    }
    state.next_poll = report.next_poll;
}

bool do_round() {
    if (!state.standing_by) {
        report_state(State::working);
    }
    bool ok = run_round(poll);
    if (state.locked) {
        guardian::unlock_server(state.server); // the session's lock outlives an error
        state.locked = false;
    }
    state.errors = ok ? 0 : state.errors + 1;
    if (!ok) {
        if (!OidIsValid(state.watch.server)) {
            report_contender({}); // a guard that cannot even begin must not block another
        }
        state.next_poll = GetCurrentTimestamp() + core::wait_after(core::Cadence{}, state.errors,
                                                                   pg_prng_double(&pg_global_prng_state));
    }
    return ok;
}

// A cycle needs much memory, and frees all of it: large blocks return to the system at once. By default,
// glibc raises its threshold and keeps them.
void give_memory_back() {
#ifdef M_MMAP_THRESHOLD
    constexpr int large = 256 * 1024;
    mallopt(M_MMAP_THRESHOLD, large);
#endif
}

void keep_polling() {
    give_memory_back();
    state.server = begin_service().duty.server;
    begin_transaction();
    state.server_hash = GetSysCacheHashValue1(FOREIGNSERVEROID, ObjectIdGetDatum(state.server));
    commit_transaction();
    CacheRegisterSyscacheCallback(FOREIGNSERVEROID, server_changed, 0);
    CacheRegisterSyscacheCallback(USERMAPPINGOID, mapping_changed, 0);
    for (;;) {
        bool ok = do_round();
        if (state.gone) {
            break;
        }
        report_state(!ok ? State::failing : state.standing_by ? State::standing_by : State::idle);
        for (TimestampTz now = GetCurrentTimestamp();
             now < state.next_poll && !state.server_changed && !is_to_give_way();
             now = GetCurrentTimestamp()) {
            rest(TimestampDifferenceMilliseconds(now, state.next_poll));
        }
    }
    ereport(LOG, errmsg("%s ends: its server no longer exists", MyBgworkerEntry->bgw_name));
}

} // namespace
WORKER_MAIN(guard, keep_polling);

} // namespace cloudsat::worker
