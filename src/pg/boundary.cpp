// The boundary, see boundary.hpp. The order of steps in each catch clause and handler matters; comments give
// the reasons. Nothing here may allocate while an error is propagating.

#include "pg/boundary.hpp"

#include "core/base/text.hpp"

#include <cstring>
#include <exception>
#include <new>

extern "C" {
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
}

namespace cloudsat::pg {
namespace {

void copy_cut(std::span<char> target, const char* source) noexcept {
    const std::string_view text = core::cut(source, target.size() - 1);
    std::memcpy(target.data(), text.data(), text.size());
    target[text.size()] = '\0';
}

// What remains of an exception after its catch clause. Trivially destructible, so ereport may jump over it.
struct Caught {
    int sqlstate;
    char message[256]; // set by look() alone: clearing it at each entry would cost noticeable time

    // Call inside a catch clause: examines the current exception.
    void look() noexcept {
        try {
            throw;
        } catch (const std::bad_alloc&) {
            set(ERRCODE_OUT_OF_MEMORY, "out of memory");
        } catch (const std::exception& thrown) {
            set(ERRCODE_INTERNAL_ERROR, thrown.what());
        } catch (...) {
            set(ERRCODE_INTERNAL_ERROR, "unknown C++ exception");
        }
    }

    [[noreturn]] void report() const {
        ereport(ERROR, errcode(sqlstate), errmsg_internal("%s", message));
        pg_unreachable();
    }

private:
    void set(int code, const char* text) noexcept {
        sqlstate = code;
        copy_cut(message, text); // a longer one is truncated: nothing may be allocated here
    }
};
static_assert(Plain<Caught>);

} // namespace

Datum enter(FunctionCallInfo fcinfo, Datum (*body)(FunctionCallInfo)) {
    Caught caught;
    try {
        return body(fcinfo);
    } catch (...) {
        caught.look();
    }
    caught.report(); // only now: the exception object has been destroyed
}

void enter(void (*body)(void*), void* argument) {
    Caught caught;
    try {
        body(argument);
        return;
    } catch (...) {
        caught.look();
    }
    caught.report();
}

namespace {

// Copies the error being handled. The server allows access to it only by a copy.
void copy_message(std::span<char> target, MemoryContext context) {
    MemoryContext before = MemoryContextSwitchTo(context); // the error's own context rejects copies
    ErrorData* error = CopyErrorData();
    copy_cut(target, error->message != nullptr ? error->message : "");
    FreeErrorData(error);
    MemoryContextSwitchTo(before);
}

} // namespace

bool survive(void (*round)(void*), void* argument, std::span<char> message) {
    MemoryContext context = CurrentMemoryContext;
    volatile bool ok = true;
    PG_TRY();
    { enter(round, argument); }
    PG_CATCH();
    {
        ok = false;
        HOLD_INTERRUPTS();
        // All uses of the error precede the abort: it may point into memory of the transaction (the position
        // in a function's source, if PL/pgSQL has re-raised it).
        EmitErrorReport();
        if (!message.empty()) {
            copy_message(message, context);
        }
        LWLockReleaseAll();
        ConditionVariableCancelSleep();
        pgstat_report_wait_end();
        AbortOutOfAnyTransaction();
        MemoryContextSwitchTo(context);
        FlushErrorState();
        RESUME_INTERRUPTS();
    }
    PG_END_TRY();
    return ok;
}

} // namespace cloudsat::pg
