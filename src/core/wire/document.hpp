// What decoders are given: the text of a document, and how many readable bytes lie behind it.
#pragma once

#include <cstddef>
#include <string_view>

namespace cloudsat::core {

// simdjson reads up to this many bytes beyond the end of a text. core/wire/json.cpp asserts that it is
// enough.
inline constexpr std::size_t json_padding = 64;

// With json_padding bytes of slack the text is parsed in place, with less a copy is made first.
struct JsonText {
    std::string_view text;
    std::size_t slack = 0;
};

} // namespace cloudsat::core
