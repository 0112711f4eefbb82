// Indexes of the board's tables, for readers without a planner.
#pragma once

#include <initializer_list>

#include "pg/boundary.hpp"

extern "C" {
#include "access/stratnum.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"
}

namespace cloudsat::board {

// Whether an index with this predicate holds every row in which the column is not null.
bool holds_all(List* predicate, AttrNumber column);

// The btree that begins with these columns and holds all rows in which the first is not null, opened; null if
// an administrator dropped it.
Relation open_index(Relation table, std::initializer_list<AttrNumber> columns);

// The function behind an operator of the index's column (from 0), for a scan key.
RegProcedure operator_of(Relation index, int column, StrategyNumber strategy);

} // namespace cloudsat::board
