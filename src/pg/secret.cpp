// Calls whose arguments are secret, see secret.hpp.

#include "pg/secret.hpp"

extern "C" {
#include "utils/elog.h"
}

namespace cloudsat::pg {
namespace {

void hide_statement(void* callers) {
    errhidestmt(true);
    if (callers != nullptr) {
        errcontext("calling statements not shown: they may contain a password");
    }
}

} // namespace

// A message's context comes from error_context_stack, so the callers are removed from it. An error handler
// restores the stack that it saved. The callback is not on the C stack, because an exception may leave this
// frame before it is reported as an error.
Datum in_secret(FunctionCallInfo fcinfo, Datum (*body)(FunctionCallInfo)) {
    ErrorContextCallback* callers = error_context_stack;
    auto* bottom = static_cast<ErrorContextCallback*>(palloc0(sizeof(ErrorContextCallback)));
    bottom->callback = hide_statement;
    bottom->arg = callers;
    error_context_stack = bottom;
    const Datum result = body(fcinfo);
    error_context_stack = callers;
    return result;
}

} // namespace cloudsat::pg
