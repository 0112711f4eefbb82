// Interpolation in a histogram of keys; reads no statistics.
#include "core/board/address_histogram.hpp"

#include "core/base/bytes.hpp"

#include <algorithm>

namespace cloudsat::core {

double share_below(std::span<const std::string_view> bounds, std::string_view key) noexcept {
    if (bounds.size() < 2) {
        return 0;
    }
    // the first bound that is not smaller
    const auto upper = std::lower_bound(bounds.begin(), bounds.end(), key);
    if (upper == bounds.begin()) {
        return 0;
    }
    if (upper == bounds.end()) {
        return 1;
    }
    const std::string_view low = *(upper - 1), high = *upper; // low < key <= high
    const std::size_t skip = common_prefix(low, high);
    const std::uint64_t base = eight_bytes(low, skip);
    const double width = static_cast<double>(eight_bytes(high, skip) - base);
    const double part = static_cast<double>(eight_bytes(key, skip) - base) / width;
    return (static_cast<double>(upper - 1 - bounds.begin()) + part) / static_cast<double>(bounds.size() - 1);
}

double share_within(std::span<const std::string_view> bounds, AddressView container) noexcept {
    const SubtreeEnd end = subtree_end(container);
    return std::max(0.0, share_below(bounds, end.view()) - share_below(bounds, container.key()));
}

} // namespace cloudsat::core
