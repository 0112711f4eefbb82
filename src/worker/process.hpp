// What the workers have in common: how they are described to the postmaster, how they begin, how they open
// and close a transaction, how they wait. No policy.
#pragma once

#include "pg/wait.hpp"
#include "worker/roster.hpp"

extern "C" {
#include "postmaster/bgworker.h"
#include "storage/lock.h"
}

namespace cloudsat::worker {

// What a worker needs to know to begin. It travels as plain bytes (bgw_extra), through a crash of the cluster
// too.
struct Orders {
    Duty duty;
    Origin origin;
    VirtualTransactionId
        starter; // who called start(): its transaction may be the one that creates the extension
};
static_assert(sizeof(Orders) <= BGW_EXTRALEN && std::is_trivially_copyable_v<Orders>);

enum class Restarted { by_us, by_postmaster };

// Fills in a description; `about` (a database or a server) goes into the name. Registering it is left to the
// caller.
BackgroundWorker describe(const Orders& orders, const char* about, Restarted restarted);

// Registers it with the postmaster, who starts it in a moment. False when max_worker_processes leaves no
// room.
bool launch(const Orders& orders, const char* about, Restarted restarted,
            BackgroundWorkerHandle** handle = nullptr);

// Begins a worker's life: signals, duty, connection, settings. Ends the process where its duty is not to be
// had. Returns its orders.
Orders begin_service();

// A short transaction with a snapshot, around what a worker does with the database. Nobody waits for another
// computer in between. Memory comes from the same context before, in and after it.
void begin_transaction();
void commit_transaction();
void commit_async(); // this transaction's commit need not wait for the disk

// Does a piece of work, outlives its errors, and puts them on the roster. After many failures in a row the
// process ends, because a fresh one may do better.
bool run_round(void (*work)(void*), void* argument);

// The end of a round: waits, having said in pg_stat_activity that there is nothing to do. Rereads the
// settings when told so, and learns what other sessions changed in the catalogs, so that callbacks have run
// when it returns.
// With a descriptor (an epoll set) that ends it too.
pg::Woken rest(long milliseconds, int descriptor = -1);

// How often the settings were reread so far.
unsigned reloads();

uint32 wait_event();

} // namespace cloudsat::worker
