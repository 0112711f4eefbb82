// Is a connection that somebody wrote down still there? Asked by pid and start time, as pg_stat_activity
// shows them, but without copying everybody's status first.
#pragma once

#include "pg/boundary.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace cloudsat::pg {

// Of this server, whichever database. As of now: no snapshot of activity is taken or used.
bool is_connected(int pid, TimestampTz backend_start);

} // namespace cloudsat::pg
