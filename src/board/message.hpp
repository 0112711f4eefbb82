// Posting: new messages and replies. The SQL functions ask whether the session may speak as the poster;
// post_as does not, it is for the guardian, which speaks for itself.
#pragma once

#include <optional>
#include <string_view>

#include "core/disposition.hpp"
#include "core/uuid7.hpp"

#include "pg/boundary.hpp"

namespace cloudsat::board {

// What a reply says of its parent.
struct Reply {
    core::Uuid parent;
    core::Disposition disposition;
};

// Posts in the current transaction, as any address, without a registration, and rings like any other post.
// Addresses are given as keys (core/address.hpp). With `reply`, the parent must exist (23503) and the thread
// not be too deep (54000).
core::Uuid post_as(std::string_view poster_key, std::string_view chan_key, std::string_view text,
                   const std::optional<Reply>& reply = std::nullopt);

} // namespace cloudsat::board
