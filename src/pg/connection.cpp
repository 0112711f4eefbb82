// Finds one connection, see connection.hpp.

#include "pg/connection.hpp"

#include "pg/compat.hpp"

extern "C" {
#include "storage/procarray.h"
}

namespace cloudsat::pg {

bool is_connected(int pid, TimestampTz backend_start) {
    const PGPROC* process = BackendPidGetProc(pid);
    if (process == nullptr) {
        return false;
    }
    // Another process may have the pid by now; its start time shows that. The server only offers a copy of
    // all entries, which it keeps for the rest of the transaction; but our own entry is in the same array.
    const auto place = static_cast<int>(CLOUDSAT_STATUS_PLACE(process));
    if (place < 0) {
        return false; // it ended just now
    }
    const volatile PgBackendStatus* status = MyBEEntry + (place - CLOUDSAT_MY_STATUS_PLACE);
    for (;;) {
        int before = 0;
        int after = 0;
        pgstat_begin_read_activity(status, before);
        const bool same = status->st_procpid == pid && status->st_proc_start_timestamp == backend_start;
        pgstat_end_read_activity(status, after);
        if (pgstat_read_activity_complete(before, after)) {
            return same;
        }
        CHECK_FOR_INTERRUPTS();
    }
}

} // namespace cloudsat::pg
