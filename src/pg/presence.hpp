// Is the extension there, and will it stay for the rest of this transaction? For workers, which start before
// CREATE EXTENSION and outlive DROP EXTENSION.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::pg {

enum class Presence {
    absent, // not installed in this database
    busy,   // somebody is dropping or altering it right now: come again
    present // installed, and locked against DROP and ALTER EXTENSION until the transaction ends
};

// Needs a transaction. Never waits for a lock.
Presence hold_presence();

} // namespace cloudsat::pg
