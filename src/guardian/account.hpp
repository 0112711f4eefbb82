// Accounts in a cycle: the users of the broker that were listed, met with what cloudsat.accounts knows. The
// SQL functions for accounts are in account.cpp, too; they need no header.
#pragma once

#include <memory_resource>
#include <span>
#include <string_view>

#include "guardian/server.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace cloudsat::guardian {

// Adopts users without an owner for the server's admins, who are told, and notes who is gone; `listed` is the
// time before which the broker was asked. False when somebody is changing accounts at this moment: then
// nothing happened, and it is for another time. Needs SPI.
bool sync_users(const Server& server, std::span<const std::string_view> users, TimestampTz listed,
                std::pmr::memory_resource* arena);

} // namespace cloudsat::guardian
