// Whether the extension exists, and will for the rest of this transaction. For workers, which start before
// CREATE EXTENSION and outlive DROP EXTENSION.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::pg {

enum class Presence {
    absent, // not installed in this database
    busy,   // another session is dropping or altering it right now: retry
    present // installed, and locked against DROP and ALTER EXTENSION until the transaction ends
};

// Needs a transaction. Never waits for a lock.
Presence hold_presence();

} // namespace cloudsat::pg
