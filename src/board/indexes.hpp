// Indexes of the board's tables, for readers without a planner.
#pragma once

#include <initializer_list>

#include "pg/boundary.hpp"

extern "C" {
#include "access/skey.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"
}

namespace cloudsat::board {

// The btree that begins with these columns and holds all rows in which the first is not null, opened; null if
// an administrator dropped it.
Relation open_index(Relation table, std::initializer_list<AttrNumber> columns);

// The condition on the index's column (from 0), for a scan of the index.
ScanKeyData condition_on(Relation index, int column, StrategyNumber strategy, Datum value);

} // namespace cloudsat::board
