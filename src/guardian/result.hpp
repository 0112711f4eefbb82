// Copies values of a statement's result into memory that outlives it. For act, archive and rules.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>

#include "pg/boundary.hpp"

namespace cloudsat::guardian {

// Column `number` (from 1) of row `row` (from 0) of the last result, copied to the arena; empty for null.
std::string_view kept_text(std::pmr::memory_resource* arena, uint64 row, int number);
std::optional<bool> optional_bool(uint64 row, int number);
std::optional<std::int64_t> optional_int8(uint64 row, int number);

// The text that jsonb would print, used to compare arguments of queues; empty stays empty. Needs no
// transaction.
std::string_view canonical_json(std::string_view json);

} // namespace cloudsat::guardian
