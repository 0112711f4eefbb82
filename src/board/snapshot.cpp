// Snapshots, see snapshot.hpp.

#include "board/snapshot.hpp"

#include <algorithm>

extern "C" {
#include "access/transam.h"
#include "access/xact.h"
#include "libpq/pqformat.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
}

namespace cloudsat::board {

std::uint64_t next_transaction() {
    return U64FromFullTransactionId(ReadNextFullTransactionId());
}

core::SnapshotView snapshot_view(Snapshot snapshot, std::uint64_t offset) {
    const std::uint64_t next = next_transaction(); // later than all in the snapshot
    // During recovery all transactions known to be in progress are in subxip, including subtransactions.
    // Those never wrote a row under their own number, and all others are there even after an overflow.
    const TransactionId* xids = snapshot->takenDuringRecovery ? snapshot->subxip : snapshot->xip;
    const auto given = static_cast<std::size_t>(snapshot->takenDuringRecovery ? snapshot->subxcnt : 0) +
                       (snapshot->takenDuringRecovery ? 0 : snapshot->xcnt);
    const std::uint64_t xmax = core::widen(snapshot->xmax, next);
    auto* numbers = static_cast<std::uint64_t*>(palloc(sizeof(std::uint64_t) * (given + 1)));
    std::size_t count = 0;
    for (std::size_t i = 0; i < given; ++i) {
        numbers[count++] = core::widen(xids[i], next);
    }
    // A snapshot omits its own transaction, even if that is below xmax
    if (const TransactionId own = GetTopTransactionIdIfAny(); TransactionIdIsValid(own)) {
        numbers[count++] = core::widen(own, next);
    }
    std::sort(numbers, numbers + count);
    count = static_cast<std::size_t>(std::unique(numbers, numbers + count) - numbers);
    count = static_cast<std::size_t>(std::lower_bound(numbers, numbers + count, xmax) - numbers);
    for (std::size_t i = 0; i < count; ++i) {
        numbers[i] += offset;
    }
    return {xmax + offset, {numbers, count}};
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
