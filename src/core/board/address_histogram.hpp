// How much of a column lies in a subtree, as far as a histogram of its keys can tell.
#pragma once

#include "core/board/address.hpp"

#include <span>
#include <string_view>

namespace cloudsat::core {

// The share, 0 to 1, of a histogram's population that is smaller than the key. The bounds are ascending and
// have equal shares in between; within a bin the bytes that follow the bounds' common ones interpolate.
double share_below(std::span<const std::string_view> bounds, std::string_view key) noexcept;

// The share of a histogram's population that lies in the subtree of an address.
double share_within(std::span<const std::string_view> bounds, AddressView container) noexcept;

} // namespace cloudsat::core
