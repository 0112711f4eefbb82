// Snapshots, see snapshot.hpp.

#include "board/snapshot.hpp"

#include <algorithm>

extern "C" {
#include "access/transam.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "libpq/pqformat.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
}

namespace cloudsat::board {

Snapshot register_latest_snapshot() {
    return RegisterSnapshot(IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : GetLatestSnapshot());
}

std::uint64_t next_transaction() {
    return U64FromFullTransactionId(ReadNextFullTransactionId());
}

core::SnapshotView snapshot_view(Snapshot snapshot, std::span<const core::Era> eras) {
    const std::uint64_t next = next_transaction(); // later than all in the snapshot
    // During recovery all transactions known to be in progress are in subxip, including subtransactions.
    // Those never wrote a row under their own number, and all others are there even after an overflow.
    const bool recovering = snapshot->takenDuringRecovery;
    const std::span<const TransactionId> xids(recovering ? snapshot->subxip : snapshot->xip,
                                              recovering ? static_cast<std::size_t>(snapshot->subxcnt)
                                                         : snapshot->xcnt);
    // A snapshot omits its own transaction, even if that is below xmax
    const TransactionId own = GetTopTransactionIdIfAny();
    const auto each = [&](auto add) {
        for (const TransactionId xid : xids) {
            core::each_number(eras, core::widen(xid, next), add);
        }
        if (TransactionIdIsValid(own)) {
            core::each_number(eras, core::widen(own, next), add);
        }
    };
    std::size_t most = 0;
    each([&most](core::Xact) { ++most; });
    auto* numbers = static_cast<core::Xact*>(palloc(sizeof(core::Xact) * (most + 1)));
    std::size_t count = 0;
    each([&](core::Xact number) { numbers[count++] = number; });
    std::sort(numbers, numbers + count);
    count = static_cast<std::size_t>(std::unique(numbers, numbers + count) - numbers);
    const core::Xact xmax = core::on_board_clock(eras.back().number, core::widen(snapshot->xmax, next));
    count = static_cast<std::size_t>(std::lower_bound(numbers, numbers + count, xmax) - numbers);
    return {xmax, {numbers, count}};
}

// Each transaction that has ended has written its number to the WAL, also if it was rolled back.
void keep_numbers() {
    if (RecoveryInProgress()) {
        return; // it replays only what is durable where it was assigned
    }
    XLogRecPtr end = GetXLogInsertRecPtr();
    // At the end of a page it counts the header of the next page, which is not written yet.
    if (const XLogRecPtr in_page = end % XLOG_BLCKSZ; in_page <= SizeOfXLogLongPHD) {
        end -= in_page;
    }
    XLogFlush(end);
}

core::PositionView unite(const core::PositionView& a, const core::PositionView& b) {
    const std::size_t most = a.received.in_progress.size() + b.received.in_progress.size();
    auto* room = static_cast<core::Xact*>(palloc(sizeof(core::Xact) * (most + 1)));
    return core::unite(a, b, {room, most});
}

// The layout of a pg_snapshot is internal to the server. Its binary form is not: the number of transactions
// in progress, in 32 bits, then xmin, xmax and those transactions, in 64 bits each.
Datum pg_snapshot_datum(core::SnapshotView view) {
    StringInfoData message;
    initStringInfo(&message);
    pq_sendint32(&message, static_cast<uint32>(view.in_progress.size()));
    pq_sendint64(&message, view.xmin());
    pq_sendint64(&message, view.xmax);
    for (const core::Xact xact : view.in_progress) {
        pq_sendint64(&message, xact);
    }
    return DirectFunctionCall1(pg_snapshot_recv, PointerGetDatum(&message));
}

core::SnapshotView pg_snapshot_view(Datum value) {
    bytea* sent = DatumGetByteaPP(DirectFunctionCall1(pg_snapshot_send, value));
    StringInfoData message{VARDATA_ANY(sent), static_cast<int>(VARSIZE_ANY_EXHDR(sent)), 0, 0};
    const std::size_t count = pq_getmsgint(&message, sizeof(uint32));
    (void)pq_getmsgint64(&message); // xmin
    const auto xmax = static_cast<core::Xact>(pq_getmsgint64(&message));
    auto* numbers = static_cast<core::Xact*>(palloc(sizeof(core::Xact) * (count + 1)));
    std::generate_n(numbers, count, [&message] { return static_cast<core::Xact>(pq_getmsgint64(&message)); });
    return {xmax, {numbers, count}};
}

} // namespace cloudsat::board
