// Looks for an element of a range. Pure.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <ranges>

namespace cloudsat::core {

// The first element whose projection is this value; null if there is none.
template <std::ranges::contiguous_range Range, class Value, class Projection = std::identity>
auto* find_in(Range&& range, const Value& value, Projection projection = {}) noexcept {
    const auto found = std::ranges::find(range, value, projection);
    return found != std::ranges::end(range) ? std::to_address(found) : nullptr;
}

} // namespace cloudsat::core
