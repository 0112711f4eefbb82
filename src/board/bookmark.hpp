// Bookmarks: positions of streams in cloudsat.bookmarks, under the nick that saved them. Read and written
// below SQL, without privilege checks, which the caller has made.
#pragma once

#include <optional>

#include "core/board/stream_position.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::board {

struct Bookmark {
    TimestampTz time;
    core::PositionView position; // palloc'd
    core::Floor floor;
};

// The newest committed bookmark of this nick; in REPEATABLE READ and above, the newest that the transaction
// sees.
std::optional<Bookmark> find_bookmark(Datum nick);

// The newest of this nick, at any isolation level. Until the end of the transaction no other session saves
// one.
std::optional<Bookmark> lock_newest_bookmark(Datum nick);

// Appends one after the newest, which lock_newest_bookmark returned.
void save_bookmark(Datum nick, const core::PositionView& position, const core::Floor& floor,
                   const std::optional<Bookmark>& newest);

} // namespace cloudsat::board
