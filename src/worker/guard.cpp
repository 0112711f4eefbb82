// The guard: one process per broker. Polls it, again and again, in its cadence, and leaves when its server or
// the extension is gone. What a poll does is the guardian's business; this file knows when, and puts its
// pieces between transactions:
//
//     begin | fetch | record | intentions | look | reconsider | act | conclude | look ... | take | store |
//     take ...
//
// Each | is a commit. While it fetches, acts, or waits for the next poll there is no transaction and no
// snapshot, and every wait answers interrupts: nothing that the broker does holds back vacuum, DROP
// EXTENSION, or the process's end.

#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "core/cadence.hpp"
#include "guardian/act.hpp"
#include "guardian/archive.hpp"
#include "guardian/cycle.hpp"
#include "guardian/enforcement.hpp"
#include "guardian/server.hpp"
#include "guardian/watch.hpp"
#include "pg/presence.hpp"
#include "worker/process.hpp"

extern "C" {
#include "common/pg_prng.h"
#include "pgstat.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
}

namespace cloudsat::worker {
namespace {

constexpr TimestampTz soon = core::micros_per_second; // when somebody else is at our server or extension

struct Guard {
    Oid server;
    MemoryContext tick; // reset each round; what a cycle holds goes with it
    bool server_changed;
    bool gone;             // the server or the extension
    bool locked;           // we hold the server's lock
    guardian::Watch watch; // that we have; else its server is InvalidOid
    bool standing_by;      // somebody else has the one that we want
    TimestampTz next_note; // when to look again who that is
    bool held_back;        // enforce, as we have told
    int errors;            // rounds in a row that ended in an error
    TimestampTz next_poll;
};

Guard state;

// `hash` is that of the changed row's key, 0 for all rows.
void server_changed(Datum, int, uint32 hash) noexcept {
    state.server_changed = state.server_changed || hash == 0 ||
                           hash == GetSysCacheHashValue1(FOREIGNSERVEROID, ObjectIdGetDatum(state.server));
}

// A mapping's key is its own id, which we do not know.
void mapping_changed(Datum, int, uint32) noexcept {
    state.server_changed = true;
}

// Begins a transaction that can rely on the extension and the server. False, and no transaction, when they
// are gone or somebody is about to drop or alter the extension.
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

// What is known of the server is out of date, or somebody is about to drop the extension: before anything
// that cannot be undone.
bool called_off() {
    AcceptInvalidationMessages();
    return state.server_changed || is_dismissed();
}

// Who watches in our place may be another one by now: the note is kept up, the log is told once.
void stand_by(const guardian::Watch& wanted, bool begins) {
    const TimestampTz now = GetCurrentTimestamp();
    if (!begins && now < state.next_note) {
        return;
    }
    state.next_note = now + 10 * core::micros_per_second;
    const char* watcher = guardian::describe_watcher(wanted);
    report_note(psprintf("the broker is watched by %s", watcher));
    if (begins) {
        ereport(LOG, errhidecontext(true),
                errmsg("%s stands by: its broker is watched already", MyBgworkerEntry->bgw_name),
                errdetail("By %s.", watcher),
                errhint("Drop one of the two servers, or give each its own \"vhosts\"."));
    }
}

// One guard of a broker watches it, the others stand by. False for these; true when the watch is ours.
bool have_watch(const guardian::Server& server) {
    const guardian::Watch wanted = guardian::watch_of(server);
    if (state.watch == wanted) {
        return true;
    }
    if (OidIsValid(state.watch.server)) {
        guardian::end_watch(state.watch);
        state.watch = {};
    }
    const bool had_to_wait = state.standing_by;
    state.standing_by = !guardian::try_watch(wanted);
    if (!state.standing_by) {
        state.watch = wanted;
        if (had_to_wait) {
            report_note("");
            ereport(LOG, errhidecontext(true),
                    errmsg("%s begins: nobody else watches its broker any more", MyBgworkerEntry->bgw_name));
        }
    } else {
        stand_by(wanted, !had_to_wait);
    }
    return !state.standing_by;
}

// Says once that enforce is to be confirmed.
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

struct Deed {
    guardian::Intentions* intentions;
    guardian::Intention* intention;
};

void do_deed(void* argument) {
    auto* deed = static_cast<Deed*>(argument);
    guardian::look(*deed->intentions, *deed->intention);
    if (deed->intention->due) {
        if (!begin_with_server()) {
            return;
        }
        guardian::reconsider(*deed->intentions, *deed->intention);
        commit_transaction();
        guardian::act(*deed->intentions, *deed->intention);
    }
    // What was done is written down though the server is gone meanwhile.
    begin_transaction();
    if (pg::hold_presence() == pg::Presence::present) {
        guardian::conclude(*deed->intentions, *deed->intention);
    }
    commit_transaction();
}

struct Batch {
    guardian::Archiving* archiving;
    bool settled;
};

// One batch of messages is stored, and acknowledged once that is committed.
void do_batch(void* argument) {
    auto* batch = static_cast<Batch*>(argument);
    if (begin_with_server()) {
        guardian::store(*batch->archiving);
        commit_transaction();
        guardian::settle(*batch->archiving);
        batch->settled = true;
    }
}

void archive(guardian::Archiving& archiving) {
    pgstat_report_activity(STATE_RUNNING, psprintf("archiving from broker \"%s\"", archiving.server->name));
    while (guardian::take(archiving)) {
        if (called_off()) {
            guardian::give_back(archiving, "");
            return;
        }
        Batch batch{&archiving, false};
        char error[160] = "";
        if (!pg::survive(do_batch, &batch, error)) {
            guardian::give_back(archiving, error);
            pg::survive(do_batch, &batch); // which tells of the failure
        }
        if (!batch.settled) { // the extension or the server is going: the messages are in their queue
            guardian::give_back(archiving, "");
            return;
        }
    }
}

// What this poll or an earlier one committed to do. One queue that makes trouble must not keep the others
// from their turn, so each has its own recovery.
void act() {
    if (!begin_with_server()) {
        return;
    }
    // read again: somebody may have switched enforce off while the broker was asked
    const guardian::Server* server = guardian::load_server(state.server, state.tick);
    guardian::Intentions* intentions =
        guardian::open_intentions(server, guardian::http_of_process(), state.tick);
    intentions->called_off = called_off;
    guardian::Archiving* archiving =
        guardian::open_archiving(server, guardian::http_of_process(), state.tick);
    commit_transaction();
    for (guardian::Intention& intention : intentions->list) {
        if (intentions->unreachable || called_off()) {
            return;
        }
        Deed deed{intentions, &intention};
        pg::survive(do_deed, &deed);
    }
    guardian::take_leave(*intentions);
    if (archiving != nullptr) {
        archive(*archiving);
    }
}

void poll(void*) {
    state.server_changed =
        false; // before the options are read: what changes from now on is for the next poll
    if (is_dismissed()) {
        state.gone = true;
        return;
    }
    if (!begin_with_server()) {
        return;
    }
    state.locked = guardian::try_lock_server(state.server, guardian::LockKind::session);
    if (!state.locked) { // somebody calls poll()
        commit_transaction();
        state.next_poll = GetCurrentTimestamp() + soon;
        return;
    }
    const guardian::Server* server = guardian::load_server(state.server, state.tick);
    report_name(server->name);
    if (!have_watch(*server)) {
        commit_transaction();
        state.next_poll = GetCurrentTimestamp() + soon;
        return;
    }
    report_state(State::working);
    tell_held_back(*server);
    guardian::Cycle* cycle = guardian::begin(server, guardian::http_of_process(), state.tick);
    commit_transaction();
    pgstat_report_activity(STATE_RUNNING, psprintf("polling broker \"%s\"", server->name));
    guardian::fetch(*cycle);
    if (!begin_with_server()) {
        return;
    }
    guardian::Report report = guardian::record(*cycle);
    if (report.changed == 0 && report.events == 0) {
        commit_at_leisure(); // when a crash forgets it, all that is lost is when the last poll was
    }
    commit_transaction();
    if (cycle->reached) {
        act();
    }
    state.next_poll = report.next_poll;
}

bool do_round() {
    if (!state.standing_by) {
        report_state(State::working);
    }
    bool well = run_round(poll, nullptr);
    if (state.locked) {
        guardian::unlock_server(state.server); // the session's lock outlives an error
        state.locked = false;
    }
    MemoryContextReset(state.tick);
    state.errors = well ? 0 : state.errors + 1;
    if (!well) {
        state.next_poll = GetCurrentTimestamp() + core::wait_after(core::Cadence{}, state.errors,
                                                                   pg_prng_double(&pg_global_prng_state));
    }
    return well;
}

// What a cycle needs is large, and nothing of it outlives the cycle: large blocks go back to the system at
// once. Left to itself, glibc raises its threshold and keeps them.
void give_memory_back() {
#ifdef M_MMAP_THRESHOLD
    constexpr int large = 256 * 1024;
    mallopt(M_MMAP_THRESHOLD, large);
#endif
}

void keep_polling(void*) {
    give_memory_back();
    state.server = begin_service().duty.server;
    CacheRegisterSyscacheCallback(FOREIGNSERVEROID, server_changed, 0);
    CacheRegisterSyscacheCallback(USERMAPPINGOID, mapping_changed, 0);
    state.tick = AllocSetContextCreate(TopMemoryContext, "cloudsat tick", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(state.tick);
    for (;;) {
        bool well = do_round();
        if (state.gone) {
            break;
        }
        report_state(!well ? State::failing : state.standing_by ? State::standing_by : State::idle);
        for (TimestampTz now = GetCurrentTimestamp(); now < state.next_poll && !state.server_changed;
             now = GetCurrentTimestamp()) {
            rest(TimestampDifferenceMilliseconds(now, state.next_poll));
        }
    }
    ereport(LOG, errmsg("%s ends: its server is not there any more", MyBgworkerEntry->bgw_name));
}

} // namespace
} // namespace cloudsat::worker

extern "C" {
PGDLLEXPORT void cloudsat_guard_main(Datum);
void cloudsat_guard_main(Datum) {
    cloudsat::pg::enter(cloudsat::worker::keep_polling, nullptr);
}
}
