// Reads rows of a table without a planner: by one condition and a btree index that begins with its column,
// or, where somebody dropped that, all rows. For MVCC snapshots and SnapshotSelf. Asks for no privileges.
#pragma once

#include "pg/boundary.hpp"

extern "C" {
#include "access/genam.h"
#include "access/skey.h"
#include "access/tableam.h"
#include "utils/rel.h"
}

namespace cloudsat::pg {

// Plain. Begin, next until there is none or you have enough, then end.
class TableScan {
public:
    void begin(Relation table, Snapshot snapshot);
    // The key names the table's column. Without an index (InvalidOid) it is compared with every row.
    void begin(Relation table, Oid index, Snapshot snapshot, ScanKeyData key);

    // The row is good until the next call; null when there is none.
    TupleTableSlot* next(ScanDirection direction = ForwardScanDirection);
    void end();

private:
    TableScanDesc all_ = nullptr; // without an index
    Relation index_ = nullptr;
    IndexScanDesc by_index_ = nullptr;
    TupleTableSlot* slot_ = nullptr;
};

} // namespace cloudsat::pg
