// The boundary between C++ and the server, in both directions. boundary.cpp holds the only PG_TRY and the
// only `catch (...)` of the module; everything else relies on these rules:
//   pure code (core/)   calls no server function, so nothing can jump over it;
//   glue                may call the server; its locals are trivially destructible, so a jump skips nothing;
//   owners              live in a MemoryContext (pg/memory.hpp) or for the whole process, not on a stack;
//   guarded code        frames with destructors that must call the server do it through pg::call.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include "pg/postgres.hpp"

namespace cloudsat::pg {

// Something that an ereport may jump over.
template <class T>
concept Plain = std::is_void_v<T> || std::is_trivially_destructible_v<T>;

// An error raised by the server, on its way through C++ frames. Empty on purpose: the error itself stays on
// the server's error stack, whole, and entry() re-throws it from there. Only boundary.cpp may catch it.
struct Raised {};

// An error of ours, thrown by C++ frames that have destructors to run; entry() reports it with all its
// fields. Longer texts are cut (a throw must not allocate).
struct Failure {
    int sqlstate = ERRCODE_INTERNAL_ERROR;
    char message[256] = "";
    char detail[256] = "";
    char hint[256] = "";

    Failure(int code, const char* message_text, const char* detail_text = "",
            const char* hint_text = "") noexcept;
};

// Runs a function that the server called. A C++ exception that leaves it becomes an ERROR, raised after the
// catch clause is left (raising inside would leak the exception): Failure with its fields, bad_alloc as
// 53200, the rest as XX000 with what().
Datum enter(FunctionCallInfo fcinfo, Datum (*body)(FunctionCallInfo));
template <Datum (*Body)(FunctionCallInfo)> Datum entry(FunctionCallInfo fcinfo) {
    return enter(fcinfo, Body);
}

// The same for what returns nothing: the main function of a background worker, a hook.
void enter(void (*body)(void*), void* argument);

// Calls the server from a frame with destructors: an ERROR inside comes out as Raised, so they run. The
// callable must not throw (an exception leaving a jump frame corrupts the server's error handling) and what
// it returns must be plain. Costs one sigsetjmp without mask, about 12 ns.
void guarded(void (*body)(void*), void* argument);
template <class F> auto call(F&& body) -> std::invoke_result_t<F&> {
    using R = std::invoke_result_t<F&>;
    static_assert(Plain<R>, "a guarded call may be jumped out of: its result must be trivially destructible");
    static_assert(std::is_nothrow_invocable_v<F&>,
                  "no exception may leave a guarded call: mark the callable noexcept");
    if constexpr (std::is_void_v<R>) {
        guarded([](void* f) { (*static_cast<std::remove_reference_t<F>*>(f))(); }, &body);
    } else {
        struct Pack {
            std::remove_reference_t<F>* body;
            R result;
        } pack{&body, R{}};
        guarded([](void* p) { static_cast<Pack*>(p)->result = (*static_cast<Pack*>(p)->body)(); }, &pack);
        return pack.result;
    }
}

// Runs one round of a worker's loop and outlives its errors: reports the error to the log, aborts whatever
// transaction is open, releases what the round held, and returns false; the error's message is left in
// `message`, cut. A FATAL still ends the process.
bool survive(void (*round)(void*), void* argument, std::span<char> message = {});

} // namespace cloudsat::pg

// Declares the function `name` (of type Datum(FunctionCallInfo), in scope) as the SQL-callable symbol
// cloudsat_<name>. Use it in namespace scope of the file that defines the function; add the symbol to
// src/exports.txt.
#define SQL_FUNCTION(name)                                                                                   \
    extern "C" {                                                                                             \
    extern PGDLLEXPORT const Pg_finfo_record* pg_finfo_cloudsat_##name(void);                                \
    const Pg_finfo_record* pg_finfo_cloudsat_##name(void) {                                                  \
        static const Pg_finfo_record record = {1};                                                           \
        return &record;                                                                                      \
    }                                                                                                        \
    extern PGDLLEXPORT Datum cloudsat_##name(FunctionCallInfo fcinfo);                                       \
    Datum cloudsat_##name(FunctionCallInfo fcinfo) {                                                         \
        return cloudsat::pg::entry<&name>(fcinfo);                                                           \
    }                                                                                                        \
    }                                                                                                        \
    static_assert(true)
