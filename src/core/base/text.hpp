// Bytes of texts: copies in an arena, hexadecimal digits, ends of UTF-8 sequences. Pure.
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

} // namespace cloudsat::core
