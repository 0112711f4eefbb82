// The sessions of the server, see sessions.hpp.

#include "pg/sessions.hpp"

#include <algorithm>

#include "pg/compat.hpp"
#include "pg/spi.hpp"

extern "C" {
#include "access/twophase.h"
#include "storage/procarray.h"
}

namespace cloudsat::pg {
namespace {

bool is_any_prepared() {
    static Statement query("SELECT FROM pg_prepared_xact() LIMIT 1", {});
    spi_begin();
    const bool found = query.run({}, {}, true) > 0;
    spi_end();
    return found;
}

} // namespace

// The time is read first, and a session's number is read after the start of its transaction. So a transaction
// that begins or gets its number meanwhile is later than the result, and one that has ended does not matter.
std::optional<TimestampTz> oldest_writer() {
    TimestampTz oldest = GetCurrentTimestamp();
    if (max_prepared_xacts > 0 && is_any_prepared()) {
        return std::nullopt;
    }
    pgstat_clear_backend_activity_snapshot(); // it would show an earlier moment
    for (int i = 1; i <= pgstat_fetch_stat_numbackends(); ++i) {
        const LocalPgBackendStatus* session = CLOUDSAT_BACKEND_STATUS(i);
        if (session == nullptr || session->backendStatus.st_state == STATE_DISABLED) {
            return std::nullopt;
        }
        if (!TransactionIdIsValid(session->backend_xid)) {
            continue;
        }
        const TimestampTz began = session->backendStatus.st_xact_start_timestamp;
        if (began != 0) {
            oldest = std::min(oldest, began);
        } else if (session->backendStatus.st_state == STATE_UNDEFINED) {
            return std::nullopt; // a worker that reports nothing; any other one has just begun
        }
    }
    return oldest;
}

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
