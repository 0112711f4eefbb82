// The one wait: for the latch, a descriptor or the client's end, the postmaster's end, and time, whichever
// comes first.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::pg {

enum class Woken { latch, ready, timeout };

// Waits until `descriptor` (an epoll set, or -1 for none) is readable, the latch is set, or `milliseconds`
// passed
// (-1: no limit). Resets the latch and answers interrupts (cancel, terminate, barriers) before it returns, so
// it may raise. Without a descriptor, it ends the session as soon as its client has gone. The process ends at
// once when the postmaster does. `event` is a CLOUDSAT_WAIT_EVENT.
Woken wait(int descriptor, long milliseconds, uint32 event);

} // namespace cloudsat::pg
