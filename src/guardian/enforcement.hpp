// Where a broker's limits may be enforced: where somebody said so. The foreign server of a database that was
// restored elsewhere, or copied, says `enforce 'on'` as the original does, and points to the same broker; but
// nobody said it there. So polls.enforce_home remembers in which cluster and database enforce was first seen,
// or last confirmed, and anywhere else it is held back.
#pragma once

#include "guardian/server.hpp"

namespace cloudsat::guardian {

// This cluster and database. Palloc'd.
const char* home_of_enforcement();

// Switches enforce off in a server just loaded, when it is to be held back here. Needs a transaction.
void hold_back(Server& server);

// Notes that enforce is meant for this cluster and database; false if it was before. Needs SPI.
bool enforce_here(std::string_view server);

// What to say of it.
constexpr const char* not_confirmed =
    "It was confirmed for another database or cluster, of which this one may be a copy.";
const char* how_to_confirm(const Server& server); // palloc'd

} // namespace cloudsat::guardian
