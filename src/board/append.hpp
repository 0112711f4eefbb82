// Inserts rows directly into the heap of the board's append-only tables, without SQL text, plan or privilege
// checks (which the caller has made). Finds the leaf of a partitioned table. Knows no particular table: the
// caller passes id, values and key.
#pragma once

#include <span>

#include "pg/boundary.hpp"

extern "C" {
#include "access/attmap.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"
}

namespace cloudsat::board {

// The columns of a row in table order, as SQL sees it.
struct Row {
    std::span<const Datum> values;
    std::span<const bool> nulls;
};

// A table open for appending. Trivially destructible: if an error jumps over it, the server releases its
// resources.
struct Appender {
    Relation table; // as the caller named it
    Relation leaf;  // the table itself, or the partition that took the last row; null before the first
    AttrMap* map;   // maps the leaf's columns to the table's; null if they are the same
    bool plain;     // nothing but heap and indexes: no trigger, no user's check
    const char* kept_check; // a CHECK that every row of the caller satisfies by construction
    EState* estate;
    ResultRelInfo* info;
    TupleTableSlot* slot;
};

// Raises an error that names the function, in a read-only transaction, on a standby (25006), and during a
// parallel query.
void require_writable(const char* function);

// `kept_check` names a CHECK constraint of the table that the rows satisfy by construction: evaluating it
// would take longer than writing the row.
Appender append_begin(Oid table, const char* kept_check = nullptr);
void append_row(Appender& to, const Row& row);
void append_end(Appender& to);

// A time for a row, newer than the newest of its kind whatever the clock shows. If that has the greatest
// possible timestamp, raises 55000 that names the log.
TimestampTz time_after(TimestampTz newest, const char* log);

// The leaf of the table that holds rows with this partition key, opened and locked. The table itself must be
// open, with at least as strong a lock. Close it with NoLock.
Relation open_leaf(Relation table, Datum key, LOCKMODE mode);

} // namespace cloudsat::board
