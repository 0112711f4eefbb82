// Reads rows of a table, see table_scan.hpp.

#include "pg/table_scan.hpp"

#include "pg/compat.hpp"

extern "C" {
#include "executor/tuptable.h"
}

namespace cloudsat::pg {

void TableScan::begin(Relation table, Snapshot snapshot) {
    *this = {};
    slot_ = table_slot_create(table, nullptr);
    all_ = table_beginscan_strat(table, snapshot, 0, nullptr, true, false);
}

void TableScan::begin(Relation table, Oid index, Snapshot snapshot, ScanKeyData key) {
    *this = {};
    slot_ = table_slot_create(table, nullptr);
    if (!OidIsValid(index)) {
        all_ = table_beginscan_strat(table, snapshot, 1, &key, true, false);
        return;
    }
    index_ = index_open(index, AccessShareLock);
    key.sk_attno = 1; // in the index
    by_index_ = CLOUDSAT_INDEX_BEGINSCAN(table, index_, snapshot, 1);
    index_rescan(by_index_, &key, 1, nullptr, 0);
}

TupleTableSlot* TableScan::next(ScanDirection direction) {
    const bool found = by_index_ != nullptr ? index_getnext_slot(by_index_, direction, slot_)
                                            : table_scan_getnextslot(all_, direction, slot_);
    return found ? slot_ : nullptr;
}

void TableScan::end() {
    if (by_index_ != nullptr) {
        index_endscan(by_index_);
        index_close(index_, AccessShareLock);
    } else {
        table_endscan(all_);
    }
    ExecDropSingleTupleTableSlot(slot_);
}

} // namespace cloudsat::pg
