// The module's entrance: magic block and _PG_init, which announces settings, callbacks, shared memory and
// workers. Nothing else belongs here.

#include "board/board_clock.hpp"
#include "board/doorbell.hpp"
#include "board/doorbell_memory.hpp"
#include "board/enlistment.hpp"
#include "board/registration.hpp"
#include "board/settings.hpp"
#include "board/stream.hpp"
#include "guardian/settings.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"
#include "worker/commands.hpp"
#include "worker/roster.hpp"
#include "worker/settings.hpp"
#include "worker/supervisor.hpp"

extern "C" {
CLOUDSAT_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void);
}

void _PG_init(void) {
    using namespace cloudsat;
    board::define_settings();
    guardian::define_settings();
    worker::define_settings();
    pg::watch_names();
    board::watch_board_clock();
    board::watch_enlistment();
    board::watch_streams(); // before the registration, whose refusals come first then
    board::watch_registration();
    board::follow_transactions();
    worker::watch_commands();
    if (process_shared_preload_libraries_in_progress) {
        worker::request_roster();
        board::request_doorbell_memory();
        worker::register_supervisor();
    }
}
