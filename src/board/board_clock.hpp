// The board clock: what messages.xact counts. After a crash, a promotion, or a restore into another cluster,
// a server assigns transaction numbers that it, or its predecessor, may have assigned before. So the board
// goes on in a new era (core/board/stream_position.hpp), which precedes the number; all of an earlier era
// precedes it. cloudsat.eras has at least one row for each era in which something was written. In the first
// era the clock shows plain transaction numbers.
#pragma once

#include <cstdint>
#include <span>

#include "core/board/stream_position.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::board {

// To be called once, from _PG_init.
void watch_board_clock();

// The eras of this cluster, ascending; the last one is in force. For readers: it writes nothing, so it works
// on a standby. Valid until the next call.
std::span<const core::Era> eras();

// The number of the transaction on the clock. For writers: writes the row of the era if it does not exist
// yet.
core::Xact began_xact(std::uint64_t full_xid);

} // namespace cloudsat::board
