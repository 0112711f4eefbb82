// The roster: which of cloudsat's processes run, in shared memory. It is also the lock that keeps two
// processes from the same duty, and the list of databases whose processes are held back. Knows processes, not
// what they do.
//
// A duty is what a process is for: (supervisor), (launcher, database), (guard, database, server) or
// (notifier, database). It is held by one at a time. A hold keeps everybody from a database's duties, for a
// moment or until start().
//
// Without preloading, the memory is made by the first process that asks, out of the server's small reserve.
#pragma once

#include <span>

#include "core/guardian/precedence.hpp"
#include "pg/boundary.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace cloudsat::worker {

enum class Kind : int { none, supervisor, launcher, guard, notifier };
enum class Origin : int { supervisor, person }; // who wanted it: cloudsat.databases, or a call of start()
enum class State : int { starting, waiting, idle, working, failing, standing_by };

struct Duty {
    Kind kind;
    Oid database; // InvalidOid for the supervisor
    Oid server;   // InvalidOid but for guards
};

// One process, as it stood when it was looked at.
struct Member {
    Duty duty;
    Origin origin;
    int pid;
    State state;
    TimestampTz started_at;
    TimestampTz since;         // when it came into this state
    uint64 rounds;             // how often it did its work, failures included
    int failures;              // in a row, up to now
    TimestampTz failed_at;     // 0: never
    TimestampTz told_at;       // when it was told that it is not wanted any more; 0: it is
    core::Contender contender; // what a guard watches, or wants to; nothing: its broker is 0
    TimestampTz next_poll;     // what a guard's last poll that was recorded said; 0: there was none yet
    int wanted;                // how many processes a launcher (guards) or the supervisor (launchers) wants
    NameData name;   // of the server; empty but for guards. In the encoding of the database it was read in
    char error[160]; // the last failure's message, likewise, cut
    char note[120];  // what keeps it from all that it is for, likewise; empty: nothing does
};

const char* kind_name(Kind kind);

// From _PG_init, when preloaded: reserves the memory.
void request_roster();

enum class Claim {
    taken,
    occupied, // another process has this duty
    held,     // somebody needs the database for itself: come again
    stopped   // until start(), or the server's restart
};

// Takes up a duty until the process ends. Raises when the roster is full.
Claim claim(const Duty& duty, Origin origin);

// What to tell of a process that has taken up duty; each applies to the calling process.
void report_connected(); // before it, the process ends with code 0 whatever happens: see leave() in
                         // status.cpp
void report_name(const char* name);
void report_state(State state);
void report_note(const char* note);
void report_round(bool well, const char* error);
void report_contender(const core::Contender& contender);
void report_next_poll(TimestampTz next_poll);
void report_wanted(int processes);

// Everybody on the roster. The span is palloc'd.
std::span<const Member> roster();
const Member* find_member(std::span<const Member> members, const Duty& duty);
bool on_duty(const Duty& duty);
bool anybody_in(Oid database);

// Sets its latch, when it is there.
void wake(const Duty& duty);

// Tells a process that its duty is over. At first by its latch, so that it can see for itself and take its
// leave; who is still there a second later, because it waits for a broker, is ended.
void dismiss(const Duty& duty);
bool is_dismissed(); // the calling process

enum class Manner {
    for_now, // it may come back when there is no hold
    for_good // it ends with code 0, so that the postmaster forgets it
};

// Ends, by SIGTERM, the launcher, the guards and the notifier of a database (returns how many were told), or
// one process.
int end_all(Oid database, Manner manner);
void end_one(const Duty& duty, Manner manner);

// Waits until nobody is on duty in the database, for so long; interruptible. False when somebody still is.
bool wait_until_nobody_in(Oid database, long milliseconds);

// Holds: see above. for_now: ten seconds, or until it is released; for_good: until it is released for good.
// False when the server remembers as many holds as it can. Never raises: it may be called when a database has
// just been dropped.
bool hold(Oid database, Manner manner);
void release(Oid database, Manner manner);
bool is_held(Oid database);
void forget_dropped_databases(); // makes room

} // namespace cloudsat::worker
