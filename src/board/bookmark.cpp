// Bookmarks, see bookmark.hpp.

#include "board/bookmark.hpp"

#include "board/address.hpp"
#include "board/append.hpp"
#include "board/indexes.hpp"
#include "board/snapshot.hpp"
#include "board/uuid.hpp"
#include "pg/names.hpp"
#include "pg/table_scan.hpp"

extern "C" {
#include "access/table.h"
#include "common/hashfn.h"
#include "storage/lock.h"
#include "utils/snapmgr.h"
}

namespace cloudsat::board {
namespace {

pg::Name bookmarks_table(pg::Name::Kind::table, "bookmarks");

enum Column : std::size_t { c_nick, c_time, c_position, c_xact, c_uuid, c_floor, columns };

constexpr AttrNumber number_of(Column column) {
    return static_cast<AttrNumber>(column + 1);
}

// The result points into nothing of the row, which is valid only until the next one.
Bookmark read(TupleTableSlot* row) {
    slot_getallattrs(row);
    const Datum* values = row->tts_values;
    const bool* nulls = row->tts_isnull;
    Bookmark bookmark{DatumGetTimestampTz(values[c_time]), {}, {}};
    bookmark.position.received = pg_snapshot_view(PointerGetDatum(PG_DETOAST_DATUM_COPY(values[c_position])));
    if (!nulls[c_xact] && !nulls[c_uuid]) {
        bookmark.position.partial = {DatumGetUInt64(values[c_xact]), message_id(values[c_uuid])};
    }
    if (!nulls[c_floor] && !TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(values[c_floor]))) { // else unknown
        bookmark.floor.time = DatumGetTimestampTz(values[c_floor]);
    }
    return bookmark;
}

std::optional<Bookmark> newest_by_index(Relation table, Relation index, Snapshot snapshot, Datum nick) {
    std::optional<Bookmark> newest;
    pg::TableScan scan;
    scan.begin(table, RelationGetRelid(index), snapshot, condition_on(index, 0, BTEqualStrategyNumber, nick));
    if (TupleTableSlot* row = scan.next(BackwardScanDirection)) {
        newest = read(row);
    }
    scan.end();
    return newest;
}

std::optional<Bookmark> newest_by_search(Relation table, Snapshot snapshot, Datum nick) {
    const core::AddressView wanted = address_view(nick);
    std::optional<Bookmark> newest;
    pg::TableScan scan;
    scan.begin(table, snapshot);
    while (TupleTableSlot* row = scan.next()) {
        CHECK_FOR_INTERRUPTS();
        bool isnull = false;
        const auto value = [&](Column column) { return slot_getattr(row, number_of(column), &isnull); };
        if (address_view(value(c_nick)) == wanted &&
            (!newest || DatumGetTimestampTz(value(c_time)) > newest->time)) {
            newest = read(row);
        }
    }
    scan.end();
    return newest;
}

std::optional<Bookmark> newest_in(Snapshot snapshot, Datum nick) {
    Relation table = table_open(bookmarks_table.oid(), AccessShareLock);
    Relation index = open_index(table, {number_of(c_nick), number_of(c_time)});
    const std::optional<Bookmark> newest = index != nullptr ? newest_by_index(table, index, snapshot, nick)
                                                            : newest_by_search(table, snapshot, nick);
    if (index != nullptr) {
        index_close(index, AccessShareLock);
    }
    table_close(table, NoLock);
    return newest;
}

// Until the end of the transaction no other session saves a bookmark of this nick. Two nicks that share a
// lock only wait for each other. In the last field users' advisory locks have 1 or 2, claims their own
// number.
void lock_bookmarks(Datum nick) {
    constexpr uint16 bookmarks = 0x6362;
    const std::string_view key = address_view(nick).key();
    const uint64 hash = hash_bytes_extended(reinterpret_cast<const unsigned char*>(key.data()),
                                            static_cast<int>(key.size()), 0);
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(hash >> 32), static_cast<uint32>(hash),
                         bookmarks);
    LockAcquire(&tag, ExclusiveLock, false, false);
}

} // namespace

std::optional<Bookmark> find_bookmark(Datum nick) {
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot()); // whatever the isolation level
    const std::optional<Bookmark> newest = newest_in(snapshot, nick);
    UnregisterSnapshot(snapshot);
    return newest;
}

std::optional<Bookmark> lock_newest_bookmark(Datum nick) {
    lock_bookmarks(nick);
    return newest_in(SnapshotSelf, nick); // rows are never updated, so none has two versions
}

void save_bookmark(Datum nick, const core::PositionView& position, const core::Floor& floor,
                   const std::optional<Bookmark>& newest) {
    const TimestampTz time = newest ? time_after(newest->time, "bookmarks") : GetCurrentTimestamp();
    Datum values[columns] = {};
    bool nulls[columns] = {};
    values[c_nick] = nick;
    values[c_time] = TimestampTzGetDatum(time);
    values[c_position] = pg_snapshot_datum(position.received);
    nulls[c_xact] = nulls[c_uuid] = !position.partial;
    if (position.partial) {
        values[c_xact] = UInt64GetDatum(position.partial->xact);
        values[c_uuid] = copy_datum(uuid_of(position.partial->last));
    }
    nulls[c_floor] = !floor.time;
    values[c_floor] = TimestampTzGetDatum(floor.time.value_or(0));
    Appender bookmarks = append_begin(bookmarks_table.oid());
    append_row(bookmarks, {values, nulls});
    append_end(bookmarks);
}

} // namespace cloudsat::board
