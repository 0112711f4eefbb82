// Accounts in a cycle: compares the listed users of the broker with cloudsat.accounts. The SQL functions for
// accounts are also in account.cpp; they need no header.
#pragma once

#include <memory_resource>
#include <span>
#include <string_view>

#include "guardian/server.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace cloudsat::guardian {

// Makes the server's admins the owners of users without one and notifies them, and records users that are
// gone; `listed` is a time before the broker was asked. False if an account is being changed at the moment:
// then nothing was done, and a later cycle tries again. Needs SPI.
bool sync_users(const Server& server, std::span<const std::string_view> users, TimestampTz listed,
                std::pmr::memory_resource* arena);

} // namespace cloudsat::guardian
