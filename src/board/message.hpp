// Posting: new messages and replies. The SQL functions check whether the session may post as the poster;
// post_as does not, because the guardian posts under its own address.
#pragma once

#include <optional>
#include <string_view>

#include "board/append.hpp"
#include "core/board/disposition.hpp"
#include "core/board/uuid7.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::board {

// How a reply relates to its parent.
struct Reply {
    core::Uuid parent;
    core::Disposition disposition;
};

// Posts in the current transaction, as any address, without a registration, and rings like any other post.
// Addresses are given as keys (core/board/address.hpp). With `reply`, the parent must exist (23503) and the
// thread must not be too deep (54000).
core::Uuid post_as(std::string_view poster_key, std::string_view chan_key, std::string_view text,
                   const std::optional<Reply>& reply = std::nullopt);

// The parts of a reply, for a caller that acts between finding a message and replying to it: open the board,
// find, write, and append_end.
struct Found {
    core::Uuid uuid;
    Datum poster, chan; // palloc'd
    core::Uuid root;
    int depth;
};
Appender open_board();
// Sees rows committed by now and all of this transaction. Raises 23503 if the message does not exist.
Found find_message(Relation board, const core::Uuid& uuid);
void check_size(Datum message); // 54000
// Replies on the channel of the message's poster. Checks neither whether the session may post as `poster` nor
// the text's size.
core::Uuid write_reply(Appender& board, Datum poster, const Found& parent, core::Disposition disposition,
                       Datum message);

} // namespace cloudsat::board
