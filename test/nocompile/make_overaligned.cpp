// must not compile: palloc aligns to MAXALIGN only
// An object that needs more alignment than the server's memory gives.
#include "pg/memory.hpp"

#ifdef CONTROL
struct Line {
    char bytes[64];
};
#else
struct alignas(64) Line {
    char bytes[64];
};
#endif

Line* try_it(MemoryContext context) {
    return cloudsat::pg::make<Line>(context);
}
