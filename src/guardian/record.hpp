// Judging and writing what one cycle found.
#pragma once

#include "guardian/cycle.hpp"

namespace cloudsat::guardian {

Report record(Cycle& cycle);

} // namespace cloudsat::guardian
