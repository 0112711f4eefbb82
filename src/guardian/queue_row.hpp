// Rows of cloudsat.queues, read into a cycle and written from it. Knows the columns; decides nothing.
#pragma once

#include <optional>
#include <string_view>

#include "guardian/columns.hpp"
#include "guardian/cycle.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

struct RelationData;
struct SnapshotData;
struct TableScanDescData;
struct TupleTableSlot;

namespace cloudsat::guardian {

// By which a server is found again after it was renamed.
std::string_view home_of(const Server& server, std::pmr::memory_resource* arena);

// The values of an enum are oids: the name of each is asked for once.
class LevelNames {
public:
    core::Level level(Oid label);

private:
    Oid labels_[4] = {};
    core::Level levels_[4] = {};
    int known_ = 0;
};

// For reading, until the transaction ends.
void lock_queues();

// Tells the sweep of every row of the server.
void load_queues(Cycle& cycle);

// Reads the rows themselves, one at a time: all of them at once would be the most that a cycle holds. They
// are those of the moment of the making; what is written meanwhile does not show.
class QueueScan {
public:
    explicit QueueScan(const Cycle& cycle);
    // The next row of the server, without its arguments; false at the end. Its texts live until the next
    // call.
    bool next(std::string_view& vhost, std::string_view& name, core::Known& row);
    // More of that row: what is not judged; and its arguments, if they are others than these. jsonb knows
    // that
    // {"a":1,"b":2} and {"b": 2, "a": 1} are the same.
    bool in_incident() const;
    bool archive_is_full() const;
    Keepsake kept() const;
    std::optional<std::string_view> other_arguments(std::string_view told);
    void end(); // an ERROR ends it, too

private:
    const char* server_;
    RelationData* table_;
    TupleTableSlot* slot_;
    SnapshotData* snapshot_;
    TableScanDescData* scan_;
    MemoryContext scratch_;
    LevelNames levels_;
};
static_assert(pg::Plain<QueueScan>);

// Rows to write, as arrays: one statement writes them all.
class QueueRows {
public:
    void add(std::string_view vhost, std::string_view name, const core::Known& row, const Keepsake& kept);
    std::int64_t size() const noexcept { return columns_[1].size(); }
    void write(const Server& server) const;

private:
    // as many as the table has; the first is the server and stays empty
    static constexpr int column_count = 51;
    Column columns_[column_count];
};
static_assert(pg::Plain<QueueRows>);

std::string_view to_string(core::Owner owner) noexcept; // empty for none
std::string_view to_string(core::Basis basis) noexcept;
core::Owner parse_owner(std::string_view text) noexcept;
core::Micros micros_of(const Interval& interval) noexcept;
core::Basis parse_basis(std::string_view text) noexcept;

} // namespace cloudsat::guardian
