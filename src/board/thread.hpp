// Shared by thread walks and tasks: the position of a message in its thread. The tree itself is
// core/board/thread_tree.
#pragma once

#include <optional>

#include "board/message_reader.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace cloudsat::board {

// What must be known of a message before its thread is read. For a reply, the thread is all that lies under
// it; for anything else, all messages with that root, whether the root exists or not.
struct Member {
    pg_uuid_t root; // itself if it is not a reply, or was cleaned up
    pg_uuid_t before;
    std::optional<Place> place;
    bool is_reply = false;
    int depth = 0;
};
Member look_up(MessageReader& reader, Datum uuid);

} // namespace cloudsat::board
