// Reads cloudsat.messages without a planner, see message_reader.hpp.

#include <algorithm>
#include <cstring>
#include <span>

#include "board/message_reader.hpp"

#include "board/append.hpp"
#include "board/indexes.hpp"
#include "board/snapshot.hpp"
#include "board/uuid.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/fmgroids.h"
#include "utils/partcache.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
}

namespace cloudsat::board {
namespace {

pg::Name messages_name{pg::Name::Kind::table, "messages"};

// A btree index that begins with the column; none if an administrator dropped it.
Oid index_on(Relation relation, AttrNumber column) {
    Relation index = open_index(relation, {column});
    if (index == nullptr) {
        return InvalidOid;
    }
    const Oid found = RelationGetRelid(index);
    index_close(index, AccessShareLock);
    return found;
}

std::uint16_t leaf_of(Place place) {
    return static_cast<std::uint16_t>(place >> 48);
}

ItemPointerData tid_of(Place place) {
    return {
        {static_cast<uint16>(place >> 32 & PG_UINT16_MAX), static_cast<uint16>(place >> 16 & PG_UINT16_MAX)},
        static_cast<OffsetNumber>(place & PG_UINT16_MAX)};
}

} // namespace

Place MessageReader::place_of(const TupleTableSlot* slot, std::uint16_t leaf) {
    return static_cast<Place>(leaf) << 48 |
           static_cast<Place>(ItemPointerGetBlockNumber(&slot->tts_tid)) << 16 |
           static_cast<Place>(ItemPointerGetOffsetNumber(&slot->tts_tid));
}

Datum MessageRow::value(Field field) const {
    bool isnull;
    Datum result = value(field, isnull);
    if (isnull) {
        ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED),
                errmsg("a message lacks column %d", static_cast<int>(field)));
    }
    return result;
}

bool MessageRow::is_reply() const {
    bool isnull;
    value(Field::before, isnull);
    return !isnull;
}

void MessageReader::open() {
    open_table();
    snapshot_ = RegisterSnapshot(GetActiveSnapshot());
}

void MessageReader::open_settled(Sees sees) {
    open_table();
    settle();
    snapshot_ = sees == Sees::query ? RegisterSnapshot(GetActiveSnapshot()) : register_latest_snapshot();
}

void MessageReader::settle() {
    // While maintain() moves messages out of the default partition, it holds a lock on that partition, or on
    // the whole table, that conflicts with ours. So no move is in progress now, and the partitions that
    // follow contain messages moved before. An older snapshot still sees them in the default partition.
    const Oid by_default = get_default_oid_from_partdesc(RelationGetPartitionDesc(table_, true));
    if (OidIsValid(by_default)) {
        open_partition(by_default);
    }
}

void MessageReader::open_table() {
    table_ = table_open(messages_name.oid(), AccessShareLock);
    leaves_ = {};
    partitions_ = NIL;
    next_partition_ = 0;
    is_scanning_ = false;
    replies_ = bytes_ = 0;
}

void MessageReader::close(Locks locks) {
    const LOCKMODE mode = locks == Locks::keep ? NoLock : AccessShareLock;
    end_replies();
    for (Leaf* leaf : leaves_.span()) {
        if (leaf->fetched != nullptr) {
            ExecDropSingleTupleTableSlot(leaf->fetched);
            table_index_fetch_end(leaf->fetching);
        }
        if (leaf->wrapped != nullptr) {
            ExecDropSingleTupleTableSlot(leaf->wrapped);
        }
        table_close(leaf->relation, mode);
    }
    table_close(table_, mode);
    UnregisterSnapshot(snapshot_);
}

std::uint16_t MessageReader::keep_leaf(Relation relation) {
    if (leaves_.size() > PG_UINT16_MAX) {
        ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                errmsg("cloudsat.messages has too many partitions"));
    }
    auto* leaf = static_cast<Leaf*>(palloc0(sizeof(Leaf)));
    leaf->relation = relation;
    leaf->map = CLOUDSAT_ATTRIBUTE_MAP(RelationGetDescr(relation), RelationGetDescr(table_));
    leaves_.add(leaf);
    return static_cast<std::uint16_t>(leaves_.size() - 1);
}

std::uint16_t MessageReader::open_partition(Oid partition) {
    for (std::size_t i = leaves_.size(); i-- > 0;) {
        if (RelationGetRelid(leaves_[i]->relation) == partition) {
            return static_cast<std::uint16_t>(i);
        }
    }
    Relation relation = table_open(partition, AccessShareLock);
    if (relation->rd_rel->relkind != RELKIND_RELATION) {
        ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE),
                errmsg("partition \"%s\" is not a plain table", RelationGetRelationName(relation)),
                errdetail("The board reads threads from plain tables only."));
    }
    return keep_leaf(relation);
}

void MessageReader::start_scan(pg::TableScan& scan, std::uint16_t leaf, Field field, Oid index, Datum value) {
    ScanKeyData key;
    ScanKeyInit(&key, column_of(field, leaves_[leaf]->map), BTEqualStrategyNumber, F_UUID_EQ, value);
    scan.begin(leaves_[leaf]->relation, index, snapshot_, key);
}

std::optional<Place> MessageReader::find_in(std::uint16_t leaf, Datum uuid) {
    std::optional<Place> place;
    pg::TableScan scan;
    start_scan(scan, leaf, Field::uuid, CLOUDSAT_PRIMARY_KEY(leaves_[leaf]->relation), uuid);
    if (const TupleTableSlot* row = scan.next()) {
        place = place_of(row, leaf);
    }
    scan.end();
    return place;
}

std::optional<Place> MessageReader::find(Datum uuid) {
    Relation relation = open_leaf(table_, uuid, AccessShareLock);
    const std::uint16_t leaf = open_partition(RelationGetRelid(relation));
    table_close(relation, NoLock);
    std::optional<Place> place = find_in(leaf, uuid);
    if (!place) {
        // An older snapshot still sees it in the default partition, if maintain() has moved it since
        const Oid by_default = get_default_oid_from_partdesc(RelationGetPartitionDesc(table_, true));
        if (OidIsValid(by_default) && by_default != RelationGetRelid(leaves_[leaf]->relation)) {
            place = find_in(open_partition(by_default), uuid);
        }
    }
    return place;
}

MessageRow MessageReader::fetch(Place place) {
    Leaf& leaf = *leaves_[leaf_of(place)];
    if (leaf.fetched == nullptr) {
        leaf.fetching = table_index_fetch_begin(leaf.relation);
        leaf.fetched = table_slot_create(leaf.relation, nullptr);
    }
    // As an index scan fetches: the next row on the same page needs no further look-up of the page
    ItemPointerData tid = tid_of(place);
    bool more = false;
    bool dead = false;
    if (!table_index_fetch_tuple(leaf.fetching, &tid, snapshot_, leaf.fetched, &more, &dead)) {
        // That finds only the first version of a row; there is no other unless a superuser made one
        tid = tid_of(place);
        if (!table_tuple_fetch_row_version(leaf.relation, &tid, snapshot_, leaf.fetched)) {
            ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED), errmsg("a message vanished while it was read"));
        }
    }
    return {leaf.fetched, leaf.map};
}

MessageRow MessageReader::wrap(Place place, HeapTuple copy) {
    Leaf& leaf = *leaves_[leaf_of(place)];
    if (leaf.wrapped == nullptr) {
        leaf.wrapped = MakeSingleTupleTableSlot(RelationGetDescr(leaf.relation), &TTSOpsHeapTuple);
    }
    ExecStoreHeapTuple(copy, leaf.wrapped, false);
    return {leaf.wrapped, leaf.map};
}

List* MessageReader::partitions_since(const core::Uuid* floor) const {
    PartitionDesc descriptor = RelationGetPartitionDesc(table_, true);
    if (descriptor->nparts == 0) {
        return NIL;
    }
    const PartitionBoundInfo bounds = descriptor->boundinfo;
    int first = 0;
    if (floor != nullptr) {
        PartitionKey by = RelationGetPartitionKey(table_);
        Datum key = as_datum(*floor);
        bool equal = false;
        first =
            partition_range_datum_bsearch(by->partsupfunc, by->partcollation, bounds, 1, &key, &equal) + 1;
    }
    List* partitions = NIL;
    for (int i = first; i <= bounds->ndatums; ++i) {
        if (bounds->indexes[i] >= 0) {
            partitions = lappend_oid(partitions, descriptor->oids[bounds->indexes[i]]);
        }
    }
    if (partition_bound_has_default(bounds)) {
        partitions = lappend_oid(partitions, descriptor->oids[bounds->default_index]);
    }
    return partitions;
}

void MessageReader::start_replies(Datum root) {
    end_replies();
    wanted_root_ = root;
    // A reply is later than its root. In order of time, so replies mostly come in the order of their uuids.
    const core::Uuid uuid = from_datum(root);
    const std::optional<core::Uuid> floor =
        core::uuid_time(uuid) ? uuid_floor_of(timestamp_of(uuid) - clock_margin) : std::nullopt;
    partitions_ = partitions_since(floor ? &*floor : nullptr);
}

std::optional<MessageRow> MessageReader::next_reply(Place& place) {
    while (is_scanning_ || next_partition_ < list_length(partitions_)) {
        CHECK_FOR_INTERRUPTS();
        if (!is_scanning_) {
            scanned_ = open_partition(list_nth_oid(partitions_, next_partition_++));
            const Leaf& leaf = *leaves_[scanned_];
            const Oid index = index_on(leaf.relation, column_of(Field::root, leaf.map));
            start_scan(scan_, scanned_, Field::root, index, wanted_root_);
            is_scanning_ = true;
        }
        if (TupleTableSlot* row = scan_.next()) {
            ++replies_;
            bool is_copy = false;
            bytes_ += ExecFetchSlotHeapTuple(row, false, &is_copy)->t_len;
            place = place_of(row, scanned_);
            return MessageRow(row, leaves_[scanned_]->map);
        }
        end_scan();
    }
    return std::nullopt;
}

void MessageReader::end_scan() {
    if (is_scanning_) {
        scan_.end();
        is_scanning_ = false;
    }
}

void MessageReader::end_replies() {
    end_scan();
    list_free(partitions_);
    partitions_ = NIL;
    next_partition_ = 0;
}

void MessageBatch::open(MessageReader* reader) {
    constexpr Size least = 64;
    const Size memory = static_cast<Size>(work_mem) * 1024;
    reader_ = reader;
    count_ = 0;
    most_ = static_cast<int>(std::clamp(memory / (reader->average_size() + sizeof(Wanted) + sizeof(Copy)),
                                        least, Size{PG_INT16_MAX} + 1));
    wanted_ = static_cast<Wanted*>(palloc(sizeof(Wanted) * static_cast<Size>(most_)));
    copies_ = static_cast<Copy*>(palloc(sizeof(Copy) * static_cast<Size>(most_)));
    used_ = 0;
    capacity_ = least * 1024;
    bytes_ = static_cast<char*>(palloc(capacity_));
}

void MessageBatch::add(Place place) {
    wanted_[count_] = {.place = place, .number = count_};
    ++count_;
}

void MessageBatch::fetch() {
    const std::span<Wanted> wanted(wanted_, static_cast<std::size_t>(count_));
    std::ranges::sort(wanted, {}, &Wanted::place);
    used_ = 0;
    for (const Wanted& next : wanted) {
        CHECK_FOR_INTERRUPTS();
        bool mine = false;
        HeapTuple tuple = ExecFetchSlotHeapTuple(reader_->fetch(next.place).slot(), false, &mine);
        const Size end = used_ + MAXALIGN(tuple->t_len);
        if (end > capacity_) {
            capacity_ = std::max(end, capacity_ * 2);
            bytes_ = static_cast<char*>(repalloc_huge(bytes_, capacity_));
        }
        std::memcpy(bytes_ + used_, tuple->t_data, tuple->t_len);
        copies_[next.number] = {.place = next.place, .offset = used_, .length = tuple->t_len};
        used_ = end;
        if (mine) {
            heap_freetuple(tuple);
        }
    }
}

MessageRow MessageBatch::row(int number) {
    const Copy& copy = copies_[number];
    tuple_.t_len = copy.length;
    ItemPointerSetInvalid(&tuple_.t_self);
    tuple_.t_tableOid = InvalidOid;
    tuple_.t_data = reinterpret_cast<HeapTupleHeader>(bytes_ + copy.offset);
    return reader_->wrap(copy.place, &tuple_);
}

} // namespace cloudsat::board
