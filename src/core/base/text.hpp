// Bytes of texts: copies in an arena, hexadecimal digits, characters of UTF-8. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <memory_resource>
#include <string_view>

namespace cloudsat::core {

inline constexpr std::string_view hex_digits = "0123456789abcdef";
inline constexpr std::string_view upper_hex_digits = "0123456789ABCDEF";

// The bytes of the parts, one after the other, in the arena and followed by a NUL.
inline std::string_view join(std::pmr::memory_resource* arena,
                             std::initializer_list<std::string_view> parts) {
    std::size_t size = 0;
    for (const std::string_view part : parts) {
        size += part.size();
    }
    auto* bytes = static_cast<char*>(arena->allocate(size + 1, 1));
    char* end = bytes;
    for (const std::string_view part : parts) {
        end = std::copy(part.begin(), part.end(), end);
    }
    *end = '\0';
    return {bytes, size};
}

inline std::string_view copy_text(std::pmr::memory_resource* arena, std::string_view text) {
    return join(arena, {text});
}

// Is this a byte of UTF-8 that continues a code point?
constexpr bool continues_code_point(char c) noexcept {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

// The first bytes of a text in UTF-8, at most so many, and no part of a code point.
constexpr std::string_view cut(std::string_view text, std::size_t most) noexcept {
    if (text.size() <= most) {
        return text;
    }
    while (most > 0 && continues_code_point(text[most])) {
        --most;
    }
    return text.substr(0, most);
}

struct Character {
    char32_t value;    // `not_utf8` if the bytes are not UTF-8
    std::size_t bytes; // at least one
};
inline constexpr char32_t not_utf8 = 0x110000;

// The first character of a non-empty text.
constexpr Character decode(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    if (lead < 0x80) {
        return {lead, 1};
    }
    const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < size) {
        return {not_utf8, 1};
    }
    char32_t value = lead & (0xFFU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if (!continues_code_point(text[i])) {
            return {not_utf8, 1};
        }
        value = value << 6 | (byte(i) & 0x3FU);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return {not_utf8, 1};
    }
    return {value, size};
}

} // namespace cloudsat::core
