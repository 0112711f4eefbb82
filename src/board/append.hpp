// Rows for the board's append-only tables, written to the heap directly: no SQL text, no plan, no rights
// asked (the caller has). Of a partitioned table it finds the leaf. Knows no table: the caller brings id,
// values, and the key.
#pragma once

#include <span>

#include "pg/boundary.hpp"

extern "C" {
#include "access/attmap.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"
}

namespace cloudsat::board {

// The columns of a row in the order of the table, as SQL sees it.
struct Row {
    std::span<const Datum> values;
    std::span<const bool> nulls;
};

// A table open for appending. Plain: when an error jumps over it, the server releases what it holds.
struct Appender {
    Relation table; // as the caller named it
    Relation leaf;  // the table itself or its partition that took the last row; null before the first
    AttrMap* map;   // for each column of the leaf its column in the table; null when they are the same
    bool plain;     // nothing but heap and indexes: no trigger, no check of somebody else
    const char* kept_check; // a CHECK that every row of the caller satisfies by construction
    EState* estate;
    ResultRelInfo* info;
    TupleTableSlot* slot;
};

// Refuses, naming the function, in a read-only transaction and on a standby (25006), and while a query runs
// in parallel.
void require_writable(const char* function);

// `kept_check` names a CHECK constraint of the table that the rows satisfy by construction: evaluating it
// would take longer than writing the row.
Appender append_begin(Oid table, const char* kept_check = nullptr);
void append_row(Appender& to, const Row& row);
void append_end(Appender& to);

// The time of a row that is to be newer than the newest one of its kind, whatever the clock does. Of what
// lies at the end of time nothing is newer: 55000 that names the log.
TimestampTz time_after(TimestampTz newest, const char* log);

// The leaf of the table that holds rows with this partition key, opened and locked. The table itself must be
// open and locked at least as strongly. Close it with NoLock.
Relation open_leaf(Relation table, Datum key, LOCKMODE mode);

} // namespace cloudsat::board
