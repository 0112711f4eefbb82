// The notifier: one process per database, if the library is preloaded. Commits leave notifications on a queue
// in shared memory (board/doorbell_memory.hpp), each a channel and its newest message. The notifier sends
// them to listeners, in one transaction for all that arrived meanwhile. So only one process takes the
// server's lock for NOTIFYs on behalf of all posters, and listeners are disturbed only once per batch. It
// reads and writes nothing else.
//
//     asleep --(a notification)--> sends at once --> rests for an interval --(notifications)--> sends ...
//        ^-------------------------------------------(none)-----|

#include "board/doorbell.hpp"
#include "board/doorbell_memory.hpp"
#include "worker/process.hpp"

extern "C" {
#include "pgstat.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
}

namespace cloudsat::worker {
namespace {

// Each round disturbs every session in the database that LISTENs to anything, whatever the channel, at some
// 20 µs of CPU each. The interval limits this, so that with hundreds of listeners posters keep the CPU.
constexpr long interval_milliseconds = 20;
constexpr long sleep_milliseconds = 60'000; // its latch wakes it earlier

// The server's notification queue is full only if a listening session stays in one transaction for too long.
// Then NOTIFY fails, so notifications are dropped earlier.
constexpr double too_full = 0.9;

struct Notifier {
    board::Notification* room;
    std::size_t unsent; // notifications taken from the queue, but not sent
    bool stuck;         // the queue is too full, and that was logged
};

Notifier state;

bool is_queue_too_full() {
    const double used = DatumGetFloat8(OidFunctionCall0(F_PG_NOTIFICATION_QUEUE_USAGE));
    const bool stuck = used >= too_full;
    if (stuck && !state.stuck) {
        ereport(
            WARNING, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errhidecontext(true),
            errmsg("%s sends nothing: the server's queue of notifications is %d%% full",
                   MyBgworkerEntry->bgw_name, static_cast<int>(used * 100)),
            errdetail("Messages are not affected: receive() still returns them."),
            errhint(
                "A session that LISTENs has been in one transaction for too long: see pg_stat_activity."));
    } else if (!stuck && state.stuck) {
        ereport(LOG, errhidecontext(true), errmsg("%s sends again", MyBgworkerEntry->bgw_name));
    }
    state.stuck = stuck;
    return stuck;
}

void send() {
    const std::span<const board::Notification> notifications =
        board::take_notifications({state.room, board::most_notifications});
    state.unsent = notifications.size();
    if (notifications.empty()) {
        return;
    }
    begin_transaction();
    const bool stuck = is_queue_too_full();
    for (const board::Notification& notification : stuck ? notifications.first(0) : notifications) {
        board::notify(notification.channel, notification.uuid);
    }
    commit_transaction();
    if (!stuck) {
        board::count_sent(notifications.size());
        state.unsent = 0;
    }
}

void keep_notifying() {
    begin_service();
    // listeners do not hear a NOTIFY that a server crash loses in any case
    SetConfigOption("synchronous_commit", "off", PGC_SUSET, PGC_S_OVERRIDE);
    state.room = static_cast<board::Notification*>(
        MemoryContextAllocZero(TopMemoryContext, sizeof(board::Notification) * board::most_notifications));
    board::serve_queue();
    while (!is_dismissed()) {
        if (board::begin_sleep()) {
            report_state(State::idle);
            rest(sleep_milliseconds);
            board::end_sleep();
            continue;
        }
        report_state(State::working);
        pgstat_report_activity(STATE_RUNNING, "notifying those who LISTEN");
        state.unsent = 0;
        const bool well = run_round(send);
        board::count_dropped(state.unsent);
        if (!well) {
            report_state(State::failing);
        }
        rest(well ? interval_milliseconds : 50 * interval_milliseconds);
    }
    ereport(LOG, errhidecontext(true), errmsg("%s ends", MyBgworkerEntry->bgw_name));
}

} // namespace

WORKER_MAIN(notifier, keep_notifying);

} // namespace cloudsat::worker
