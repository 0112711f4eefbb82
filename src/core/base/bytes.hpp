// Small operations on byte strings: classes and case of ASCII, and conversions that preserve the order of
// memcmp.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace cloudsat::core {

constexpr bool is_digit(char byte) noexcept {
    return byte >= '0' && byte <= '9';
}

constexpr char ascii_lower(char byte) noexcept {
    return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
}

// Whether a text equals a lower-case word, in any letter case.
constexpr bool is_word(std::string_view text, std::string_view word) noexcept {
    return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                      [](char byte, char expected) { return ascii_lower(byte) == expected; });
}

inline std::size_t common_prefix(std::string_view a, std::string_view b) noexcept {
    const std::size_t limit = a.size() < b.size() ? a.size() : b.size();
    std::size_t n = 0;
    while (n < limit && a[n] == b[n]) {
        ++n;
    }
    return n;
}

// The eight bytes from an offset as an integer of the same order; bytes beyond the end count as zero.
inline std::uint64_t eight_bytes(std::string_view text, std::size_t offset) noexcept {
    if (offset >= text.size()) {
        return 0;
    }
    const std::size_t left = text.size() - offset;
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + offset, left < sizeof word ? left : sizeof word);
    if constexpr (std::endian::native == std::endian::little) {
        word = __builtin_bswap64(word);
    }
    return word;
}

} // namespace cloudsat::core
