// The row of cloudsat.polls, read into a cycle and written from it. Makes no decisions.
#pragma once

#include "guardian/cycle.hpp"

namespace cloudsat::guardian {

// False if there is none; texts are copied to the arena. Both need SPI.
bool read_poll(const Server& server, std::pmr::memory_resource* arena, PollRow& row);
void write_poll(const Server& server, const PollRow& row);

} // namespace cloudsat::guardian
