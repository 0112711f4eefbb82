// Readers that keep their own position, such as the clients of a connection pool: inbox(addresses, since) and
// current_snapshot(). They need no registration and write nothing, so they also work on a standby. A position
// is a pg_snapshot on the board clock, so it ends at a transaction: a batch takes whole ones.

#include <algorithm>
#include <optional>

#include "board/address.hpp"
#include "board/board_clock.hpp"
#include "board/doorbell.hpp"
#include "board/enlistment.hpp"
#include "board/inbox_row.hpp"
#include "board/registration.hpp"
#include "board/snapshot.hpp"
#include "board/stream_reader.hpp"
#include "board/timeout.hpp"
#include "board/uuid.hpp"
#include "core/board/stream_position.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/text.hpp"
#include "pg/wait.hpp"

extern "C" {
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
}

namespace cloudsat::board {
namespace {

struct Request {
    std::span<const Datum> subscriptions;
    core::SnapshotView since;
    std::optional<std::size_t> max;
};

// The next number on a standby may be behind that of its primary, which may have made `since`.
void require_past(core::SnapshotView since) {
    if (!RecoveryInProgress() &&
        since.xmax > core::on_board_clock(eras().back().number, next_transaction())) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("since lies in the future"),
                errdetail("It was not made by this board, or the board was restored to an earlier time."),
                errhint("Pass the value of the column upto, or null for all messages."));
    }
}

// One look at the board.
class Look {
public:
    Look(const Request& request, ReturnSetInfo* result) : request_(request), result_(result) {}

    // Adds the messages to the result; returns whether there are any.
    bool take() {
        require_past(request_.since);
        const std::span<const core::Era> clock = eras();
        reader_.open_settled(MessageReader::Sees::latest);
        seen_ = snapshot_view(reader_.snapshot(), clock);
        keep_numbers(); // the client keeps them
        const bool found = request_.max ? take_batch(*request_.max) : take_all(seen_);
        reader_.close(found ? MessageReader::Locks::keep : MessageReader::Locks::release);
        return found;
    }

private:
    // All that `now` shows.
    bool take_all(core::SnapshotView now) {
        const Datum upto = pg_snapshot_datum(unite({request_.since, {}}, {now, {}}).received);
        reader_.start(request_.subscriptions, {request_.since, now}, std::nullopt);
        bool found = false;
        core::Xact xact = 0;
        Place place = 0;
        while (const std::optional<MessageRow> row = reader_.next(UINT64_MAX, xact, place)) {
            put_inbox_row(result_, *row, upto);
            found = true;
        }
        return found;
    }

    std::span<const core::Candidate> find_first(std::size_t count) {
        auto* memory = pg::make<pg::ContextResource>(CurrentMemoryContext, CurrentMemoryContext);
        auto* first = pg::make<core::FirstCandidates>(CurrentMemoryContext, count, memory);
        reader_.start(request_.subscriptions, {request_.since, seen_}, std::nullopt);
        core::Candidate candidate;
        while (const std::optional<MessageRow> row =
                   reader_.next(first->last_wanted(), candidate.xact, candidate.place)) {
            candidate.id = message_id(row->value(Field::uuid));
            if (first->wants(candidate)) {
                first->add(candidate);
            }
        }
        return first->take();
    }

    // In uuid order, unless it is one transaction.
    bool take_batch(std::size_t max) {
        const std::span<const core::Candidate> first = find_first(max + 1);
        const core::WholeTransactions whole = core::whole_transactions(first, max);
        if (whole.count == 0) {
            return !first.empty() && take_all(seen_.before(whole.end));
        }
        const Datum upto =
            pg_snapshot_datum(unite({request_.since, {}}, {seen_.before(whole.end), {}}).received);
        auto* taken = static_cast<core::Candidate*>(
            MemoryContextAllocHuge(CurrentMemoryContext, sizeof(core::Candidate) * whole.count));
        std::copy_n(first.begin(), whole.count, taken);
        std::sort(taken, taken + whole.count,
                  [](const core::Candidate& a, const core::Candidate& b) { return a.id < b.id; });
        for (std::size_t i = 0; i < whole.count; ++i) {
            put_inbox_row(result_, reader_.fetch(taken[i].place), upto);
        }
        return true;
    }

    const Request& request_;
    ReturnSetInfo* result_;
    StreamReader reader_;
    core::SnapshotView seen_;
};

bool look(const Request& request, ReturnSetInfo* result) {
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "cloudsat inbox", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    const bool found = Look(request, result).take();
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
    return found;
}

// A standby has no doorbell: waits until WAL has been replayed.
void wait_for_replay(const Countdown& countdown) {
    static uint32 event = 0;
    if (event == 0) {
        event = CLOUDSAT_WAIT_EVENT("CloudsatReplayed");
    }
    constexpr std::int64_t pause = 50;
    const XLogRecPtr replayed = GetXLogReplayRecPtr(nullptr);
    while (countdown.left() > 0 && RecoveryInProgress() && GetXLogReplayRecPtr(nullptr) == replayed) {
        (void)pg::wait_for_client(
            static_cast<long>(std::min<std::int64_t>(countdown.left() / 1000 + 1, pause)), event);
    }
}

// Messages as soon as there are any, at the latest after that many microseconds.
void read_within(const Request& request, ReturnSetInfo* result, std::int64_t timeout) {
    const Countdown countdown(timeout);
    bool watches = false;
    bool rang = false;
    while (!look(request, result)) {
        // An old snapshot shows nothing newer: then the caller learns only that something has been posted
        if (countdown.left() <= 0 || (rang && IsolationUsesXactSnapshot())) {
            break;
        }
        if (RecoveryInProgress()) {
            wait_for_replay(countdown);
        } else if (!watches) { // and look again: earlier posts did not ring here
            doorbell_watch(request.subscriptions);
            watches = true;
        } else {
            rang = wait_for_ring(countdown.left());
        }
    }
    if (watches) {
        doorbell_leave();
    }
}

Datum inbox_of(FunctionCallInfo fcinfo) {
    const std::span<const core::AddressView> addresses = read_addresses(fcinfo, 0);
    require_may_read(addresses);
    Request request{subscriptions_to(addresses), {}, std::nullopt};
    if (!PG_ARGISNULL(1)) {
        request.since = pg_snapshot_view(PG_GETARG_DATUM(1));
    }
    if (!PG_ARGISNULL(2)) {
        request.max = require_max(PG_GETARG_INT32(2));
    }
    pg::require_argument(fcinfo, 3, "timeout");
    const std::int64_t timeout = require_timeout(*PG_GETARG_INTERVAL_P(3));
    InitMaterializedSRF(fcinfo, 0);
    if (!request.subscriptions.empty()) {
        read_within(request, reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo), timeout);
    }
    return static_cast<Datum>(0);
}

// The snapshot of a reader that looks now.
Datum current_snapshot(FunctionCallInfo) {
    const std::span<const core::Era> clock = eras();
    Snapshot snapshot = register_latest_snapshot();
    const Datum now = pg_snapshot_datum(snapshot_view(snapshot, clock));
    UnregisterSnapshot(snapshot);
    keep_numbers();
    return now;
}

} // namespace

SQL_FUNCTION(current_snapshot);
SQL_FUNCTION(inbox_of);

} // namespace cloudsat::board
