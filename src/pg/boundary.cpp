// The boundary, see boundary.hpp. The order of steps in each catch clause and handler matters; each says why.
// Nothing here may allocate while an error is on its way.

#include "pg/boundary.hpp"

#include "core/base/text.hpp"

#include <algorithm>
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

// What is known of an exception after its catch clause was left. Plain, so that ereport may jump over it.
struct Caught {
    int sqlstate;
    char message[256]; // set by look() alone: clearing it at each entry would be noticed

    // To be called inside a catch clause: looks at the current exception.
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
        copy_cut(message, text); // a longer one is cut: nothing may be allocated here
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
    caught.report(); // only now: the exception object is gone
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

// Of the error that is being handled. The server lets nobody look at it but by a copy.
void copy_message(std::span<char> target, MemoryContext context) {
    MemoryContext before = MemoryContextSwitchTo(context); // the error's own takes no copies
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
        // All that is done with the error comes before the abort: what it points to may lie in memory of the
        // transaction (the place in its function's source, when PL/pgSQL has raised it once more).
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
