// Snapshots: the server's as 64-bit numbers, and pg_snapshot values. See core/board/stream_position.hpp for
// what the numbers mean.
#pragma once

#include <cstdint>
#include <span>

#include "core/board/stream_position.hpp"
#include "pg/boundary.hpp"

extern "C" {
#include "utils/snapshot.h"
}

namespace cloudsat::board {

// The transactions of an MVCC snapshot on the board clock. Its own transaction counts as in progress.
// palloc'd.
core::SnapshotView snapshot_view(Snapshot snapshot, std::span<const core::Era> eras);

// Makes durable that the transactions of all earlier snapshots have their numbers, so that no crash lets the
// server assign one again. For snapshots that outlive the server.
void keep_numbers();

// The newest snapshot: at this moment, or in REPEATABLE READ and above that of the transaction.
Snapshot register_latest_snapshot();

// The next transaction number to be assigned.
std::uint64_t next_transaction();

// core::unite, palloc'd.
core::PositionView unite(const core::PositionView& a, const core::PositionView& b);

// A pg_snapshot value, and its numbers. Both palloc'd.
Datum pg_snapshot_datum(core::SnapshotView view);
core::SnapshotView pg_snapshot_view(Datum value);

} // namespace cloudsat::board
