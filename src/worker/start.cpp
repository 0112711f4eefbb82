// start() and stop() control this database's workers by hand. Both act immediately, not at commit, because
// processes are not transactional. (A launcher started together with CREATE EXTENSION waits for its commit.)

#include "worker/process.hpp"
#include "worker/settings.hpp"

extern "C" {
#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "storage/proc.h"
}

namespace cloudsat::worker {
namespace {

Duty launcher_here() {
    return {Kind::launcher, MyDatabaseId, InvalidOid};
}

void refuse_where_nothing_starts() {
    if (RecoveryInProgress()) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("cannot start cloudsat's workers during recovery"),
                errhint("A standby's workers begin when it is promoted."));
    }
    if (!IsUnderPostmaster || IsBinaryUpgrade) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("cannot start cloudsat's workers in this mode of the server"));
    }
}

// Waits until it is on the roster, so that worker_status shows it when start() returns.
void wait_for_duty(BackgroundWorkerHandle* handle) {
    pid_t pid;
    while (!on_duty(launcher_here())) {
        if (GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED && !on_duty(launcher_here())) {
            ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("cloudsat's launcher ended at once"), errhint("The server log says why."));
        }
        pg::wait(-1, 20, wait_event()); // it sets the supervisor's latch, not ours
    }
}

Datum start(FunctionCallInfo) {
    refuse_where_nothing_starts();
    release(MyDatabaseId, Manner::for_good);
    if (on_duty(launcher_here())) {
        return BoolGetDatum(false);
    }
    Orders orders{launcher_here(), Origin::person, {}};
    GET_VXID_FROM_PGPROC(orders.starter, *MyProc);
    BackgroundWorkerHandle* handle = nullptr;
    if (!launch(orders, get_database_name(MyDatabaseId), Restarted::by_postmaster, &handle)) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("no room for cloudsat's launcher: all background workers are in use"),
                errhint("Increase max_worker_processes."));
    }
    pid_t pid;
    if (WaitForBackgroundWorkerStartup(handle, &pid) == BGWH_POSTMASTER_DIED) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("cannot start cloudsat's workers without the postmaster"));
    }
    wait_for_duty(handle);
    warn_of_databases();
    return BoolGetDatum(true);
}
SQL_FUNCTION(start);

void hold_here() {
    if (hold(MyDatabaseId, Manner::for_good)) {
        return;
    }
    forget_dropped_databases();
    if (!hold(MyDatabaseId, Manner::for_good)) {
        ereport(ERROR, errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                errmsg("cloudsat's workers are stopped in too many databases"),
                errhint("Increase max_worker_processes."));
    }
}

Datum stop(FunctionCallInfo) {
    constexpr long patience = 60'000; // milliseconds; they take less than two seconds
    hold_here();                      // first, so that no process starts after the check
    bool any = end_all(MyDatabaseId, Manner::for_good) > 0;
    if (!wait_until_nobody_in(MyDatabaseId, patience)) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_IN_USE), errmsg("cloudsat's workers do not end"),
                errhint("cloudsat.worker_status shows them."));
    }
    return BoolGetDatum(any);
}
SQL_FUNCTION(stop);

} // namespace
} // namespace cloudsat::worker
