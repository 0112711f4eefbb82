// Rows of cloudsat.queues, read into a cycle and written from it. Knows the columns; decides nothing.
#pragma once

#include <string_view>

#include "guardian/columns.hpp"
#include "guardian/cycle.hpp"

namespace cloudsat::guardian {

// By which a server is found again after it was renamed.
std::string_view home_of(const Server& server, std::pmr::memory_resource* arena);

// For reading, until the transaction ends.
void lock_queues();

// Fills the sweep and the keepsakes with every row of the server.
void load_queues(Cycle& cycle);

// Rows to write, as arrays: one statement writes them all.
class QueueRows {
public:
    void add(std::string_view vhost, std::string_view name, const core::Known& row, const Keepsake& kept);
    std::int64_t size() const noexcept { return columns_[1].size(); }
    void write(const Server& server) const;

private:
    // as many as the table has; the first is the server and stays empty
    static constexpr int column_count = 49;
    Column columns_[column_count];
};
static_assert(pg::Plain<QueueRows>);

std::string_view to_string(core::Owner owner) noexcept; // empty for none
std::string_view to_string(core::Basis basis) noexcept;
core::Owner parse_owner(std::string_view text) noexcept;
core::Basis parse_basis(std::string_view text) noexcept;

} // namespace cloudsat::guardian
