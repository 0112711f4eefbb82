// Code common to the workers: their registration with the postmaster, start, transactions and waits. No
// policy.
#pragma once

#include "pg/presence.hpp"
#include "pg/wait.hpp"
#include "worker/roster.hpp"

extern "C" {
#include "postmaster/bgworker.h"
#include "storage/lock.h"
}

namespace cloudsat::worker {

// What a worker needs to start. It is passed as plain bytes (bgw_extra), which survive a crash of the
// cluster.
struct Orders {
    Duty duty;
    Origin origin;
    // the caller of start(): its transaction may be the one that creates the extension
    VirtualTransactionId starter;
};
static_assert(sizeof(Orders) <= BGW_EXTRALEN && std::is_trivially_copyable_v<Orders>);

enum class Restarted { by_us, by_postmaster };

// Fills in a description; `about` (a database or a server) becomes part of the name. The caller registers it.
BackgroundWorker describe(const Orders& orders, const char* about, Restarted restarted);

// Registers it with the postmaster, which starts it soon. False if max_worker_processes leaves no room.
bool launch(const Orders& orders, const char* about, Restarted restarted,
            BackgroundWorkerHandle** handle = nullptr);

// Starts a worker: signals, duty, connection, settings. Ends the process if its duty is not available.
// Returns its orders. From now on the current context is that of a round.
Orders begin_service();

// A short transaction with a snapshot, around a worker's use of the database. It never waits for another
// computer. Memory comes from the same context before, in and after it.
void begin_transaction();
void commit_transaction();
void commit_async(); // this transaction's commit need not wait for the disk

// A transaction that runs the body if the extension is there, which then stays until the commit.
template <class Body> pg::Presence with_extension(Body body) {
    begin_transaction();
    const pg::Presence presence = pg::hold_presence();
    if (presence == pg::Presence::present) {
        body();
    }
    commit_transaction();
    return presence;
}

// Does a piece of work, handles its errors, records them on the roster, and frees its memory. After many
// consecutive failures the process ends, because a new one may succeed.
bool run_round(void (*work)());

// The end of a round: shows the process as idle in pg_stat_activity and waits. Rereads the settings after a
// reload, and processes other sessions' catalog invalidations, so callbacks have run when it returns. A
// descriptor (an epoll set), if given, also ends the wait.
pg::Woken rest(long milliseconds, int descriptor = -1);

// Number of times the settings were reread.
unsigned reloads();

uint32 wait_event();

} // namespace cloudsat::worker

// Defines the function with which the postmaster starts a worker of this kind.
#define WORKER_MAIN(kind, body)                                                                              \
    extern "C" {                                                                                             \
    PGDLLEXPORT void cloudsat_##kind##_main(Datum);                                                          \
    void cloudsat_##kind##_main(Datum) {                                                                     \
        cloudsat::pg::enter(body);                                                                           \
    }                                                                                                        \
    }                                                                                                        \
    static_assert(true)
