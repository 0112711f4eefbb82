// The differences between the supported servers, 15 to 18. Only this file checks the server version.
#pragma once

#include "pg/postgres.hpp"

#if PG_VERSION_NUM < 150000
#error "cloudsat needs PostgreSQL 15 or newer"
#endif

extern "C" {
#include "catalog/pg_database.h"
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#endif
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/wait_event.h"
}

// Soft errors exist from 16 on: an input function may report bad input without raising. Before, it raises.
#if PG_VERSION_NUM >= 160000
#define CLOUDSAT_SOFT_ERROR(fcinfo, ...) ereturn((fcinfo)->context, static_cast<Datum>(0), __VA_ARGS__)
#else
#define CLOUDSAT_SOFT_ERROR(fcinfo, ...) ereport(ERROR, __VA_ARGS__)
#endif

// The magic block carries name and version from 18 on.
#if PG_VERSION_NUM >= 180000
#define CLOUDSAT_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "cloudsat", .version = CLOUDSAT_VERSION)
#else
#define CLOUDSAT_MODULE_MAGIC PG_MODULE_MAGIC
#endif

// Ownership checks of all kinds of objects became one function with 16.
#if PG_VERSION_NUM >= 160000
#define CLOUDSAT_OWNS_DATABASE(database, role) object_ownercheck(DatabaseRelationId, (database), (role))
#else
#define CLOUDSAT_OWNS_DATABASE(database, role) pg_database_ownercheck((database), (role))
#endif

// WaitEvent names can be registered from 17 on; before, extensions share one.
#if PG_VERSION_NUM >= 170000
#define CLOUDSAT_WAIT_EVENT(name) WaitEventExtensionNew(name)
#else
#define CLOUDSAT_WAIT_EVENT(name) PG_WAIT_EXTENSION
#endif

// From 16 on, attribute maps may skip missing columns, and index insertion may be limited to summarizing
// indexes. Neither is needed here.
#if PG_VERSION_NUM >= 160000
#define CLOUDSAT_ATTRIBUTE_MAP(from, to) build_attrmap_by_name_if_req(from, to, false)
#define CLOUDSAT_INSERT_INDEX_TUPLES(info, slot, estate)                                                     \
    ExecInsertIndexTuples(info, slot, estate, false, false, nullptr, NIL, false)
#else
#define CLOUDSAT_ATTRIBUTE_MAP(from, to) build_attrmap_by_name_if_req(from, to)
#define CLOUDSAT_INSERT_INDEX_TUPLES(info, slot, estate)                                                     \
    ExecInsertIndexTuples(info, slot, estate, false, false, nullptr, NIL)
#endif

// The primary key's index. From 18 on, the caller states whether it accepts a deferrable one.
#if PG_VERSION_NUM >= 180000
#define CLOUDSAT_PRIMARY_KEY(relation) RelationGetPrimaryKeyIndex(relation, false)
#else
#define CLOUDSAT_PRIMARY_KEY(relation) RelationGetPrimaryKeyIndex(relation)
#endif

// A process's index in the server's array of backend statuses. The array is in order of backend ids, and
// since 17 of process numbers. Negative if it has none (any more).
#if PG_VERSION_NUM >= 170000
#define CLOUDSAT_STATUS_PLACE(process) GetNumberFromPGProc(process)
#define CLOUDSAT_MY_STATUS_PLACE MyProcNumber
#else
#define CLOUDSAT_STATUS_PLACE(process) ((process)->backendId - 1)
#define CLOUDSAT_MY_STATUS_PLACE (MyBackendId - 1)
#endif

// From 18 on, an index scan may be counted for EXPLAIN, which is not used for ours.
#if PG_VERSION_NUM >= 180000
#define CLOUDSAT_INDEX_BEGINSCAN(heap, index, snapshot, keys)                                                \
    index_beginscan(heap, index, snapshot, nullptr, keys, 0)
#else
#define CLOUDSAT_INDEX_BEGINSCAN(heap, index, snapshot, keys) index_beginscan(heap, index, snapshot, keys, 0)
#endif

// What a session reports about itself, by its position in the current list.
#if PG_VERSION_NUM >= 160000
#define CLOUDSAT_BACKEND_STATUS(place) pgstat_get_local_beentry_by_index(place)
#else
#define CLOUDSAT_BACKEND_STATUS(place) pgstat_fetch_stat_local_beentry(place)
#endif
