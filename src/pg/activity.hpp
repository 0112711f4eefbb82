// What other transactions of the cluster are doing.
#pragma once

#include <optional>

#include "pg/boundary.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace cloudsat::pg {

// A moment since when all transactions have begun that have a number now or get one later. None when that
// cannot be known: a transaction is prepared, or a session does not report what it does (track_activities).
std::optional<TimestampTz> oldest_writer();

} // namespace cloudsat::pg
