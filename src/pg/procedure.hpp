// A procedure that ends transactions, as COMMIT in PL/pgSQL does: between two of them it holds no snapshot
// and no lock. So the caller must not have a transaction of its own. Begin and end are statements, not a
// constructor and a destructor: an ERROR in between also ends it.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// Rejects calls in a transaction block or a subtransaction, such as a PL/pgSQL block that catches errors
// (25001), and in a function (2D000). `name` is the procedure's name for users.
void procedure_begin(FunctionCallInfo fcinfo, const char* name);
// Commits, and begins the next transaction, which has no snapshot until it takes one.
void procedure_commit();
void procedure_end();

} // namespace cloudsat::pg
