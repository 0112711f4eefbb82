// Calls whose arguments are secret.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// Runs the body of a function that takes a password. No message that is raised while it runs is logged with
// the statement; and none tells which functions and statements called it, neither to the client nor in the
// log, because their texts may hold the password.
Datum in_secret(FunctionCallInfo fcinfo, Datum (*body)(FunctionCallInfo));

} // namespace cloudsat::pg
