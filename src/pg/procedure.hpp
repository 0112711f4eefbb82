// A procedure that ends transactions, as COMMIT in PL/pgSQL does: between two of them it holds no snapshot
// and no lock. That needs a caller without a transaction of its own. Begin and end are statements, not a
// constructor and a destructor: an ERROR in between ends it, too.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// Refuses a transaction block, a subtransaction, such as a block of PL/pgSQL that catches errors (25001), and
// a function (2D000). `name` is the procedure's, as its users write it.
void procedure_begin(FunctionCallInfo fcinfo, const char* name);
// Commits, and begins the next transaction, which has no snapshot until it takes one.
void procedure_commit();
void procedure_end();

} // namespace cloudsat::pg
