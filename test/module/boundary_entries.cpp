// Entry points for test/t/001_boundary.pl: each throws, raises or owns in one way, so that the boundary can
// be tried in a real server. Never installed outside of tests.

#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <unistd.h>

#include "pg/boundary.hpp"
#include "pg/memory.hpp"

extern "C" {
#include "access/xact.h"
#include "commands/trigger.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "utils/snapmgr.h"
PG_MODULE_MAGIC;
}

namespace {

using namespace cloudsat;

int64 made = 0;
int64 destroyed = 0;

struct Counted {
    Counted() { ++made; }
    ~Counted() { ++destroyed; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    std::string weight = std::string(4096, 'x'); // so that a leak shows in the process size
};

[[noreturn]] void throw_kind(int kind) {
    Counted on_the_stack;
    switch (kind) {
    case 0:
        throw 42;
    case 1:
        throw std::runtime_error("a runtime error");
    case 2:
        throw std::bad_alloc();
    case 3: // longer than the message may be, cut between two characters
        throw std::runtime_error(std::string(254, 'a') + "\xC3\xA4" + std::string(1000, 'b'));
    default:
        throw std::length_error("too long");
    }
}

Datum throws(PG_FUNCTION_ARGS) {
    throw_kind(PG_GETARG_INT32(0));
}

void raise_with_everything() {
    ereport(ERROR, errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), errmsg("raised by the server"),
            errdetail("With a detail."), errhint("And a hint."));
}

// The context owns the object; the error jumps over this frame.
Datum raises_over_owner(PG_FUNCTION_ARGS) {
    pg::make<Counted>(CurrentMemoryContext);
    raise_with_everything();
    PG_RETURN_VOID();
}

Datum too_large(PG_FUNCTION_ARGS) {
    pg::ContextResource resource(CurrentMemoryContext);
    void* block = resource.allocate(static_cast<std::size_t>(1) << 62U);
    resource.deallocate(block, 1);
    PG_RETURN_VOID();
}

// A set-returning function that throws on its third call.
Datum throws_in_set(PG_FUNCTION_ARGS) {
    if (SRF_IS_FIRSTCALL()) {
        SRF_FIRSTCALL_INIT();
    }
    FuncCallContext* context = SRF_PERCALL_SETUP();
    if (context->call_cntr == 2) {
        throw_kind(PG_GETARG_INT32(0));
    }
    SRF_RETURN_NEXT(context, Int32GetDatum(static_cast<int32>(context->call_cntr)));
}

Datum throws_in_trigger(PG_FUNCTION_ARGS) {
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        throw std::logic_error("not called as a trigger");
    }
    throw_kind(1);
}

Datum counts(PG_FUNCTION_ARGS) {
    Datum values[2] = {Int64GetDatum(made), Int64GetDatum(destroyed)};
    bool nulls[2] = {false, false};
    TupleDesc row;
    get_call_result_type(fcinfo, nullptr, &row);
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}

Datum resident_kb(PG_FUNCTION_ARGS) {
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    long total = 0;
    long resident = 0;
    if (file == nullptr || std::fscanf(file, "%ld %ld", &total, &resident) != 2) {
        resident = 0;
    }
    if (file != nullptr) {
        std::fclose(file);
    }
    PG_RETURN_INT64(resident * (sysconf(_SC_PAGESIZE) / 1024));
}

// An error as PL/pgSQL leaves it that caught one and raises it once more: the names of its place in the
// source are copies in the transaction's memory. This one is so large that the process loses it together with
// the transaction.
void raise_once_more() {
    constexpr Size size = 64 * 1024 * 1024;
    auto* name = static_cast<char*>(MemoryContextAllocHuge(TopTransactionContext, size));
    std::memset(name, 'x', size - 1);
    name[size - 1] = '\0';
    ErrorData error{};
    error.elevel = ERROR;
    error.output_to_server = true;
    error.sqlerrcode = ERRCODE_RAISE_EXCEPTION;
    error.message = pstrdup("raised once more");
    error.filename = name;
    error.assoc_context = CurrentMemoryContext;
    ReThrowError(&error);
}

// One round of the test worker: what it does depends on its number.
void round_of_worker(void* argument) {
    int number = *static_cast<int*>(argument);
    if (number == 0) {
        throw_kind(0);
    }
    if (number == 1) {
        throw_kind(1);
    }
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
    if (number == 2) {
        LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE); // must be free again in round 3
        raise_with_everything();
    }
    if (number == 3) {
        raise_once_more();
    }
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    LWLockRelease(AddinShmemInitLock);
    PopActiveSnapshot();
    CommitTransactionCommand();
}

void worker(void*) {
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnection("postgres", nullptr, 0);
    char outcome[6] = "";
    char message[40] = "";
    for (int number = 0; number < 5; ++number) {
        outcome[number] = pg::survive(round_of_worker, &number, message) ? '+' : '-';
    }
    ereport(LOG, errmsg("boundary worker rounds: %s, last error: %s", outcome, message));
    throw_kind(1); // ends the worker, not the server
}

Datum start_worker(PG_FUNCTION_ARGS) {
    BackgroundWorker description{};
    description.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    description.bgw_start_time = BgWorkerStart_RecoveryFinished;
    description.bgw_restart_time = BGW_NEVER_RESTART;
    strlcpy(description.bgw_library_name, "cloudsat_test", BGW_MAXLEN);
    strlcpy(description.bgw_function_name, "cloudsat_test_worker", BGW_MAXLEN);
    strlcpy(description.bgw_name, "cloudsat boundary test", BGW_MAXLEN);
    PG_RETURN_BOOL(RegisterDynamicBackgroundWorker(&description, nullptr));
}

SQL_FUNCTION(throws);
SQL_FUNCTION(raises_over_owner);
SQL_FUNCTION(too_large);
SQL_FUNCTION(throws_in_set);
SQL_FUNCTION(throws_in_trigger);
SQL_FUNCTION(counts);
SQL_FUNCTION(resident_kb);
SQL_FUNCTION(start_worker);

} // namespace

extern "C" {
PGDLLEXPORT void cloudsat_test_worker(Datum argument);
void cloudsat_test_worker(Datum argument) {
    pg::enter(worker, DatumGetPointer(argument));
}
}
