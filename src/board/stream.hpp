// Streams: receive, bookmark, and inbox for readers that keep their own position. A session's position
// follows its transactions, like its registration.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::board {

// To be called once, from _PG_init.
void watch_streams();

// For register(), before the registration takes effect. A stream begins at the nick's newest bookmark, or
// now.
void begin_stream(Datum nick);
// With the same nick it resumes at its position or its newest bookmark: after all messages that either has
// received.
void continue_stream(Datum nick);
void end_stream();

} // namespace cloudsat::board
