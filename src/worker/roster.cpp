// The roster, see roster.hpp.

#include "worker/roster.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>

#include "core/base/find.hpp"
#include "pg/result_row.hpp"
#include "worker/process.hpp"

extern "C" {
#include "commands/dbcommands.h"
#include "mb/pg_wchar.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
}

namespace cloudsat::worker {
namespace {

struct Slot {
    Member member; // kind none: the slot is free
    Latch* latch;  // in shared memory too (the latch of a PGPROC), so every process may set it
    bool connected;
    bool for_good; // it was told to end permanently
};

// A hold for now is released by its owner, unless its command fails. It lasts long enough for the command to
// lock the database; after that, connecting processes wait for that lock. The server itself gives other
// sessions five seconds to leave.
constexpr int hold_milliseconds = 10'000;

struct Hold {
    Oid database;      // InvalidOid if free
    TimestampTz until; // DT_NOEND: until release()
};

struct Roster {
    LWLock lock;  // over everything below; held for a few lines, never across a wait or an allocation
    int capacity; // of both arrays
    // Slot slots[capacity], Hold holds[capacity] follow
};

Roster* shared = nullptr;
Slot* mine = nullptr;
bool preloaded = false;
shmem_request_hook_type next_request_hook = nullptr;

// As many workers as the server may run. Without preloading the memory comes from the server's shared reserve
// of some 100 kB, so there the roster stays below 32 kB. A server with hardly any workers still remembers a
// few holds.
int capacity() {
    return preloaded ? std::max(max_worker_processes, 8) : std::clamp(max_worker_processes, 8, 64);
}

Size slots_at() {
    return MAXALIGN(sizeof(Roster));
}
Size holds_at(int places) {
    return add_size(slots_at(), mul_size(static_cast<Size>(places), sizeof(Slot)));
}
Size roster_size(int places) {
    return add_size(holds_at(places), mul_size(static_cast<Size>(places), sizeof(Hold)));
}

std::span<Slot> slots() {
    return {reinterpret_cast<Slot*>(reinterpret_cast<char*>(shared) + slots_at()),
            static_cast<std::size_t>(shared->capacity)};
}
std::span<Hold> holds() {
    return {reinterpret_cast<Hold*>(reinterpret_cast<char*>(shared) + holds_at(shared->capacity)),
            static_cast<std::size_t>(shared->capacity)};
}

void request_memory() {
    if (next_request_hook != nullptr) {
        next_request_hook();
    }
    RequestAddinShmemSpace(roster_size(capacity()));
}

// Finds or creates the shared memory. The pointer belongs to this process, which a crash of the cluster ends.
void attach() {
    if (shared != nullptr) {
        return;
    }
    bool found = false;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE); // two processes may be the first
    auto* memory = static_cast<Roster*>(ShmemInitStruct("cloudsat", roster_size(capacity()), &found));
    if (!found) {
        std::memset(memory, 0, roster_size(capacity()));
        memory->capacity = capacity();
        LWLockInitialize(&memory->lock, LWLockNewTrancheId());
    }
    LWLockRelease(AddinShmemInitLock);
    LWLockRegisterTranche(memory->lock.tranche, "cloudsat");
    shared = memory;
}

// Runs the body under the lock. It must not raise, wait or allocate.
template <class F> auto locked(LWLockMode mode, F&& body) {
    attach();
    LWLockAcquire(&shared->lock, mode);
    if constexpr (std::is_void_v<decltype(body())>) {
        body();
        LWLockRelease(&shared->lock);
    } else {
        auto result = body();
        LWLockRelease(&shared->lock);
        return result;
    }
}

bool works_in(const Duty& duty, Oid database) {
    return duty.kind != Kind::none && duty.kind != Kind::supervisor && duty.database == database;
}

Slot* find(const Duty& duty) {
    return core::find_in(slots(), duty, [](const Slot& slot) { return slot.member.duty; });
}

Hold* find_hold(Oid database) {
    return core::find_in(holds(), database, &Hold::database);
}

Claim claimable(const Duty& duty, TimestampTz now) {
    const Hold* entry = duty.kind == Kind::supervisor ? nullptr : find_hold(duty.database);
    if (entry != nullptr && entry->until > now) {
        return entry->until == DT_NOEND ? Claim::stopped : Claim::held;
    }
    return find(duty) != nullptr ? Claim::occupied : Claim::taken;
}

// The process that restarts this one, and is woken at its end.
Duty superior(const Duty& duty) {
    return duty.kind == Kind::guard || duty.kind == Kind::notifier
               ? Duty{Kind::launcher, duty.database, InvalidOid}
               : Duty{Kind::supervisor, InvalidOid, InvalidOid};
}

// Runs when the process ends in any way except a crash, which reinitializes all shared memory. Registered
// before the slot is taken, so it must handle having none.
//
// The exit code tells the postmaster what to do: with 1 it restarts the worker, if registered so; with 0 it
// forgets the worker. A FATAL always means 1. That is wrong for a process that was told to stay away, and for
// one that could not even connect because its database is gone: it would be restarted for ever. Calling
// proc_exit again, from within a callback, is allowed (it continues with the remaining callbacks) and ends
// with the second code.
void leave(int code, Datum) {
    if (mine == nullptr) {
        return;
    }
    bool forget_me = locked(LW_EXCLUSIVE, [] {
        bool result = mine->for_good || !mine->connected;
        Duty duty = mine->member.duty;
        *mine = Slot{};
        mine = nullptr;
        if (Slot* above = find(superior(duty)); above != nullptr) {
            SetLatch(above->latch);
        }
        return result;
    });
    if (forget_me && code != 0) {
        proc_exit(0);
    }
}

void end(Slot& slot, Manner manner) {
    slot.for_good = slot.for_good || manner == Manner::for_good;
    // Its process is alive: it clears the slot before it ends, which requires the lock that we hold.
    kill(slot.member.pid, SIGTERM);
}

} // namespace

// A hold on a dropped database is useless, but possibly no session could release it.
void forget_dropped_databases() {
    auto* seen = static_cast<Oid*>(palloc(sizeof(Oid) * static_cast<Size>(capacity())));
    int count = 0;
    locked(LW_SHARED, [&] {
        for (const Hold& entry : holds()) {
            seen[count++] = entry.database;
        }
    });
    for (Oid database : std::span(seen, static_cast<std::size_t>(count))) {
        if (OidIsValid(database) && get_database_name(database) == nullptr) {
            release(database, Manner::for_good);
        }
    }
    pfree(seen);
}

bool hold(Oid database, Manner manner) {
    TimestampTz now = GetCurrentTimestamp();
    TimestampTz until =
        manner == Manner::for_good ? DT_NOEND : TimestampTzPlusMilliseconds(now, hold_milliseconds);
    return locked(LW_EXCLUSIVE, [&] {
        Hold* entry = find_hold(database);
        for (Hold& other : holds()) {
            if (entry == nullptr && (!OidIsValid(other.database) || other.until <= now)) {
                entry = &other;
            }
        }
        if (entry != nullptr) {
            // A stop() outlasts a command that needs the database for a moment.
            *entry = {database, entry->database == database ? std::max(entry->until, until) : until};
        }
        return entry != nullptr;
    });
}

void request_roster() {
    preloaded = true;
    next_request_hook = shmem_request_hook;
    shmem_request_hook = request_memory;
}

Claim claim(const Duty& duty, Origin origin) {
    static bool registered = false; // the server's list of callbacks is short, and a claim may be repeated
    if (!registered) {
        before_shmem_exit(leave, 0);
        registered = true;
    }
    TimestampTz now = GetCurrentTimestamp();
    Claim result = locked(LW_EXCLUSIVE, [&] {
        Claim possible = claimable(duty, now);
        if (possible == Claim::taken) {
            mine = find({});
            if (mine != nullptr) {
                *mine = Slot{};
                mine->member.duty = duty;
                mine->member.origin = origin;
                mine->member.pid = MyProcPid;
                mine->member.started_at = mine->member.since = now;
                mine->latch = MyLatch;
            }
        }
        return possible;
    });
    if (result == Claim::taken && mine == nullptr) {
        ereport(
            ERROR, errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
            errmsg("cloudsat keeps a roster of %d processes at most when it is not preloaded", capacity()),
            errhint("Add cloudsat to shared_preload_libraries."));
    }
    return result;
}

void report_connected() {
    locked(LW_EXCLUSIVE, [] { mine->connected = true; });
}

void report_name(const char* name) {
    locked(LW_EXCLUSIVE, [&] { namestrcpy(&mine->member.name, name); });
}

void report_state(State state) {
    TimestampTz now = GetCurrentTimestamp();
    locked(LW_EXCLUSIVE, [&] {
        if (mine->member.state != state) {
            mine->member.state = state;
            mine->member.since = now;
        }
    });
}

void report_note(const char* note) {
    locked(LW_EXCLUSIVE, [&] { strlcpy(mine->member.note, note, sizeof(mine->member.note)); });
}

void report_round(bool well, const char* error) {
    TimestampTz now = GetCurrentTimestamp();
    locked(LW_EXCLUSIVE, [&] {
        Member& member = mine->member;
        ++member.rounds;
        member.failures = well ? 0 : member.failures + 1;
        if (!well) {
            member.failed_at = now;
            strlcpy(member.error, error, sizeof(member.error));
        }
    });
}

void report_contender(const core::Contender& contender) {
    locked(LW_EXCLUSIVE, [&] { mine->member.contender = contender; });
}

void report_next_poll(TimestampTz next_poll) {
    locked(LW_EXCLUSIVE, [&] { mine->member.next_poll = next_poll; });
}

void report_wanted(int processes) {
    locked(LW_EXCLUSIVE, [&] { mine->member.wanted = processes; });
}

std::span<const Member> roster() {
    attach();
    auto* copies = static_cast<Member*>(palloc(sizeof(Member) * static_cast<Size>(shared->capacity)));
    std::size_t count = 0;
    locked(LW_SHARED, [&] {
        for (const Slot& slot : slots()) {
            if (slot.member.duty.kind != Kind::none) {
                copies[count++] = slot.member;
            }
        }
    });
    return {copies, count};
}

const Member* find_member(std::span<const Member> members, const Duty& duty) {
    return core::find_in(members, duty, &Member::duty);
}

bool on_duty(const Duty& duty) {
    return locked(LW_SHARED, [&] { return find(duty) != nullptr; });
}

bool anybody_in(Oid database) {
    return locked(LW_SHARED, [&] {
        return std::ranges::any_of(slots(),
                                   [&](const Slot& slot) { return works_in(slot.member.duty, database); });
    });
}

void wake(const Duty& duty) {
    locked(LW_SHARED, [&] {
        if (Slot* slot = find(duty); slot != nullptr) {
            SetLatch(slot->latch);
        }
    });
}

void dismiss(const Duty& duty) {
    constexpr TimestampTz patience = 1'000'000; // microseconds
    TimestampTz now = GetCurrentTimestamp();
    locked(LW_EXCLUSIVE, [&] {
        Slot* slot = find(duty);
        if (slot == nullptr) {
            return;
        }
        if (slot->member.told_at == 0) {
            slot->member.told_at = now;
            SetLatch(slot->latch);
        } else if (now - slot->member.told_at >= patience) {
            end(*slot, Manner::for_good);
        }
    });
}

bool is_dismissed() {
    return locked(LW_SHARED, [] { return mine->member.told_at != 0; });
}

int end_all(Oid database, Manner manner) {
    return locked(LW_EXCLUSIVE, [&] {
        int told = 0;
        for (Slot& slot : slots()) {
            if (works_in(slot.member.duty, database)) {
                end(slot, manner);
                ++told;
            }
        }
        return told;
    });
}

void end_one(const Duty& duty, Manner manner) {
    locked(LW_EXCLUSIVE, [&] {
        if (Slot* slot = find(duty); slot != nullptr) {
            end(*slot, manner);
        }
    });
}

bool wait_until_nobody_in(Oid database, long milliseconds) {
    constexpr long step = 20; // an ending process sets its superior's latch, not ours
    for (; milliseconds > 0 && anybody_in(database); milliseconds -= step) {
        pg::wait(-1, step, wait_event());
    }
    return !anybody_in(database);
}

void release(Oid database, Manner manner) {
    locked(LW_EXCLUSIVE, [&] {
        Hold* entry = find_hold(database);
        if (entry != nullptr && (manner == Manner::for_good || entry->until != DT_NOEND)) {
            *entry = {};
        }
    });
    wake({Kind::supervisor, InvalidOid, InvalidOid});
}

bool is_held(Oid database) {
    TimestampTz now = GetCurrentTimestamp();
    return locked(LW_SHARED, [&] {
        const Hold* entry = find_hold(database);
        return entry != nullptr && entry->until > now;
    });
}

const char* kind_name(Kind kind) {
    constexpr const char* names[] = {"none", "supervisor", "launcher", "guard", "notifier"};
    return names[static_cast<int>(kind)];
}

namespace {

const char* state_name(State state) {
    constexpr const char* names[] = {"starting",   "waiting for the extension", "idle", "working", "failing",
                                     "standing by"};
    return names[static_cast<int>(state)];
}

// Texts come from processes in other databases, possibly with another encoding: then only their ASCII is
// shown.
Datum shown(const char* bytes) {
    std::size_t length = std::strlen(bytes);
    char* text = pnstrdup(bytes, length);
    if (!pg_verify_mbstr(GetDatabaseEncoding(), text, static_cast<int>(length), true)) {
        for (char* c = text; *c != '\0'; ++c) {
            if (IS_HIGHBIT_SET(*c)) {
                *c = '?';
            }
        }
    }
    return CStringGetTextDatum(text);
}

Datum workers(FunctionCallInfo fcinfo) {
    InitMaterializedSRF(fcinfo, 0);
    for (const Member& member : roster()) {
        const bool is_guard = member.duty.kind == Kind::guard;
        const bool never_failed = member.failed_at == 0;
        pg::ResultRow row;
        row.add(CStringGetTextDatum(kind_name(member.duty.kind)));
        row.add(ObjectIdGetDatum(member.duty.database), !OidIsValid(member.duty.database));
        row.add(ObjectIdGetDatum(member.duty.server), !is_guard);
        row.add(shown(NameStr(member.name)), !is_guard);
        row.add(Int32GetDatum(member.pid));
        row.add(CStringGetTextDatum(state_name(member.state)));
        row.add(TimestampTzGetDatum(member.since));
        row.add(TimestampTzGetDatum(member.started_at));
        row.add(Int64GetDatum(static_cast<int64>(member.rounds)));
        row.add(Int32GetDatum(member.failures));
        row.add(TimestampTzGetDatum(member.failed_at), never_failed);
        row.add(shown(member.error), never_failed);
        row.add(shown(member.note), member.note[0] == '\0');
        row.put(fcinfo);
    }
    return 0;
}
SQL_FUNCTION(workers);

} // namespace
} // namespace cloudsat::worker
