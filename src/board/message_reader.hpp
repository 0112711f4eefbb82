// Reads cloudsat.messages without a planner: a message by its uuid, from the one partition that can hold it,
// and all replies of a thread by their root, through each partition's index. With some hundred days of
// partitions, planning and locking a query over all of them costs milliseconds; this costs microseconds.
// Read-only, under the calling query's snapshot, without privilege checks: a role that may execute the caller
// may read.
#pragma once

#include <cstdint>
#include <optional>

#include "board/message_fields.hpp"
#include "core/board/uuid7.hpp"
#include "pg/array.hpp"
#include "pg/table_scan.hpp"

extern "C" {
#include "access/htup.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
}

namespace cloudsat::board {

// Where a message is, valid for the reader that returned it. A plain number, so that millions can be kept,
// and ordered as the messages are stored.
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

// Trivially destructible: after an error the server releases its resources.
class MessageReader {
public:
    void open();
    // Finds messages that maintain() is moving. Reads under the snapshot of the calling query, or sees rows
    // committed by now, whatever the query sees; in REPEATABLE READ and above, those that the transaction
    // sees.
    enum class Sees { query, latest };
    void open_settled(Sees sees);

    // Handling of the locks: usually they stay until the end of the transaction, because values may be out of
    // line. A reader that found nothing may release them.
    enum class Locks { keep, release };
    void close(Locks locks = Locks::keep);

    Snapshot snapshot() const { return snapshot_; }

    // The place of the message with this uuid; none if it does not exist.
    std::optional<Place> find(Datum uuid);

    // The message there. The row is valid until the next fetch. Fetching in order of places is much cheaper
    // than in random order.
    MessageRow fetch(Place place);

    // Wraps a copy of a message's tuple as its row, valid until the next one is wrapped.
    MessageRow wrap(Place place, HeapTuple copy);

    // All replies of the thread with this root, unordered: start, then next until there is none. The row is
    // valid until the next step; its place allows fetching it later.
    void start_replies(Datum root);
    std::optional<MessageRow> next_reply(Place& place);
    void end_replies();

    // In bytes, of the replies read so far.
    Size average_size() const { return replies_ == 0 ? 0 : bytes_ / replies_; }

protected:
    struct Leaf { // a partition
        Relation relation;
        const AttrMap* map;
        IndexFetchTableData* fetching; // with its slot, made when a row is first fetched
        TupleTableSlot* fetched;
        TupleTableSlot* wrapped; // made when a copy is wrapped
    };

    std::uint16_t keep_leaf(Relation relation);
    std::uint16_t open_partition(Oid partition);
    void start_scan(pg::TableScan& scan, std::uint16_t leaf, Field column, Oid index, Datum value);
    std::optional<Place> find_in(std::uint16_t leaf, Datum uuid);

    void open_table();
    void settle(); // finds messages that maintain() is moving
    // Those that may hold a message with this uuid or a later one, in order of time, the default one last.
    List* partitions_since(const core::Uuid* floor) const;
    // Partition, block and line pointer, so that places are ordered as the messages are stored.
    static Place place_of(const TupleTableSlot* slot, std::uint16_t leaf);

    Relation table_;
    Snapshot snapshot_;
    pg::Array<Leaf*> leaves_; // each at a fixed address, since rows point to it

private:
    void end_scan();

    List* partitions_; // of a scan of replies: those not scanned yet
    int next_partition_;
    Datum wanted_root_;
    bool is_scanning_;
    pg::TableScan scan_;    // of the current partition
    std::uint16_t scanned_; // the current partition's number
    Size replies_, bytes_;
};

// Messages fetched in the order in which they are stored, and returned in the order of the requests: as many
// at a time as fit in work_mem, copied.
class MessageBatch {
public:
    void open(MessageReader* reader);
    int most() const { return most_; }
    int count() const { return count_; }
    void clear() { count_ = 0; }
    void add(Place place);      // at most `most`
    void fetch();               // all added messages
    MessageRow row(int number); // from 0, in the order of add(); valid until the next call

    // Calls act(row) for the messages whose places these items have, in this order, batch by batch.
    template <class Items, class Act> void for_each(const Items& items, Act act) {
        for (auto next = items.begin(); next != items.end();) {
            clear();
            for (; next != items.end() && count_ < most_; ++next) {
                add(next->place);
            }
            fetch();
            for (int i = 0; i < count_; ++i) {
                act(row(i));
            }
        }
    }

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
    Wanted* wanted_; // in fetch order
    Copy* copies_;   // by number
    char* bytes_;
    Size used_, capacity_;
    HeapTupleData tuple_; // of the row returned last
};

} // namespace cloudsat::board
