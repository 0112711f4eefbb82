// Whether a recorded connection still exists, identified by pid and start time as in pg_stat_activity,
// without copying the status of all sessions.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// On this server, in any database. As of now: takes and uses no snapshot of activity.
bool is_connected(int pid, TimestampTz backend_start);

} // namespace cloudsat::pg
