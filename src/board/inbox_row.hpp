// A message as a row of a result with the columns of cloudsat.inbox, possibly followed by `upto`.
#pragma once

#include "board/message_reader.hpp"
#include "pg/boundary.hpp"

extern "C" {
#include "nodes/execnodes.h"
}

namespace cloudsat::board {

// Fills the columns of cloudsat.inbox. The values point into the row.
void fill_inbox_row(const MessageRow& row, Datum* values, bool* nulls);

// Adds the row to a materialized result, which has the column upto only if it is given.
void put_inbox_row(ReturnSetInfo* result, const MessageRow& row, Datum upto = 0);

} // namespace cloudsat::board
