// Bookmarks: positions of streams in cloudsat.bookmarks, under the nick of who saved them. Read and written
// below SQL, where no privilege is asked for: the caller has.
#pragma once

#include <optional>

#include "core/board/stream_position.hpp"

#include "pg/boundary.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace cloudsat::board {

struct Bookmark {
    TimestampTz time;
    core::PositionView position; // palloc'd
    core::Floor floor;
};

// The newest of this nick that is committed; in REPEATABLE READ and above, that the transaction sees.
std::optional<Bookmark> find_bookmark(Datum nick);

// The newest of this nick, whatever the isolation level. Until the end of the transaction nobody else saves
// one.
std::optional<Bookmark> lock_newest_bookmark(Datum nick);

// Appends one behind the newest, which lock_newest_bookmark gave.
void save_bookmark(Datum nick, const core::PositionView& position, const core::Floor& floor,
                   const std::optional<Bookmark>& newest);

} // namespace cloudsat::board
