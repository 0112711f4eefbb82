// Indexes of the board's tables, for those who read them without a planner.
#pragma once

#include <initializer_list>

#include "pg/boundary.hpp"

extern "C" {
#include "access/stratnum.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"
}

namespace cloudsat::board {

// Does an index with this predicate hold every row in which the column is not null?
bool holds_all(List* predicate, AttrNumber column);

// The btree that begins with these columns and has all rows in which the first of them is not null, opened;
// null when somebody dropped it.
Relation open_index(Relation table, std::initializer_list<AttrNumber> columns);

// The function behind an operator of the index's column (from 0), for a scan key.
RegProcedure operator_of(Relation index, int column, StrategyNumber strategy);

} // namespace cloudsat::board
