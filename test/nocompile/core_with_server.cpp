// must not compile: postgres.h
// Pure code is built without the server's include path: a server header is not to be found.
// (include path: core)
#ifdef CONTROL
#include "core/base/result.hpp"
#else
#include "postgres.h"
#endif

int try_it() {
    return 0;
}
