// Streams: receive, bookmark, and inbox for those who keep their own position. A session's position follows
// its transactions like the registration that it belongs to.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::board {

// To be called once, from _PG_init.
void watch_streams();

// For register(), before the registration takes effect. A stream begins at the nick's newest bookmark, or
// now.
void begin_stream(Datum nick);
// The same nick goes on where it was, or where its newest bookmark is: behind all that either has received.
void continue_stream(Datum nick);
void end_stream();

} // namespace cloudsat::board
