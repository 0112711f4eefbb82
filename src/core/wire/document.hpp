// Input of the decoders: the text of a document, and the number of readable bytes after it.
#pragma once

#include <cstddef>
#include <string_view>

namespace cloudsat::core {

// simdjson reads up to this many bytes beyond the end of a text. core/wire/json.cpp asserts that this is
// enough.
inline constexpr std::size_t json_padding = 64;

// With json_padding bytes of slack, the text is parsed in place; with less, it is copied first.
struct JsonText {
    std::string_view text;
    std::size_t slack = 0;
};

} // namespace cloudsat::core
