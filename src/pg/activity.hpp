// The state of other transactions of the cluster.
#pragma once

#include <optional>

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// A moment after which all transactions have begun that have a number now or get one later. None if that
// cannot be determined: a transaction is prepared, or a session does not report its activity
// (track_activities).
std::optional<TimestampTz> oldest_writer();

} // namespace cloudsat::pg
