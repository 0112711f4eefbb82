// Direct insertion, see append.hpp. The plain path does what INSERT does for a table with only a heap and
// indexes. If a user added a trigger, a CHECK or a generated column, the row goes through the executor.

#include "board/append.hpp"

#include <algorithm>
#include <cstring>

#include "pg/compat.hpp"

extern "C" {
#include "access/table.h"
#include "access/tableam.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "utils/partcache.h"
}

namespace cloudsat::board {
namespace {

// The leaf that takes this key, by the bounds that this backend knows now.
Oid route(Relation table, Datum key, bool& by_default) {
    // as in the executor: with an old snapshot, rows still go into a partition that is being detached
    PartitionDesc partitions = RelationGetPartitionDesc(table, !IsolationUsesXactSnapshot());
    int number = -1;
    if (partitions->nparts > 0) {
        PartitionKey by = RelationGetPartitionKey(table);
        bool equal = false;
        const int bound = partition_range_datum_bsearch(by->partsupfunc, by->partcollation,
                                                        partitions->boundinfo, 1, &key, &equal);
        number = partitions->boundinfo->indexes[bound + 1];
        by_default = number < 0;
        if (by_default) {
            number = partitions->boundinfo->default_index;
        }
    }
    if (number < 0) {
        ereport(ERROR, errcode(ERRCODE_CHECK_VIOLATION),
                errmsg("no partition of relation \"%s\" found for row", RelationGetRelationName(table)),
                errhint("Its default partition was removed: attach it again."));
    }
    return partitions->oids[number];
}

// Whether the leaf has only heap and indexes, and the same columns.
bool is_plain(const Appender& to) {
    const TriggerDesc* triggers = to.leaf->trigdesc;
    if (triggers != nullptr && (triggers->trig_insert_before_row || triggers->trig_insert_after_row)) {
        return false;
    }
    const TupleConstr* constraints = RelationGetDescr(to.leaf)->constr;
    if (constraints == nullptr) {
        return true;
    }
    if (constraints->has_generated_stored) {
        return false;
    }
    return constraints->num_check == 0 || (constraints->num_check == 1 && to.kept_check != nullptr &&
                                           std::strcmp(constraints->check[0].ccname, to.kept_check) == 0);
}

void close_leaf(Appender& to) {
    if (to.leaf == nullptr) {
        return;
    }
    ExecCloseIndices(to.info);
    ExecCloseResultRelations(to.estate);
    ExecResetTupleTable(to.estate->es_tupleTable, false); // releases the triggers' slots
    ExecDropSingleTupleTableSlot(to.slot);
    FreeExecutorState(to.estate); // also frees the info, which is in its memory
    if (to.leaf != to.table) {
        table_close(to.leaf, NoLock); // the lock stays until the end of the transaction, as after INSERT
    }
    to.leaf = nullptr;
}

void use_leaf(Appender& to, Relation leaf, std::size_t columns) {
    to.estate = CreateExecutorState();
    MemoryContext before = MemoryContextSwitchTo(to.estate->es_query_cxt);
    to.leaf = leaf;
    to.map = leaf == to.table ? nullptr
                              : CLOUDSAT_ATTRIBUTE_MAP(RelationGetDescr(to.table), RelationGetDescr(leaf));
    to.plain = is_plain(to) && static_cast<std::size_t>(RelationGetNumberOfAttributes(leaf)) == columns;
    to.info = makeNode(ResultRelInfo);
    InitResultRelInfo(to.info, leaf, 0, nullptr, 0);
    ExecOpenIndices(to.info, false);
    to.slot = table_slot_create(leaf, nullptr);
    to.estate->es_output_cid = GetCurrentCommandId(true);
    MemoryContextSwitchTo(before);
}

void fill_slot(const Appender& to, const Row& row) {
    TupleTableSlot* slot = ExecClearTuple(to.slot);
    for (int i = 0; i < slot->tts_tupleDescriptor->natts; ++i) {
        const int from = to.map == nullptr ? i : to.map->attnums[i] - 1;
        const bool given = from >= 0 && from < static_cast<int>(row.values.size());
        slot->tts_isnull[i] = !given || row.nulls[static_cast<std::size_t>(from)];
        slot->tts_values[i] = slot->tts_isnull[i] ? Datum{0} : row.values[static_cast<std::size_t>(from)];
    }
    ExecStoreVirtualTuple(slot);
}

} // namespace

Relation open_leaf(Relation table, Datum key, LOCKMODE mode) {
    for (;;) {
        bool by_default = false;
        const Oid leaf = route(table, key, by_default);
        LockRelationOid(leaf, mode);
        // While this waited, a partition may have been attached that takes this key from the default one. No
        // other change is possible: detaching and dropping need a lock on the parent that conflicts with
        // ours.
        bool still_default = false;
        if (!by_default || route(table, key, still_default) == leaf) {
            Relation open = table_open(leaf, NoLock);
            if (open->rd_rel->relkind != RELKIND_RELATION) {
                ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE),
                        errmsg("partition \"%s\" is not a plain table", RelationGetRelationName(open)),
                        errdetail("The board writes to plain tables only."));
            }
            return open;
        }
        UnlockRelationOid(leaf, mode);
    }
}

void require_writable(const char* function) {
    PreventCommandIfReadOnly(function);
    PreventCommandIfParallelMode(function);
}

TimestampTz time_after(TimestampTz newest, const char* log) {
    if (newest >= END_TIMESTAMP - 1) { // only a superuser's INSERT can write such a time
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("newest row has the greatest possible timestamp"),
                errdetail("Its timestamp in cloudsat.%s is %s, so no newer row can follow.", log,
                          timestamptz_to_str(newest)),
                errhint("Delete it from cloudsat.%s.", log));
    }
    return std::max(GetCurrentTimestamp(), newest + 1);
}

Appender append_begin(Oid table, const char* kept_check) {
    Appender to{};
    to.kept_check = kept_check;
    to.table = table_open(table, RowExclusiveLock);
    return to;
}

void append_row(Appender& to, const Row& row) {
    if (to.table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE) {
        const Datum key = row.values[static_cast<std::size_t>(
            get_partition_col_attnum(RelationGetPartitionKey(to.table), 0) - 1)];
        bool by_default = false;
        if (to.leaf == nullptr || route(to.table, key, by_default) != RelationGetRelid(to.leaf)) {
            close_leaf(to);
            use_leaf(to, open_leaf(to.table, key, RowExclusiveLock), row.values.size());
        }
    } else if (to.leaf == nullptr) {
        use_leaf(to, to.table, row.values.size());
    }

    MemoryContext before = MemoryContextSwitchTo(GetPerTupleMemoryContext(to.estate));
    fill_slot(to, row);
    if (to.plain) {
        table_tuple_insert(to.leaf, to.slot, to.estate->es_output_cid, 0, nullptr);
        if (to.info->ri_NumIndices > 0) {
            CLOUDSAT_INSERT_INDEX_TUPLES(to.info, to.slot, to.estate);
        }
    } else {
        AfterTriggerBeginQuery();
        ExecSimpleRelationInsert(to.info, to.estate, to.slot);
        AfterTriggerEndQuery(to.estate);
    }
    MemoryContextSwitchTo(before);
    ResetPerTupleExprContext(to.estate);
}

void append_end(Appender& to) {
    close_leaf(to);
    table_close(to.table, NoLock);
}

} // namespace cloudsat::board
