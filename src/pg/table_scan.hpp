// Reads rows of a table without a planner: by one condition and a btree index that begins with its column or,
// if that was dropped, all rows. For MVCC snapshots and SnapshotSelf. Checks no privileges.
#pragma once

#include "pg/boundary.hpp"

extern "C" {
#include "access/genam.h"
#include "access/skey.h"
#include "access/tableam.h"
#include "utils/rel.h"
}

namespace cloudsat::pg {

// Trivially destructible. Call begin, then next as long as needed, then end.
class TableScan {
public:
    void begin(Relation table, Snapshot snapshot);
    // The key names the table's column. Without an index (InvalidOid) it is compared with every row.
    void begin(Relation table, Oid index, Snapshot snapshot, ScanKeyData key);

    // The row is valid until the next call; null at the end.
    TupleTableSlot* next(ScanDirection direction = ForwardScanDirection);
    void end();

private:
    TableScanDesc all_ = nullptr; // without an index
    Relation index_ = nullptr;
    IndexScanDesc by_index_ = nullptr;
    TupleTableSlot* slot_ = nullptr;
};

} // namespace cloudsat::pg
