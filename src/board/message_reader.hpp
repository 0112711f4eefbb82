// Reads cloudsat.messages without a planner: a message by its uuid, from the one partition that can hold it,
// and all replies of a thread by their root, through each partition's index. Planning, and taking locks for,
// a query over all partitions costs milliseconds as soon as there are some hundred days of them; this costs
// microseconds. Only reads, under the snapshot of the calling query, and asks for no privileges: who may
// execute the caller may read.
#pragma once

#include <cstdint>
#include <optional>

#include "core/board/uuid7.hpp"

#include "board/message_fields.hpp"

#include "pg/boundary.hpp"
#include "pg/table_scan.hpp"

extern "C" {
#include "access/htup.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
}

namespace cloudsat::board {

// Where a message is: good for the reader that told it. A plain number, so that millions can be kept, and
// ordered as the messages lie.
using Place = std::uint64_t;

// One message, still in its buffer.
class MessageRow {
public:
    MessageRow(TupleTableSlot* slot, const AttrMap* map) : slot_(slot), map_(map) {}

    // The value, if it is not null. It points into the row.
    Datum value(Field field, bool& isnull) const {
        return slot_getattr(slot_, column_of(field, map_), &isnull);
    }
    Datum value(Field field) const; // of a column that is never null, or of a reply's link
    bool is_reply() const;
    TupleTableSlot* slot() const { return slot_; }

private:
    TupleTableSlot* slot_;
    const AttrMap* map_;
};

// Plain: an error in between leaves what it holds to the server's clean-up.
class MessageReader {
public:
    void open();
    // No message that maintain() is moving is missed: under the snapshot of the calling query, or of what is
    // committed by now, whatever the query sees; in REPEATABLE READ and above of what the transaction sees.
    enum class Sees { query, latest };
    void open_settled(Sees sees);

    // What becomes of the locks: as a rule they stay until the end of the transaction, because values may be
    // out of line. Who has found nothing may release them.
    enum class Locks { keep, release };
    void close(Locks locks = Locks::keep);

    Snapshot snapshot() const { return snapshot_; }

    // Where the message with this uuid is; none when there is none.
    std::optional<Place> find(Datum uuid);

    // The message there. The row is good until the next fetch. Fetching in the order of places is much
    // cheaper than fetching at random.
    MessageRow fetch(Place place);

    // A copy of a message's tuple as its row, good until the next one is wrapped.
    MessageRow wrap(Place place, HeapTuple copy);

    // All replies of the thread with this root, in no particular order: start, then next until it has none.
    // The row is good until the next step; with its place it can be fetched later.
    void start_replies(Datum root);
    std::optional<MessageRow> next_reply(Place& place);
    void end_replies();

    // Of the replies read so far.
    Size average_size() const { return replies_ == 0 ? 0 : bytes_ / replies_; }

protected:
    struct Leaf { // a partition
        Relation relation;
        const AttrMap* map;
        IndexFetchTableData* fetching; // with its slot, made when a row is fetched
        TupleTableSlot* fetched;
        TupleTableSlot* wrapped; // made when a copy is wrapped
    };

    std::uint16_t keep_leaf(Relation relation);
    std::uint16_t open_partition(Oid partition);
    void start_scan(pg::TableScan& scan, std::uint16_t leaf, Field column, Oid index, Datum value);
    std::optional<Place> find_in(std::uint16_t leaf, Datum uuid);

    void open_table();
    // Those that may hold a message with this uuid or a later one, in the order of time, the default one
    // last.
    List* partitions_since(const core::Uuid* floor) const;
    // Partition, block and line pointer, so that places are in the order in which the messages lie.
    static Place place_of(const TupleTableSlot* slot, std::uint16_t leaf);

    Relation table_;
    Snapshot snapshot_;
    Leaf** leaves_; // in places that do not move, since rows point to them
    int leaf_count_, leaf_capacity_;

private:
    void end_scan();

    List* partitions_; // of a scan of replies: those to come
    int next_partition_;
    Datum wanted_root_;
    bool is_scanning_;
    pg::TableScan scan_;    // of the current partition
    std::uint16_t scanned_; // the current partition's number
    Size replies_, bytes_;
};

// Messages fetched in the order in which they lie, and given in the order in which they were asked for: as
// many at a time as fit in work_mem, copied.
class MessageBatch {
public:
    void open(MessageReader* reader);
    int most() const { return most_; }
    int count() const { return count_; }
    void clear() { count_ = 0; }
    void add(Place place);      // at most `most`
    void fetch();               // all that were added
    MessageRow row(int number); // from 0, in the order in which they were added; good until the next

private:
    struct Wanted {
        Place place;
        int number;
    };
    struct Copy {
        Place place;
        Size offset; // in bytes_
        std::uint32_t length;
    };

    MessageReader* reader_;
    int count_, most_;
    Wanted* wanted_; // in the order in which they are fetched
    Copy* copies_;   // by number
    char* bytes_;
    Size used_, capacity_;
    HeapTupleData tuple_; // of the row given last
};

} // namespace cloudsat::board
