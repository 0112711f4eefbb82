// A broker's limits may be enforced only in the database in which enforce was set. A database that was
// restored elsewhere or copied has the same foreign server with `enforce 'on'`, pointing to the same broker,
// although enforce was not set there. polls.enforce_home therefore records the cluster and database in which
// enforce was first seen or last confirmed; in any other, enforce is held back.
#pragma once

#include "guardian/server.hpp"

namespace cloudsat::guardian {

// This cluster and database. Palloc'd.
const char* home_of_enforcement();

// Switches enforce off in a freshly loaded server if it must be held back here. Needs a transaction.
void hold_back(Server& server);

// Records that enforce is meant for this cluster and database; false if it already was. Needs SPI.
bool enforce_here(std::string_view server);

// DETAIL of a warning about it
constexpr const char* not_confirmed =
    "It was confirmed for another database or cluster, of which this one may be a copy.";
const char* how_to_confirm(const Server& server); // palloc'd

} // namespace cloudsat::guardian
