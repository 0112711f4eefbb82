// Asking a broker for one cycle: vhosts, queues with their sizes, bindings, users.
#pragma once

#include "guardian/cycle.hpp"

namespace cloudsat::guardian {

// Sends the first requests of each cycle, vhosts and metrics, at once. begin() calls it before it loads the
// known state, so that the broker works meanwhile; fetch() waits for the answers.
void start_fetch(Cycle& cycle);

void fetch(Cycle& cycle);

} // namespace cloudsat::guardian
