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

// The transactions of an MVCC snapshot, each number shifted to the caller's clock by `offset`. Its own
// transaction counts as in progress. palloc'd.
core::SnapshotView snapshot_view(Snapshot snapshot, std::uint64_t offset);

// The next transaction number to be assigned.
std::uint64_t next_transaction();

// A pg_snapshot value, and its numbers. Both palloc'd.
Datum pg_snapshot_datum(core::SnapshotView view);
core::SnapshotView pg_snapshot_view(Datum value);

} // namespace cloudsat::board
