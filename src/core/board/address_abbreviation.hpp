// Abbreviated sort keys for addresses: an integer per key, in the order of the keys (x < y implies label(x)
// <= label(y)).
//
// The first bytes of a key would not distinguish addresses, which share long prefixes
// ("com\1example\1aws\1..."). So some of the keys that a sort sees become pivots, each with a label half way
// between its neighbours' labels. Another key lies between two pivots, hence begins with the bytes that those
// two share. The bytes after these place its label in the gap between theirs. Earlier labels stay valid,
// because a pivot is only ever put between two neighbours with no other label given out in between.
//
// The first key of a group (the domains under one domain) adds the bounds of the group beside itself. So keys
// of one group never use the label space of a later group, and all keys of a group share at least the group's
// bytes. The other pivots are simply the first keys.
//
// Plain data, no allocation; not for concurrent use by two sorts.
#pragma once

#include "core/board/address.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cloudsat::core {

class AddressAbbreviation {
public:
    static constexpr std::size_t max_pivots = 192; // with usual addresses, fits into the first-level cache
    static constexpr std::size_t max_plain_pivots = 128; // leaves space for groups that come late

    AddressAbbreviation() noexcept;

    std::uint64_t label(std::string_view key) noexcept;

private:
    // A pivot, and the interval from it to the next one.
    struct Pivot {
        std::uint64_t label;
        std::uint32_t offset;     // of the pivot's bytes in pool_
        std::uint16_t size;       // of the pivot
        std::uint16_t skip = 0;   // number of bytes that this pivot and the next one share
        std::uint64_t low = 0;    // the pivot's own eight bytes after the skipped ones
        std::uint8_t stretch = 0; // shift left that lets the interval's bytes fill 64 bits
        std::uint8_t squeeze = 0; // shift right that then fits them into the gap of the labels; 64: no room
        bool taken = false;       // whether a label has been given out inside the interval
    };

    std::string_view bytes(const Pivot& pivot) const noexcept {
        return {pool_.data() + pivot.offset, pivot.size};
    }
    void insert(std::size_t after, std::string_view key, std::uint64_t label) noexcept;
    void measure(std::size_t at) noexcept;

    bool has_room(std::size_t pivots, std::size_t bytes) const noexcept {
        return pivots_.size() - count_ >= pivots && pool_.size() - pool_used_ >= bytes;
    }

    static constexpr std::size_t mean_pivot_size = 64;
    std::size_t count_ = 0;
    std::size_t plain_ = 0; // number of pivots without bounds of a group
    std::size_t pool_used_ = 0;
    std::array<Pivot, max_pivots + 2> pivots_; // two sentinels: the root's key and one after all keys
    std::array<char, (max_pivots + 2) * mean_pivot_size> pool_;
};

} // namespace cloudsat::core
