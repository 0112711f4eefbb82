// Code common to the workers, see process.hpp.

#include "worker/process.hpp"

#include <cstring>

#include "pg/compat.hpp"
#include "pg/memory.hpp"

extern "C" {
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
}

namespace cloudsat::worker {
namespace {

// How soon the postmaster restarts a failed worker: late enough not to flood the log.
constexpr int restart_seconds = 5;

unsigned reloads_so_far = 0;
MemoryContext context_outside; // the parent of memory, inside and outside transactions
MemoryContext round_memory;

struct Setting {
    const char* name;
    const char* value;
};

// Settings for sessions of a database or role (ALTER DATABASE … SET) do not apply to workers.
const Setting settings_of_workers[] = {
    {"search_path", "pg_catalog, pg_temp"},
    {"role", "none"},
    {"default_transaction_read_only", "off"},
    {"default_transaction_isolation", "read committed"},
    {"default_transaction_deferrable", "off"},
    {"statement_timeout", "0"},
    {"idle_in_transaction_session_timeout", "0"},
#if PG_VERSION_NUM >= 170000
    {"transaction_timeout", "0"},
#endif
    // If a session locks our tables for long, the round fails and is repeated; waiting would hold back vacuum
    // meanwhile.
    {"lock_timeout", "10s"},
};

// A command that needs the database exclusively takes moments; a worker that connects meanwhile waits for its
// end, as any connecting process does.
Claim claim_patiently(const Orders& orders) {
    Claim claimed = claim(orders.duty, orders.origin);
    while (claimed == Claim::held && orders.origin == Origin::person && orders.duty.kind == Kind::launcher) {
        pg::wait(-1, 200, wait_event());
        claimed = claim(orders.duty, orders.origin);
    }
    return claimed;
}

} // namespace

BackgroundWorker describe(const Orders& orders, const char* about, Restarted restarted) {
    BackgroundWorker worker{};
    const char* kind = kind_name(orders.duty.kind);
    snprintf(worker.bgw_type, BGW_MAXLEN, "cloudsat %s", kind);
    snprintf(worker.bgw_name, BGW_MAXLEN, about != nullptr ? "cloudsat %s for %s" : "cloudsat %s", kind,
             about);
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    // Not before recovery has ended: none on a standby, and started at once after promotion.
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = restarted == Restarted::by_postmaster ? restart_seconds : BGW_NEVER_RESTART;
    strlcpy(worker.bgw_library_name, "$libdir/cloudsat", BGW_MAXLEN);
    snprintf(worker.bgw_function_name, BGW_MAXLEN, "cloudsat_%s_main", kind);
    std::memcpy(worker.bgw_extra, &orders, sizeof(orders));
    return worker;
}

bool launch(const Orders& orders, const char* about, Restarted restarted, BackgroundWorkerHandle** handle) {
    BackgroundWorker worker = describe(orders, about, restarted);
    worker.bgw_notify_pid = handle != nullptr ? MyProcPid : 0; // only the holder of the handle waits for news
    return RegisterDynamicBackgroundWorker(&worker, handle);
}

Orders begin_service() {
    Orders orders;
    std::memcpy(&orders, MyBgworkerEntry->bgw_extra, sizeof(orders));

    // The stock handlers: SIGTERM is processed wherever the server processes interrupts (pg::wait does), also
    // while it waits for a lock or, at commit, for a standby. Installed before signals are unblocked.
    pqsignal(SIGTERM, die);
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    BackgroundWorkerUnblockSignals();

    // On the roster before connecting: a command that needs the database exclusively finds us there.
    if (claim_patiently(orders) != Claim::taken) {
        proc_exit(0);
    }
    if (OidIsValid(orders.duty.database)) {
        BackgroundWorkerInitializeConnectionByOid(orders.duty.database, InvalidOid, 0);
    } else {
        BackgroundWorkerInitializeConnection(nullptr, nullptr, 0); // the shared catalogs are enough
    }
    report_connected();

    for (const Setting& setting : settings_of_workers) {
        SetConfigOption(setting.name, setting.value, PGC_SUSET, PGC_S_OVERRIDE);
    }
    SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_OVERRIDE);
    // A reload may have come before our handler was installed.
    ProcessConfigFile(PGC_SIGHUP);
    round_memory = pg::new_context(TopMemoryContext, "cloudsat round");
    MemoryContextSwitchTo(round_memory);
    return orders;
}

void begin_transaction() {
    context_outside = CurrentMemoryContext;
    SetCurrentStatementStartTimestamp(); // now() is the statement's time, and no client sends a statement
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
    MemoryContextSwitchTo(context_outside);
}

void commit_transaction() {
    PopActiveSnapshot();
    CommitTransactionCommand();
    MemoryContextSwitchTo(context_outside); // the commit leaves us in a context that is never reset
    pgstat_report_stat(true);               // otherwise autovacuum would never learn of our writes
}

void commit_async() {
    set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
                      false);
}

bool run_round(void (*work)()) {
    constexpr int most_failures = 10;
    static int failures = 0;
    // so that each log line names its process
    ErrorContextCallback who{error_context_stack, [](void*) { errcontext("%s", MyBgworkerEntry->bgw_name); },
                             nullptr};
    error_context_stack = &who;
    char error[160] = "";
    const bool well = pg::survive(work, error);
    error_context_stack = who.previous;
    report_round(well, error);
    MemoryContextReset(round_memory);
    failures = well ? 0 : failures + 1;
    if (failures >= most_failures) {
        ereport(LOG, errmsg("%s ends after %d failures in a row", MyBgworkerEntry->bgw_name, failures),
                errdetail("A new process takes over."));
        proc_exit(1);
    }
    return well;
}

unsigned reloads() {
    return reloads_so_far;
}

pg::Woken rest(long milliseconds, int descriptor) {
    pgstat_report_activity(STATE_IDLE, nullptr);
    const pg::Woken woken = pg::wait(descriptor, milliseconds, wait_event());
    if (ConfigReloadPending) {
        ConfigReloadPending = false;
        ProcessConfigFile(PGC_SIGHUP);
        ++reloads_so_far;
    }
    AcceptInvalidationMessages();
    return woken;
}

uint32 wait_event() {
    static uint32 event = 0;
    if (event == 0) {
        event = CLOUDSAT_WAIT_EVENT("CloudsatWorker");
    }
    return event;
}

} // namespace cloudsat::worker
