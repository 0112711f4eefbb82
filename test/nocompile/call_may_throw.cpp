// must not compile: mark the callable noexcept
// An exception must not leave a guarded call: it would corrupt the server's error handling.
#include "pg/boundary.hpp"

#ifdef CONTROL
#define PROMISE noexcept
#else
#define PROMISE
#endif

int try_it() {
    return cloudsat::pg::call([]() PROMISE { return 1; });
}
