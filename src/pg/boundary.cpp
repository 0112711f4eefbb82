// The boundary, see boundary.hpp. The order of steps in each catch clause and handler matters; each says why.
// Nothing here may allocate while an error is on its way.

#include "pg/boundary.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <optional>

extern "C" {
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
}

namespace cloudsat::pg {
namespace {

void copy_cut(std::span<char> target, const char* source) noexcept {
    std::size_t length = std::min(std::strlen(source), target.size() - 1);
    // not in the middle of a UTF-8 sequence
    if (source[length] != '\0') {
        while (length > 0 && (static_cast<unsigned char>(source[length]) & 0xC0U) == 0x80U) {
            --length;
        }
    }
    std::memcpy(target.data(), source, length);
    target[length] = '\0';
}

// What is known of an exception after its catch clause was left. Plain, so that ereport may jump over it.
struct Caught {
    enum class Kind { nothing, raised, failure } kind = Kind::nothing;
    std::optional<Failure> failure; // empty as a rule: clearing its texts at each entry would be noticed

    // To be called inside a catch clause: looks at the current exception.
    void look() noexcept {
        kind = Kind::failure;
        try {
            throw;
        } catch (const Raised&) {
            kind = Kind::raised;
        } catch (const Failure& thrown) {
            failure = thrown;
        } catch (const std::bad_alloc&) {
            failure = Failure(ERRCODE_OUT_OF_MEMORY, "out of memory");
        } catch (const std::exception& thrown) {
            failure = Failure(ERRCODE_INTERNAL_ERROR, thrown.what());
        } catch (...) {
            failure = Failure(ERRCODE_INTERNAL_ERROR, "unknown C++ exception");
        }
    }

    void report() const {
        if (kind == Kind::raised) {
            PG_RE_THROW();
        }
        if (kind == Kind::failure) {
            ereport(ERROR, errcode(failure->sqlstate), errmsg_internal("%s", failure->message),
                    failure->detail[0] != '\0' ? errdetail_internal("%s", failure->detail) : 0,
                    failure->hint[0] != '\0' ? errhint("%s", failure->hint) : 0);
        }
    }
};
static_assert(Plain<Caught>);

} // namespace

Failure::Failure(int code, const char* message_text, const char* detail_text, const char* hint_text) noexcept
    : sqlstate(code) {
    copy_cut(message, message_text);
    copy_cut(detail, detail_text);
    copy_cut(hint, hint_text);
}

Datum enter(FunctionCallInfo fcinfo, Datum (*body)(FunctionCallInfo)) {
    Caught caught;
    try {
        return body(fcinfo);
    } catch (...) {
        caught.look();
    }
    caught.report(); // raises: the exception object is gone by now
    pg_unreachable();
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

void guarded(void (*body)(void*), void* argument) {
    MemoryContext context = CurrentMemoryContext;
    volatile bool raised = false;
    PG_TRY();
    { body(argument); }
    PG_CATCH();
    {
        raised = true;
        MemoryContextSwitchTo(context); // out of ErrorContext: destructors may allocate
    }
    PG_END_TRY();
    if (raised) {
        throw Raised{}; // only now: the jump buffer is popped
    }
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
    volatile bool well = true;
    PG_TRY();
    { enter(round, argument); }
    PG_CATCH();
    {
        well = false;
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
    return well;
}

} // namespace cloudsat::pg
