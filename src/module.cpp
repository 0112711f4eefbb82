// The module's entrance: magic block and _PG_init, which announces settings, callbacks, shared memory and workers.
// Nothing else belongs here.

#include "board/registration.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"
#include "pg/settings.hpp"

extern "C" {
CLOUDSAT_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void);
}

void _PG_init(void) {
    using namespace cloudsat;
    pg::define_settings();
    pg::watch_names();
    board::watch_registration();
}
