// The guard: one process per broker. Polls it, again and again, in its cadence, and leaves when its server or
// the extension is gone. What a poll does is the guardian's business; this file knows when.
//
// Between polls it waits with no transaction and no snapshot; so it does while the broker keeps it waiting.
// Every wait answers interrupts, so nothing that the broker does delays the process's end.

#include "worker/process.hpp"

extern "C" {
#include "common/pg_prng.h"
#include "foreign/foreign.h"
#include "pgstat.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
}

#include "pg/presence.hpp"

namespace cloudsat::worker {
namespace {

struct Guard {
    Oid server;
    MemoryContext tick; // reset each round
    bool server_changed;
    bool gone;
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

void poll(void*) {
    state.server_changed =
        false; // before the poll reads the options: what changes from now on is for the next one
    begin_transaction();
    pg::Presence presence = pg::hold_presence();
    ForeignServer* server =
        presence == pg::Presence::present ? GetForeignServerExtended(state.server, FSV_MISSING_OK) : nullptr;
    state.gone = presence == pg::Presence::absent || (presence == pg::Presence::present && server == nullptr);
    if (server != nullptr) {
        report_name(server->servername);
    }
    commit_transaction();
    state.next_poll = GetCurrentTimestamp() + 5'000'000;
}

void keep_polling(void*) {
    state.server = begin_service().duty.server;
    CacheRegisterSyscacheCallback(FOREIGNSERVEROID, server_changed, 0);
    CacheRegisterSyscacheCallback(USERMAPPINGOID, mapping_changed, 0);
    state.tick = AllocSetContextCreate(TopMemoryContext, "cloudsat tick", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(state.tick);
    for (;;) {
        pgstat_report_activity(STATE_RUNNING, "polling");
        report_state(State::working);
        bool well = run_round(poll, nullptr);
        MemoryContextReset(state.tick);
        if (state.gone) {
            break;
        }
        report_state(well ? State::idle : State::failing);
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
