// The settings of the board.
#pragma once

namespace cloudsat::board {

enum class Notify : int { off, inline_, batched };

struct Settings {
    int max_message_size;   // bytes
    int max_thread_depth;   // replies under replies
    int partition_interval; // minutes per partition of messages
    int partitions_ahead;   // partitions that maintain() keeps ready beyond the current one
    int retention;          // minutes that messages are kept; 0: for ever
    int notify;             // a Notify
    // minutes that a log keeps superseded rows; 0: for ever
    int registered_retention;
    int bookmarks_retention;
    int claim_log_retention;
};

// The values in force, kept up to date by the server.
const Settings& settings();

// To be called once, from _PG_init.
void define_settings();

} // namespace cloudsat::board
