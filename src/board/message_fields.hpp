// The columns of cloudsat.messages, in the order of src/board/message.sql, and where a partition has them.
#pragma once

#include <cstddef>

#include "pg/boundary.hpp"

extern "C" {
#include "access/attmap.h"
}

namespace cloudsat::board {

enum class Field : int { uuid = 1, timestamp, poster, chan, message, before, disposition, root, depth, xact };
constexpr std::size_t message_fields = static_cast<std::size_t>(Field::xact);

// Its index in an array of the table's values.
constexpr std::size_t place_of(Field field) noexcept {
    return static_cast<std::size_t>(field) - 1;
}

// Its attribute number in a partition. `map` maps the table's columns to the partition's; null if the order
// is the same.
inline AttrNumber column_of(Field field, const AttrMap* map) {
    const auto number = static_cast<AttrNumber>(field);
    return map == nullptr ? number : map->attnums[number - 1];
}

} // namespace cloudsat::board
