// The boundary between C++ and the server, in both directions. boundary.cpp holds the only PG_TRY and the
// only `catch (...)` of the module. All other code follows these rules:
//   pure code (core/)   calls no server function, so nothing can jump over it;
//   glue                may call the server; its locals are trivially destructible, so a jump skips nothing;
//   owners              live in a MemoryContext (pg/memory.hpp) or for the whole process, not on a stack;
#pragma once

#include <concepts>
#include <span>
#include <type_traits>

#include "pg/postgres.hpp"

namespace cloudsat::pg {

// A type that an ereport may jump over.
template <class T>
concept Plain = std::is_void_v<T> || std::is_trivially_destructible_v<T>;

// Runs a function called by the server. A C++ exception that leaves it becomes an ERROR: bad_alloc as 53200,
// others as XX000 with what(), truncated to 255 bytes. It is raised after the catch clause, because raising
// inside would leak the exception.
Datum enter(FunctionCallInfo fcinfo, Datum (*body)(FunctionCallInfo));
template <Datum (*Body)(FunctionCallInfo)> Datum entry(FunctionCallInfo fcinfo) {
    return enter(fcinfo, Body);
}

// The same for functions without a result: the main function of a background worker, a hook.
void enter(void (*body)(void*), void* argument);

// Runs one round of a worker's loop and handles its errors: logs the error, aborts any open transaction,
// releases the round's resources, and returns false, with the error's message, truncated, in `message`. A
// FATAL still ends the process.
bool survive(void (*round)(void*), void* argument, std::span<char> message = {});

// Both for anything that can be called without arguments.
template <std::invocable Body> void enter(Body body) {
    static_assert(Plain<Body>);
    enter([](void* self) { (*static_cast<Body*>(self))(); }, &body);
}
template <std::invocable Body> bool survive(Body body, std::span<char> message = {}) {
    static_assert(Plain<Body>);
    return survive([](void* self) { (*static_cast<Body*>(self))(); }, &body, message);
}

} // namespace cloudsat::pg

// Declares a function (of type Datum(FunctionCallInfo), in scope) as the SQL-callable symbol cloudsat_<name>.
// Use it in namespace scope of the file that defines the function, and add the symbol to src/exports.txt.
#define SQL_FUNCTION(name) SQL_FUNCTION_AS(name, name)
#define SQL_FUNCTION_AS(name, function)                                                                      \
    extern "C" {                                                                                             \
    extern PGDLLEXPORT const Pg_finfo_record* pg_finfo_cloudsat_##name(void);                                \
    const Pg_finfo_record* pg_finfo_cloudsat_##name(void) {                                                  \
        static const Pg_finfo_record record = {1};                                                           \
        return &record;                                                                                      \
    }                                                                                                        \
    extern PGDLLEXPORT Datum cloudsat_##name(FunctionCallInfo fcinfo);                                       \
    Datum cloudsat_##name(FunctionCallInfo fcinfo) {                                                         \
        return cloudsat::pg::entry<&function>(fcinfo);                                                       \
    }                                                                                                        \
    }                                                                                                        \
    static_assert(true)
