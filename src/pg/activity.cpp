// The state of other transactions, see activity.hpp.

#include "pg/activity.hpp"

#include <algorithm>

#include "pg/compat.hpp"
#include "pg/spi.hpp"

extern "C" {
#include "access/twophase.h"
#include "utils/backend_status.h"
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

} // namespace cloudsat::pg
