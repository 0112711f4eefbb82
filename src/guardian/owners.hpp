// Whose a queue is: the name that its own name begins with, and the addresses behind that.
#pragma once

#include <span>
#include <string_view>

#include "guardian/server.hpp"

namespace cloudsat::guardian {

using Addresses = std::span<const std::string_view>;

// The name as an address with a local part, in its canonical form; empty when it is none. Palloc'd.
std::string_view as_mailbox(std::string_view owner);

// The addresses of an owner, the lowest first: those that cloudsat.account_owners has for the name, or else
// the name itself when it is an address with a local part. Needs SPI, and lives as long.
Addresses owners_of(const Server& server, std::string_view owner);

} // namespace cloudsat::guardian
