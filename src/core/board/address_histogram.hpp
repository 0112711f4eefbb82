// Estimates the share of a column in a subtree from a histogram of its keys.
#pragma once

#include "core/board/address.hpp"

#include <span>
#include <string_view>

namespace cloudsat::core {

// The share, 0 to 1, of a histogram's population that is smaller than the key. The bounds are ascending, with
// equal shares between them; within a bin, the bytes after the bounds' common ones interpolate.
double share_below(std::span<const std::string_view> bounds, std::string_view key) noexcept;

// The share of a histogram's population that lies in the subtree of an address.
double share_within(std::span<const std::string_view> bounds, AddressView container) noexcept;

} // namespace cloudsat::core
