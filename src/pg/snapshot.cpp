// Snapshots, see snapshot.hpp.
//
// Why a function may let its statement's snapshot go. A transaction holds back vacuum by the xmin in its
// PGPROC, which the server clears when nothing is registered or active any more (SnapshotResetXmin in
// snapmgr.c). A statement's snapshot is active, once, while its portal runs (PortalRunSelect pushes it and
// pops whatever is on top when the executor returns), and registered by the portal's query descriptor and
// executor state, which refer to one and the same copy. The registrations stay until the portal is closed; we
// cannot undo them, but may do what SnapshotResetXmin would do if they were gone, provided that nobody will
// ever look at a row with that copy:
//   * the statement's plan names no relation, so that no node of it reads with es_snapshot. Whatever
//   functions it
//     calls read with the active snapshot, or with a new one;
//   * our executor state is that of the active portal, a SELECT that runs by itself (EXPLAIN, CREATE TABLE
//   AS,
//     INSERT ... SELECT, a query in a function have others), so nothing but this statement uses the copy;
//   * nothing else is registered, such as an open cursor's, and after popping ours nothing else is active,
//   such as
//     the statement of a function's caller.
// In READ COMMITTED no snapshot outlives a statement otherwise. An error while it is gone does no harm: the
// abort unregisters the copy, and pops what is there. Should the server set the xmin to the copy's again
// (UnregisterSnapshot does when another one goes), vacuum is held back until hold_nothing is called again,
// and no row is lost: nobody reads with it. Toasted values are fetched as long as anything is registered
// (HaveRegisteredOrActiveSnapshot), which the copy is; but up to 16 old_snapshot_threshold would measure its
// age, so with that setting nothing is let go.

#include "pg/snapshot.hpp"

#include <algorithm>
#include <cstddef>

#include "pg/compat.hpp"

extern "C" {
#include "access/transam.h"
#include "executor/execdesc.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"
#include "storage/proc.h"
#include "tcop/pquery.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
}

namespace cloudsat::pg {
namespace {

// pg_snapshot as xid8funcs.c stores it. It cannot change: it is on disks.
struct StoredSnapshot {
    std::int32_t size; // of the whole, as a varlena header
    std::uint32_t count;
    std::uint64_t xmin;
    std::uint64_t xmax;
    std::uint64_t in_progress[1];
};
static_assert(offsetof(StoredSnapshot, in_progress) == 24);

bool is_alone(FunctionCallInfo fcinfo) {
    const auto* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
    if (IsolationUsesXactSnapshot() || CLOUDSAT_SNAPSHOTS_AGE || result == nullptr ||
        !IsA(result, ReturnSetInfo) || result->econtext == nullptr || !ActiveSnapshotSet()) {
        return false;
    }
    const EState* estate = result->econtext->ecxt_estate;
    const Portal portal = ActivePortal;
    return estate != nullptr && portal != nullptr && portal->strategy == PORTAL_ONE_SELECT &&
           portal->queryDesc != nullptr && portal->queryDesc->estate == estate &&
           estate->es_plannedstmt->relationOids == NIL && estate->es_plannedstmt->rowMarks == NIL;
}

} // namespace

std::uint64_t next_transaction() {
    return U64FromFullTransactionId(ReadNextFullTransactionId());
}

core::SnapshotView snapshot_view(Snapshot snapshot, std::uint64_t offset) {
    const std::uint64_t next = next_transaction(); // later than all in the snapshot
    // During recovery all that is known to be in progress is in subxip, subtransactions among it. Those never
    // wrote a row in their own name, and every other one is there, even when some overflowed.
    const TransactionId* xids = snapshot->takenDuringRecovery ? snapshot->subxip : snapshot->xip;
    const auto given = static_cast<std::size_t>(snapshot->takenDuringRecovery ? snapshot->subxcnt : 0) +
                       (snapshot->takenDuringRecovery ? 0 : snapshot->xcnt);
    const std::uint64_t xmax = core::widen(snapshot->xmax, next);
    auto* numbers = static_cast<std::uint64_t*>(palloc(sizeof(std::uint64_t) * (given + 1)));
    std::size_t count = 0;
    for (std::size_t i = 0; i < given; ++i) {
        numbers[count++] = core::widen(xids[i], next);
    }
    // A snapshot leaves its own transaction out, although it may be below xmax
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

Datum pg_snapshot_datum(core::SnapshotView view) {
    const Size size = offsetof(StoredSnapshot, in_progress) + view.in_progress.size_bytes();
    auto* value = static_cast<StoredSnapshot*>(palloc(size));
    SET_VARSIZE(value, size);
    value->count = static_cast<std::uint32_t>(view.in_progress.size());
    value->xmin = view.xmin();
    value->xmax = view.xmax;
    std::copy(view.in_progress.begin(), view.in_progress.end(), value->in_progress);
    return PointerGetDatum(value);
}

core::SnapshotView pg_snapshot_view(Datum value) {
    const auto* stored = reinterpret_cast<const StoredSnapshot*>(PG_DETOAST_DATUM(value));
    return {stored->xmax, {stored->in_progress, stored->count}};
}

void StatementSnapshot::let_go(FunctionCallInfo fcinfo) {
    gone_ = false;
    if (!is_alone(fcinfo)) {
        return;
    }
    InvalidateCatalogSnapshot(); // counts as registered
    if (!ThereAreNoPriorRegisteredSnapshots()) {
        return;
    }
    Snapshot ours = RegisterSnapshot(GetActiveSnapshot());
    PopActiveSnapshot();
    gone_ = !ActiveSnapshotSet();
    if (!gone_) {
        PushActiveSnapshot(ours);
    }
    UnregisterSnapshot(ours);
}

void StatementSnapshot::hold_nothing() const {
    if (gone_) {
        InvalidateCatalogSnapshot();
        MyProc->xmin = TransactionXmin = InvalidTransactionId;
    }
}

void StatementSnapshot::replace_with_latest() const {
    if (gone_) {
        PushActiveSnapshot(GetLatestSnapshot());
    }
}

} // namespace cloudsat::pg
