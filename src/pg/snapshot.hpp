// Snapshots: the server's as 64-bit numbers, pg_snapshot values, and the statement's own snapshot let go
// while a function waits. Knows no board; see core/stream_position.hpp for what the numbers mean.
#pragma once

#include <cstdint>
#include <span>

#include "core/stream_position.hpp"

#include "pg/boundary.hpp"

extern "C" {
#include "utils/snapshot.h"
}

namespace cloudsat::pg {

// The transactions of an MVCC snapshot, each number put on the caller's clock by adding `offset`. The own
// transaction counts as in progress. palloc'd.
core::SnapshotView snapshot_view(Snapshot snapshot, std::uint64_t offset);

// The next transaction number that will be given out.
std::uint64_t next_transaction();

// A pg_snapshot value; and its numbers, in the value, or in a palloc'd copy.
Datum pg_snapshot_datum(core::SnapshotView view);
core::SnapshotView pg_snapshot_view(Datum value);

// What a function that waits needs to hold back no vacuum meanwhile: its statement's snapshot is let go, and
// another one put in its place afterwards, so that the rest of the statement sees what the function saw. This
// is possible when the statement is a SELECT that the client sent, in READ COMMITTED, that reads no table
// itself, and no cursor is open; otherwise nothing happens here. Plain: an error in between needs no care.
class StatementSnapshot {
public:
    // Lets it go if that is possible.
    void let_go(FunctionCallInfo fcinfo);
    // Holds nothing at all from now on, if the statement's is gone. To be called before each wait.
    void hold_nothing() const;
    // Puts one in its place that sees all that is committed by now. To be called before the function returns.
    void replace_with_latest() const;

private:
    bool gone_ = false;
};

} // namespace cloudsat::pg
