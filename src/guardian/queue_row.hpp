// Rows of cloudsat.queues, read into a cycle and written from it. Knows the columns; makes no decisions.
#pragma once

#include <optional>
#include <string_view>

#include "guardian/columns.hpp"
#include "guardian/cycle.hpp"
#include "pg/table_scan.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

struct RelationData;
struct SnapshotData;

namespace cloudsat::guardian {

// Identifies a server after a rename.
std::string_view home_of(const Server& server, std::pmr::memory_resource* arena);

// For reading, until the end of the transaction.
void lock_queues();

// Adds every row of the server to the sweep.
void load_queues(Cycle& cycle);

// A row, present or intended.
struct QueueRow {
    std::string_view vhost;
    std::string_view name;
    core::Known known; // its arguments are not read
    RowExtras extras;
};
struct QueueReader;
struct QueueColumns;

// Reads the rows one at a time: all of them together would be the largest part of a cycle's memory. The
// snapshot is taken at construction; later writes are not visible. Lives in the context of its construction.
class QueueScan {
public:
    explicit QueueScan(const Cycle& cycle);
    // The next row of the server; null at the end. Lives until the next call.
    const QueueRow* next();
    // The arguments of that row if they differ from these. Compares as jsonb: {"a":1,"b":2} equals {"b": 2,
    // "a": 1}.
    std::optional<std::string_view> other_arguments(std::string_view told);
    void end(); // an ERROR ends it, too

private:
    friend void load_queues(Cycle& cycle); // reads fewer fields

    MemoryContext context_;
    RelationData* table_;
    SnapshotData* snapshot_;
    pg::TableScan scan_;
    TupleTableSlot* slot_; // the row
    MemoryContext scratch_;
    QueueReader* reader_;
    std::int16_t arguments_column_;
    QueueRow row_;
};
static_assert(pg::Plain<QueueScan>);

// One row; false if there is none. Its texts are copied to the arena. Needs SPI.
bool read_queue(const Server& server, std::string_view vhost, std::string_view name,
                std::pmr::memory_resource* arena, QueueRow& row);

// Rows to write, all by one statement.
class QueueRows {
public:
    QueueRows();
    void add(std::string_view vhost, std::string_view name, const core::Known& known,
             const RowExtras& extras);
    std::int64_t size() const;
    void write(const Server& server) const; // needs SPI

private:
    QueueColumns* columns_;
};
static_assert(pg::Plain<QueueRows>);

std::string_view to_string(core::Owner owner) noexcept; // empty for none
std::string_view to_string(core::Basis basis) noexcept;
core::Owner parse_owner(std::string_view text) noexcept;
core::Micros micros_of(const Interval& interval) noexcept;
core::Basis parse_basis(std::string_view text) noexcept;

} // namespace cloudsat::guardian
