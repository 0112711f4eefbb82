// The one wait function: for the latch, a descriptor, the postmaster's end, or a timeout, whichever comes
// first.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::pg {

enum class Woken { latch, ready, timeout };

// Waits until `descriptor` (an epoll set, or -1 for none) is readable, the latch is set, or `milliseconds`
// passed (-1: no limit). Resets the latch and processes interrupts (cancel, terminate, barriers) before it
// returns, so it may raise. If the postmaster ends, the process ends at once. `event` is a
// CLOUDSAT_WAIT_EVENT.
Woken wait(int descriptor, long milliseconds, uint32 event);

// The same without a descriptor, for a wait requested by the client: ends the session as soon as the client
// has gone.
Woken wait_for_client(long milliseconds, uint32 event);

} // namespace cloudsat::pg
