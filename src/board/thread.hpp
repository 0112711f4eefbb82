// Shared by thread walks and tasks: the position of a message in its thread. The tree itself is
// core/board/thread_tree.
#pragma once

#include <optional>

#include "board/message_reader.hpp"
#include "core/board/thread_tree.hpp"

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

// Calls act(row, place) for each reply under the message, unordered; for anything but a reply, for each of
// the thread. Raises 54000 if they are too many for a walk.
template <class Act> void for_each_reply(MessageReader& reader, const Member& from, Act act) {
    reader.start_replies(UUIDPGetDatum(&from.root));
    Place place;
    for (std::size_t count = 0; const std::optional<MessageRow> row = reader.next_reply(place); ++count) {
        if (count == core::ThreadWalk::most_nodes - 2) { // the message and its parent are nodes, too
            ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("thread has too many messages"));
        }
        // every message under it is deeper than it
        if (!from.is_reply || DatumGetInt32(row->value(Field::depth)) > from.depth) {
            act(*row, place);
        }
    }
}

} // namespace cloudsat::board
