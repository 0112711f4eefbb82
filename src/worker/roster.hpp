// The roster in shared memory lists cloudsat's running processes. It also locks duties against a second
// process, and lists the databases whose processes are held back. Knows processes, not their work.
//
// A duty is the task of a process: (supervisor), (launcher, database), (guard, database, server) or
// (notifier, database). One process holds it at a time. A hold blocks all duties of a database, for a moment
// or until start().
//
// Without preloading, the first process that needs the memory allocates it from the server's small reserve.
#pragma once

#include <span>

#include "core/guardian/precedence.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::worker {

enum class Kind : int { none, supervisor, launcher, guard, notifier };
enum class Origin : int { supervisor, person }; // its cause: cloudsat.databases, or a call of start()
enum class State : int { starting, waiting, idle, working, failing, standing_by };

struct Duty {
    Kind kind;
    Oid database; // InvalidOid for the supervisor
    Oid server;   // InvalidOid but for guards
    friend bool operator==(const Duty&, const Duty&) = default;
};

// One process, as of the time of reading.
struct Member {
    Duty duty;
    Origin origin;
    int pid;
    State state;
    TimestampTz started_at;
    TimestampTz since;         // when it entered this state
    uint64 rounds;             // number of rounds, including failures
    int failures;              // consecutive, up to now
    TimestampTz failed_at;     // 0: never
    TimestampTz told_at;       // when it was told that it is no longer wanted; 0 if it was not
    core::Contender contender; // the watch that a guard holds or wants; its broker is 0 if none
    TimestampTz next_poll;     // as recorded by a guard's last poll; 0 if there was none yet
    int wanted;      // the number of processes that a launcher (guards) or the supervisor (launchers) wants
    NameData name;   // of the server; empty except for guards. In the encoding of the database it was read in
    char error[160]; // the last failure's message, likewise, truncated
    char note[120];  // what prevents it from doing all its work, likewise; empty if nothing
};

const char* kind_name(Kind kind);

// From _PG_init, when preloaded: reserves the memory.
void request_roster();

enum class Claim {
    taken,
    occupied, // another process has this duty
    held,     // another session needs the database exclusively: retry
    stopped   // until start(), or a server restart
};

// Takes a duty until the process ends. Raises if the roster is full.
Claim claim(const Duty& duty, Origin origin);

// Reports of a process that has taken a duty; each applies to the calling process.
void report_connected(); // until then the process ends with code 0 in any case
void report_name(const char* name);
void report_state(State state);
void report_note(const char* note);
void report_round(bool well, const char* error);
void report_contender(const core::Contender& contender);
void report_next_poll(TimestampTz next_poll);
void report_wanted(int processes);

// All processes on the roster. The span is palloc'd.
std::span<const Member> roster();
const Member* find_member(std::span<const Member> members, const Duty& duty);
bool on_duty(const Duty& duty);
bool anybody_in(Oid database);

// Sets the latch of this duty's process, if it exists.
void wake(const Duty& duty);

// Tells a process that its duty is over: first by its latch, so that it can end by itself; a process still
// there a second later, because it waits for a broker, is terminated.
void dismiss(const Duty& duty);
bool is_dismissed(); // the calling process

enum class Manner {
    for_now, // it may return when there is no hold
    for_good // it ends with code 0, so that the postmaster forgets it
};

// Ends, by SIGTERM, the launcher, the guards and the notifier of a database (returns the number signalled),
// or one process.
int end_all(Oid database, Manner manner);
void end_one(const Duty& duty, Manner manner);

// Waits, interruptibly, until no process holds a duty in the database. False after a timeout.
bool wait_until_nobody_in(Oid database, long milliseconds);

// Holds: see above. for_now: ten seconds, or until released; for_good: until released for good. False if the
// server cannot remember more holds. Never raises: it may be called just after a database was dropped.
bool hold(Oid database, Manner manner);
void release(Oid database, Manner manner);
bool is_held(Oid database);
void forget_dropped_databases(); // makes room

} // namespace cloudsat::worker
