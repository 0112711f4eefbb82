// The board clock: what messages.xact counts. The server numbers transactions anew in every cluster, so a
// board that was dumped and restored elsewhere goes on in a new era (core/board/stream_position.hpp), which
// stands in front of the number: whatever was restored belongs to earlier eras, lies before everything of
// this one, and is committed. cloudsat.eras has a row for each era, or several alike; in the first one the
// clock shows plain transaction numbers.
#pragma once

#include <cstdint>

#include "core/board/stream_position.hpp"

#include "pg/boundary.hpp"

namespace cloudsat::board {

// To be called once, from _PG_init.
void watch_board_clock();

// What is added to a transaction's number. For readers: nothing is written, so it works on a standby.
std::uint64_t era_offset();

// The same, for those who are about to store a value of the clock: writes the row of the era, if it is not
// there yet.
std::uint64_t began_era_offset();

} // namespace cloudsat::board
