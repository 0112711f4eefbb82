// The board clock: what messages.xact counts. Each cluster numbers transactions anew, so a board restored
// into another cluster continues in a new era (core/board/stream_position.hpp), which precedes the number.
// Restored messages belong to earlier eras: they precede all of this one and are committed. cloudsat.eras has
// at least one row for each era. In the first era the clock shows plain transaction numbers.
#pragma once

#include <cstdint>

#include "core/board/stream_position.hpp"

#include "pg/boundary.hpp"

namespace cloudsat::board {

// To be called once, from _PG_init.
void watch_board_clock();

// The offset added to a transaction's number. For readers: it writes nothing, so it works on a standby.
std::uint64_t era_offset();

// The same for writers of a clock value: writes the row of the era if it does not exist yet.
std::uint64_t began_era_offset();

} // namespace cloudsat::board
