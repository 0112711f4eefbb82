// The labels of abbreviated sort keys; the header explains how they preserve the order.
#include "core/board/address_abbreviation.hpp"

#include "core/base/bytes.hpp"

#include <algorithm>
#include <bit>

namespace cloudsat::core {

namespace {

// The key of the parent of the key's domain, where instances of one kind usually lie. Empty for a top-level
// domain.
std::string_view group_of(std::string_view key) noexcept {
    key = domain(AddressView(key)).key();
    const std::size_t mark = key.size() < 2 ? std::string_view::npos : key.rfind(end_mark, key.size() - 2);
    return key.substr(0, mark == std::string_view::npos ? 0 : mark + 1);
}

} // namespace

AddressAbbreviation::AddressAbbreviation() noexcept {
    // Sentinels: the smallest key, and a string after every key.
    constexpr std::string_view behind_all = "\xff";
    pool_[0] = behind_all[0];
    pool_used_ = behind_all.size();
    count_ = 2;
    pivots_[0] = {.label = 0, .offset = 0, .size = 0};
    pivots_[1] = {.label = ~std::uint64_t{0}, .offset = 0, .size = behind_all.size()};
    measure(0);
}

// Computes how the interval between a pivot and the next one maps to the gap between their labels.
void AddressAbbreviation::measure(std::size_t at) noexcept {
    Pivot& pivot = pivots_[at];
    const Pivot& next = pivots_[at + 1];
    const std::size_t skip = common_prefix(bytes(pivot), bytes(next));
    const std::uint64_t low = eight_bytes(bytes(pivot), skip);
    // > low: the first byte differs, and none is zero
    const std::uint64_t high = eight_bytes(bytes(next), skip);
    pivot.skip = static_cast<std::uint16_t>(skip);
    pivot.low = low;
    pivot.stretch = static_cast<std::uint8_t>(std::countl_zero(high - low) & 63);
    // gap >= 1, hence <= 64
    pivot.squeeze = static_cast<std::uint8_t>(65 - std::bit_width(next.label - pivot.label));
}

void AddressAbbreviation::insert(std::size_t after, std::string_view key, std::uint64_t label) noexcept {
    const auto position = pivots_.begin() + static_cast<std::ptrdiff_t>(after) + 1;
    const auto end = pivots_.begin() + static_cast<std::ptrdiff_t>(count_);
    std::copy_backward(position, end, end + 1);
    *position = {.label = label,
                 .offset = static_cast<std::uint32_t>(pool_used_),
                 .size = static_cast<std::uint16_t>(key.size())};
    key.copy(pool_.data() + pool_used_, key.size());
    pool_used_ += key.size();
    ++count_;
    measure(after);
    measure(after + 1);
}

std::uint64_t AddressAbbreviation::label(std::string_view key) noexcept {
    // The last pivot not after the key; the first sentinel, the empty string, never is.
    std::size_t at = 0;
    for (std::size_t n = count_; n > 1;) {
        const std::size_t half = n / 2;
        if (bytes(pivots_[at + half]) <= key) {
            at += half;
        }
        n -= half;
    }
    Pivot& pivot = pivots_[at];
    if (at + 1 == count_ || bytes(pivot) == key) {
        return pivot.label;
    }

    const std::uint64_t gap = pivots_[at + 1].label - pivot.label;
    if (!pivot.taken && gap >= 4) {
        const std::uint64_t middle = pivot.label + gap / 2;
        // The first key of a new group adds the group's bounds.
        const std::string_view start = group_of(key);
        if (!start.empty() && bytes(pivot) < start && has_room(3, 3 * key.size())) {
            FixedText<max_key_size> end;
            end.push(start.substr(0, start.size() - 1));
            end.push(end_mark + 1);
            if (end.view() < bytes(pivots_[at + 1])) {
                insert(at, end.view(), pivot.label + gap / 4 * 3);
                insert(at, key, middle);
                insert(at, start, pivot.label + gap / 4);
                return middle;
            }
        }
        if (plain_ < max_plain_pivots && has_room(1, key.size())) {
            ++plain_;
            insert(at, key, middle);
            return middle;
        }
    }
    pivot.taken = true;
    if (pivot.squeeze == 64) {
        return pivot.label;
    }
    return pivot.label + (((eight_bytes(key, pivot.skip) - pivot.low) << pivot.stretch) >> pivot.squeeze);
}

} // namespace cloudsat::core
