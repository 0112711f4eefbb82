// The supervisor, see supervisor.hpp. It connects to no database and reads only pg_database, so that it and a
// database cannot block each other. The postmaster restarts it when it ends, also after a crash.

#include "worker/supervisor.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/find.hpp"
#include "core/base/restart.hpp"
#include "worker/process.hpp"
#include "worker/settings.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_database.h"
#include "pgstat.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/varlena.h"
}

namespace cloudsat::worker {
namespace {

// How often it looks without being woken: the creation of a database wakes no process. The end of a launcher
// does.
constexpr long look_milliseconds = 5000;

enum class Found { unknown, missing, closed, open };

// One name in cloudsat.databases.
struct Place {
    NameData name;
    Oid database; // InvalidOid unless it accepts connections
    Found found;
    core::Restart restart;
    bool no_room; // for its launcher; already reported
};

struct Supervisor {
    MemoryContext places_memory;
    std::span<Place> places;
    char* list; // the value of cloudsat.databases from which the places were made
    bool databases_changed = true;
    int without_room = 0; // number of launchers in the note
};

Supervisor state;

void databases_changed(Datum, int, uint32) noexcept {
    state.databases_changed = true;
}

Place* place_named(std::span<Place> places, std::string_view name) {
    return core::find_in(places, name,
                         [](const Place& place) { return std::string_view(NameStr(place.name)); });
}

// Rebuilds the places if the setting changed. The state of a name that stays is kept.
void read_list() {
    const char* list = databases();
    if (state.list != nullptr && std::strcmp(state.list, list) == 0) {
        return;
    }
    MemoryContext memory =
        AllocSetContextCreate(TopMemoryContext, "cloudsat databases", ALLOCSET_SMALL_SIZES);
    MemoryContext before = MemoryContextSwitchTo(memory);
    List* names = NIL;
    SplitIdentifierString(pstrdup(list), ',', &names); // the setting rejects values that this cannot split
    auto* places = static_cast<Place*>(palloc0(sizeof(Place) * static_cast<Size>(list_length(names) + 1)));
    std::size_t count = 0;
    ListCell* cell;
    foreach (cell, names) {
        auto* name = static_cast<char*>(lfirst(cell));
        if (place_named({places, count}, name) != nullptr) {
            continue;
        }
        const Place* known = place_named(state.places, name);
        places[count] = known != nullptr ? *known : Place{};
        namestrcpy(&places[count].name, name);
        ++count;
    }
    MemoryContext old = state.places_memory;
    state.places = {places, count};
    state.list = pstrdup(list);
    state.places_memory = memory;
    MemoryContextSwitchTo(before);
    if (old != nullptr) {
        MemoryContextDelete(old);
    }
    state.databases_changed = true;
}

void set(Place& place, Oid database, Found found) {
    const char* name = NameStr(place.name);
    if (found == Found::missing && place.found != found) {
        ereport(LOG, errhidecontext(true),
                errmsg("cloudsat.databases names database \"%s\", which does not exist", name),
                errdetail("Its workers are started when it is created."));
    }
    if (found == Found::closed && place.found != found) {
        ereport(LOG, errhidecontext(true),
                errmsg("cloudsat.databases names database \"%s\", which accepts no connections", name),
                errdetail("Its workers are started when it does."));
    }
    if (database != place.database) {
        place.restart = {};
    }
    place.found = found;
    place.database = database;
}

// Finds the databases, and logs each problem once. It reads all of pg_database: a process without a database
// cannot rely on its indexes.
void find_databases() {
    state.databases_changed = false; // before the look: later changes are for the next round
    begin_transaction();
    auto* seen = static_cast<bool*>(palloc0(state.places.size() + 1));
    Relation databases = table_open(DatabaseRelationId, AccessShareLock);
    TableScanDesc scan = table_beginscan_catalog(databases, 0, nullptr);
    for (HeapTuple row; HeapTupleIsValid(row = heap_getnext(scan, ForwardScanDirection));) {
        auto* database = reinterpret_cast<Form_pg_database>(GETSTRUCT(row));
        Place* place = place_named(state.places, NameStr(database->datname));
        if (place == nullptr) {
            continue;
        }
        seen[place - state.places.data()] = true;
        set(*place, database->datallowconn ? database->oid : InvalidOid,
            database->datallowconn ? Found::open : Found::closed);
    }
    table_endscan(scan);
    table_close(databases, AccessShareLock);
    for (std::size_t i = 0; i < state.places.size(); ++i) {
        if (!seen[i]) {
            set(state.places[i], InvalidOid, Found::missing);
        }
    }
    commit_transaction();
}

Place* place_of(Oid database) {
    return core::find_in(state.places, database, &Place::database);
}

// Ends launchers that cloudsat.databases no longer lists; those begun by start() stay.
void end_unlisted(std::span<const Member> members) {
    for (const Member& member : members) {
        if (member.duty.kind != Kind::supervisor && member.origin == Origin::supervisor &&
            place_of(member.duty.database) == nullptr) {
            end_one(member.duty, Manner::for_good);
        }
    }
}

// Logged once for each launcher; the note has the current number.
void tell_no_room(Place& place) {
    if (!place.no_room) {
        ereport(WARNING, errcode(ERRCODE_INSUFFICIENT_RESOURCES),
                errmsg("no room for cloudsat's launcher in database \"%s\"", NameStr(place.name)),
                errdetail("All background workers are in use."), errhint("Increase max_worker_processes."));
    }
    place.no_room = true;
}

void note_room() {
    const auto without = static_cast<int>(std::ranges::count_if(state.places, &Place::no_room));
    if (without != state.without_room) {
        const auto first = std::ranges::find_if(state.places, &Place::no_room);
        report_note(
            without == 0 ? ""
            : without == 1
                ? psprintf("no room for the launcher in database \"%s\": increase max_worker_processes",
                           NameStr(first->name))
                : psprintf("no room for %d launchers: increase max_worker_processes", without));
        state.without_room = without;
    }
}

void start_missing(TimestampTz now) {
    for (Place& place : state.places) {
        const Duty duty{Kind::launcher, place.database, InvalidOid};
        if (!OidIsValid(place.database) || on_duty(duty) || is_held(place.database)) {
            place.no_room = false;
            continue;
        }
        if (!place.restart.due(now)) {
            continue;
        }
        place.restart.started(now);
        if (!launch({duty, Origin::supervisor, {}}, NameStr(place.name), Restarted::by_us)) {
            tell_no_room(place);
        }
    }
    note_room();
}

void round() {
    read_list();
    if (state.databases_changed) {
        find_databases();
    }
    TimestampTz now = GetCurrentTimestamp();
    std::span<const Member> members = roster();
    for (const Member& member : members) {
        Place* place = member.duty.kind == Kind::launcher ? place_of(member.duty.database) : nullptr;
        if (place != nullptr) {
            place->restart.alive(now, member.started_at);
        }
    }
    report_wanted(static_cast<int>(
        std::ranges::count_if(state.places, [](const Place& place) { return OidIsValid(place.database); })));
    end_unlisted(members);
    start_missing(now);
}

void supervise() {
    begin_service();
    CacheRegisterSyscacheCallback(DATABASEOID, databases_changed, 0);
    for (;;) {
        pgstat_report_activity(STATE_RUNNING, "looking after cloudsat.databases");
        report_state(run_round(round) ? State::idle : State::failing);
        rest(look_milliseconds);
    }
}

} // namespace

void register_supervisor() {
    if (IsBinaryUpgrade) {
        return; // pg_upgrade needs the databases exclusively
    }
    Orders orders{{Kind::supervisor, InvalidOid, InvalidOid}, Origin::supervisor, {}};
    BackgroundWorker worker = describe(orders, nullptr, Restarted::by_postmaster);
    RegisterBackgroundWorker(&worker);
}

WORKER_MAIN(supervisor, supervise);

} // namespace cloudsat::worker
