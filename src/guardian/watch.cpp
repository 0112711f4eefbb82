// Who watches a broker, see watch.hpp. The watch is a lock of PostgreSQL's lock manager, so it ends with its
// process in any case. Advisory locks belong to a database; these belong to none, so that all databases see
// them.
//
//     broker    Exclusive: watches the whole broker; Share: a part of it
//     part      Exclusive: watches this part
//     server    Exclusive, taken after those: marks them as this server's for callers of its poll()

#include "guardian/watch.hpp"

#include <algorithm>
#include <memory_resource>

#include "core/wire/url.hpp"
#include "guardian/enforcement.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_foreign_server.h"
#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
}

namespace cloudsat::guardian {
namespace {

// The fourth field distinguishes these locks from users' advisory locks, which have 1 or 2 there, and from
// the lock of a server's cycle (server.cpp).
constexpr uint16 broker_lock = 0x6374;
constexpr uint16 part_lock = 0x6375;
constexpr uint16 server_lock = 0x6376;

// Ignores a row that another server of this database wrote under the same name.
pg::Statement last_polls(R"(
    SELECT CASE WHEN p.home = $2 THEN p.last_poll END,
           NOT starts_with(p.home, $3)
    FROM cloudsat.polls AS p
    WHERE p.server = $1
       OR p.home = $2 -- it was renamed since
    ORDER BY p.home = $2 DESC LIMIT 1)",
                         {TEXTOID, TEXTOID, TEXTOID});

LOCKTAG tag_of(std::uint64_t hash, uint16 kind) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, InvalidOid, static_cast<uint32>(hash >> 32), static_cast<uint32>(hash), kind);
    return tag;
}

LOCKTAG server_tag(const Watch& watch) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(watch.broker ^ watch.part), watch.server,
                         server_lock);
    return tag;
}

LOCKMODE broker_mode(const Watch& watch) {
    return watch.part == 0 ? ExclusiveLock : ShareLock;
}

std::uint64_t hash_of(std::string_view text, std::uint64_t seed) {
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(text.data()),
                               static_cast<int>(text.size()), seed);
}

bool take(const LOCKTAG& tag, LOCKMODE mode, bool session) {
    return LockAcquire(&tag, mode, session, true) != LOCKACQUIRE_NOT_AVAIL;
}

bool take_all(const Watch& watch, bool session) {
    const LOCKTAG broker = tag_of(watch.broker, broker_lock);
    if (!take(broker, broker_mode(watch), session)) {
        return false;
    }
    if (watch.part != 0 && !take(tag_of(watch.part, part_lock), ExclusiveLock, session)) {
        LockRelease(&broker, broker_mode(watch), session);
        return false;
    }
    return true;
}

bool same(const LOCKTAG& a, const LOCKTAG& b) {
    return a.locktag_field1 == b.locktag_field1 && a.locktag_field2 == b.locktag_field2 &&
           a.locktag_field3 == b.locktag_field3 && a.locktag_field4 == b.locktag_field4 &&
           a.locktag_type == b.locktag_type;
}

// The process that holds a conflicting watch, or 0.
int find_watcher(const LockData& locks, const Watch& watch) {
    const LOCKTAG broker = tag_of(watch.broker, broker_lock);
    const LOCKTAG part = tag_of(watch.part, part_lock);
    for (int i = 0; i < locks.nelements; ++i) {
        const LockInstanceData& lock = locks.locks[i];
        const bool whole = watch.part == 0 || (lock.holdMask & LOCKBIT_ON(ExclusiveLock)) != 0;
        if (lock.holdMask != 0 && lock.pid != MyProcPid &&
            ((same(lock.locktag, broker) && whole) || (watch.part != 0 && same(lock.locktag, part)))) {
            return lock.pid;
        }
    }
    return 0;
}

// The server of this database for which that process watches; null if it is of another database.
const char* server_of(const LockData& locks, int pid) {
    for (int i = 0; i < locks.nelements; ++i) {
        const LockInstanceData& lock = locks.locks[i];
        if (lock.pid == pid && lock.locktag.locktag_type == LOCKTAG_ADVISORY &&
            lock.locktag.locktag_field4 == server_lock && lock.locktag.locktag_field1 == MyDatabaseId) {
            const ForeignServer* server =
                GetForeignServerExtended(lock.locktag.locktag_field3, FSV_MISSING_OK);
            return server != nullptr ? server->servername : nullptr;
        }
    }
    return nullptr;
}

// Whether that process is the guard of this very server.
bool watches_for(const LockData& locks, int pid, const Watch& watch) {
    const LOCKTAG server = server_tag(watch);
    return std::any_of(locks.locks, locks.locks + locks.nelements, [&](const LockInstanceData& lock) {
        return lock.pid == pid && lock.holdMask != 0 && same(lock.locktag, server);
    });
}

const char* describe(const LockData& locks, int pid) {
    const PGPROC* process = pid != 0 ? BackendPidGetProc(pid) : nullptr;
    const char* database = process != nullptr ? get_database_name(process->databaseId) : nullptr;
    if (database == nullptr) {
        return "a process that is exiting";
    }
    const char* server = server_of(locks, pid);
    return server != nullptr ? psprintf("process %d for server \"%s\"", pid, server)
                             : psprintf("process %d in database \"%s\"", pid, database);
}

} // namespace

Watch watch_of(const Server& server) {
    alignas(16) std::byte buffer[8192];
    std::pmr::monotonic_buffer_resource arena(buffer, sizeof buffer, std::pmr::null_memory_resource());
    Watch watch;
    watch.server = server.oid;
    const auto url = core::check_base_url(server.options.management_url, &arena);
    watch.broker = hash_of(url ? core::endpoint_of(url.value(), &arena) : server.options.management_url, 0);
    if (!server.options.vhosts.empty()) {
        watch.part = hash_of(server.options.vhosts, watch.broker) | 1U; // 0 would be the whole
    }
    return watch;
}

PolledBy polled_by(const Server& server) {
    PolledBy answer;
    const char* here = psprintf("%s/", home_of_enforcement());
    const Datum values[] = {pg::to_text(server.name), pg::to_text(psprintf("%s%u", here, server.oid)),
                            pg::to_text(here)};
    pg::spi_begin();
    if (last_polls.run(values, {}, true, 1) > 0) {
        bool none = false;
        const Datum us = pg::spi_value(0, 1, none);
        answer.us = none ? 0 : DatumGetTimestampTz(us);
        answer.elsewhere = DatumGetBool(pg::spi_value(0, 2, none));
    }
    pg::spi_end();
    return answer;
}

bool try_watch(const Watch& watch) {
    if (!take_all(watch, true)) {
        return false;
    }
    take(server_tag(watch), ExclusiveLock, true);
    return true;
}

void end_watch(const Watch& watch) {
    const LOCKTAG server = server_tag(watch);
    const LOCKTAG part = tag_of(watch.part, part_lock);
    const LOCKTAG broker = tag_of(watch.broker, broker_lock);
    LockRelease(&server, ExclusiveLock, true);
    if (watch.part != 0) {
        LockRelease(&part, ExclusiveLock, true);
    }
    LockRelease(&broker, broker_mode(watch), true);
}

void require_watch(const Server& server) {
    const Watch watch = watch_of(server);
    if (take_all(watch, false) || !take(server_tag(watch), ExclusiveLock, false)) {
        return; // unwatched; or the guard of this server has the watch and is not using it
    }
    ereport(ERROR, errcode(ERRCODE_OBJECT_IN_USE),
            errmsg("the broker of server \"%s\" is already watched", server.name),
            errdetail("It is watched by %s.", describe_watcher(watch)),
            errhint("Drop one of the two servers, or set a different \"vhosts\" for each."));
}

const char* describe_watcher(const Watch& watch) {
    const LockData* locks = GetLockStatusData();
    return describe(*locks, find_watcher(*locks, watch));
}

const char* describe_other_watcher(const Watch& watch) {
    const LockData* locks = GetLockStatusData();
    const int pid = find_watcher(*locks, watch);
    return pid == 0 || watches_for(*locks, pid, watch) ? nullptr : describe(*locks, pid);
}

} // namespace cloudsat::guardian
