// Asking a broker for one cycle: vhosts, queues with their sizes, bindings, users.
#pragma once

#include "guardian/cycle.hpp"

namespace cloudsat::guardian {

// Asks what each cycle begins with, the vhosts and the metrics, both at once. begin() does it before it reads
// what is known, so that the broker has something to do meanwhile; fetch() waits for the answers.
void start_fetch(Cycle& cycle);

void fetch(Cycle& cycle);

} // namespace cloudsat::guardian
