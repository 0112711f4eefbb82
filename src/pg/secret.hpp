// Calls whose arguments are secret.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// Runs the body of a function that takes a password. Messages raised meanwhile are logged without the
// statement. Neither the client nor the log sees the calling functions and statements, because their texts
// may contain the password.
Datum in_secret(FunctionCallInfo fcinfo, Datum (*body)(FunctionCallInfo));

} // namespace cloudsat::pg
