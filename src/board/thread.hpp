// What walking a thread and judging a task have in common: where a message stands in its thread. The tree
// itself is core/thread_tree.
#pragma once

#include <optional>

#include "board/message_reader.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace cloudsat::board {

// What is to be known of a message before its thread is read. Asked for a reply, a thread is what lies under
// it; asked for anything else, all with that root, whether the root is there or not.
struct Member {
    pg_uuid_t root; // itself, when it is none's reply, or has been cleaned up
    pg_uuid_t before;
    std::optional<Place> place;
    bool is_reply = false;
    int depth = 0;
};
Member look_up(MessageReader& reader, Datum uuid);

} // namespace cloudsat::board
