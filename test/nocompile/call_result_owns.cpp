// must not compile: its result must be trivially destructible
// A guarded call may be jumped out of: what it returns must not own anything. With -DCONTROL it is right and
// compiles.
#include <string>

#include "pg/boundary.hpp"

#ifdef CONTROL
using Answer = int;
#else
using Answer = std::string;
#endif

Answer try_it() {
    return cloudsat::pg::call([]() noexcept { return Answer{}; });
}
