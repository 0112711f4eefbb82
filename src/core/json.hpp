// The decoders' common ground: one parsed JSON document (simdjson's DOM) and careful reading of single
// values. The DOM and not On-Demand, on purpose: On-Demand hands out rows before it has seen the tail and
// never looks at values that nobody asks for; here a document is either whole and valid, all of it, or it is
// nothing. Only the decoders of core/ include this file: it drags in simdjson.
#pragma once

#include "core/document.hpp"
#include "core/fault.hpp"

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <simdjson.h>
#include <span>
#include <string_view>

namespace cloudsat::core {

namespace dom = simdjson::dom;

// A whole parsed document. Its memory comes from the C++ heap (simdjson knows no other) and goes with this
// object.
class JsonDocument {
public:
    // Kind none when the text is one valid JSON value from its first byte to its last.
    DecodeFault parse(JsonText text);

    // The same, and the rows of a listing: the document itself, or the `items` of a page object. Anything
    // else is wrong_shape.
    DecodeFault parse_rows(JsonText text, dom::array& rows);

    const dom::element& root() const noexcept { return root_; }

private:
    dom::parser parser_;
    dom::element root_;
};

// The number of rows. dom::array::size() saturates at 2^24 - 1, so beyond that they are counted.
std::size_t count_rows(const dom::array& rows) noexcept;

// RabbitMQ's short strings (names, routing keys) hold at most 255 bytes and may hold a NUL, which
// PostgreSQL's text cannot: such a name has no representation there. Valid UTF-8 is taken for granted:
// simdjson checked it.
inline constexpr std::size_t max_name_size = 255;
bool is_usable_text(std::string_view text) noexcept;

std::optional<std::string_view> string_in(const dom::element& value) noexcept;
std::optional<bool> bool_in(const dom::element& value) noexcept;

// A count is an integer of 0 or more. Null, text, fractions, negative numbers are no count: never read as 0.
std::optional<std::int64_t> count_in(const dom::element& value) noexcept;

// Room for n objects of a plain type. The arena owns it: nothing in core gives single pieces back.
template <class T> std::span<T> make_rows(std::pmr::memory_resource* arena, std::size_t n) {
    if (n == 0)
        return {};
    return {static_cast<T*>(arena->allocate(n * sizeof(T), alignof(T))), n};
}

// A copy in the arena, with a terminating NUL behind it for those who need a C string.
std::string_view copy_text(std::pmr::memory_resource* arena, std::string_view text);

// The value as JSON text that every JSON reader accepts, PostgreSQL's jsonb included: U+0000 inside a string
// becomes U+FFFD, and what lies deeper than max_render_depth becomes null. Numbers keep their value, not
// their spelling.
inline constexpr int max_render_depth = 64;
std::string_view render_json(std::pmr::memory_resource* arena, const dom::element& value);

} // namespace cloudsat::core
