// Owners of a queue: the name that its own name contains, and the addresses behind that name.
#pragma once

#include <span>
#include <string_view>

#include "guardian/server.hpp"

namespace cloudsat::guardian {

using Addresses = std::span<const std::string_view>;

// The name as a canonical address with a local part; empty if it is not one. Palloc'd.
std::string_view as_mailbox(std::string_view owner);

// The addresses of an owner in ascending order: those in cloudsat.account_owners for the name, or else the
// name itself if it is an address with a local part. Needs SPI, and lives as long.
Addresses owners_of(const Server& server, std::string_view owner);

} // namespace cloudsat::guardian
