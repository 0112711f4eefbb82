// What the server knows of its sessions, in all databases.
#pragma once

#include <optional>

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// A moment after which all transactions have begun that have a number now or get one later. None if that
// cannot be determined: a transaction is prepared, or a session does not report its activity
// (track_activities).
std::optional<TimestampTz> oldest_writer();

// Whether a recorded connection still exists, identified by pid and start time as in pg_stat_activity. As of
// now: takes and uses no copy of the status of all sessions.
bool is_connected(int pid, TimestampTz backend_start);

} // namespace cloudsat::pg
