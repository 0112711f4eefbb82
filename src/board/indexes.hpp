// Indexes of the board's tables, for those who read them without a planner.
#pragma once

#include <initializer_list>

#include "pg/boundary.hpp"

extern "C" {
#include "access/stratnum.h"
#include "utils/rel.h"
}

namespace cloudsat::board {

// The btree that begins with these columns and has all rows, opened; null when somebody dropped it.
Relation open_index(Relation table, std::initializer_list<AttrNumber> columns);

// The function behind an operator of the index's column (from 0), for a scan key.
RegProcedure operator_of(Relation index, int column, StrategyNumber strategy);

} // namespace cloudsat::board
