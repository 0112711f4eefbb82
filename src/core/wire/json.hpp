// Common base of the decoders: a parsed JSON document (simdjson's DOM) and careful reading of single values.
// Uses the DOM and not On-Demand on purpose: On-Demand returns rows before it has seen the end, and does not
// check values that are not read. Here, a document is either completely valid or rejected. Only the decoders
// of core/ include this file, because it includes simdjson.
#pragma once

#include "core/base/fault.hpp"
#include "core/base/text.hpp"
#include "core/wire/document.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory_resource>
#include <optional>
#include <simdjson.h>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace cloudsat::core {

namespace dom = simdjson::dom;

// A whole parsed document. Its memory comes from the C++ heap, as simdjson requires, and is freed with this
// object; another document may be parsed into the same object.
class JsonDocument {
public:
    // Fault kind none if the text is exactly one valid JSON value. Replaces valid values that cannot be
    // represented: a number becomes a string, half of a surrogate pair U+FFFD, and values nested a thousand
    // deep null.
    DecodeFault parse(JsonText text);

    // The same, and returns the rows of a listing: the document itself, or the `items` of a page object.
    // Anything else is wrong_shape.
    DecodeFault parse_rows(JsonText text, dom::array& rows);

    const dom::element& root() const noexcept { return root_; }

private:
    dom::parser parser_;
    dom::element root_;
};

// The number of rows. dom::array::size() saturates at 2^24 - 1; above that, rows are counted.
std::size_t count_rows(const dom::array& rows) noexcept;

// Splits a JSON list into its elements. Knows only strings and brackets: a parser must check each element,
// and if all are valid, so is the list.
class ListCutter {
public:
    explicit ListCutter(std::string_view text) noexcept;

    bool is_list() const noexcept { return is_list_; } // the text begins like one
    // The text of the next element; nothing at the end of the list, or if the list is invalid.
    std::optional<std::string_view> next() noexcept;
    // After the last element: the list was closed, and nothing follows it.
    bool ended_well() const noexcept { return ended_well_; }

private:
    std::string_view rest_;
    bool is_list_ = false;
    bool ended_well_ = false;
    bool first_ = true;
};

// Calls use(const dom::element&) -> DecodeFault for each row of a listing, until one of them finds a fault. A
// list is parsed row by row, because a parsed list is ten times as large as its text. So a fault may be found
// after rows were used: the caller reads the text twice, or discards its results.
template <class Use> DecodeFault for_each_row(JsonText text, Use use) {
    JsonDocument document;
    ListCutter cutter(text.text);
    if (!cutter.is_list()) { // a page of a listing is an object around the list
        dom::array rows;
        DecodeFault fault = document.parse_rows(text, rows);
        if (fault.kind == FaultKind::none) {
            for (const dom::element row : rows) {
                if (fault = use(row); fault.kind != FaultKind::none) {
                    break;
                }
            }
        }
        return fault;
    }
    const char* const end = text.text.data() + text.text.size();
    while (const auto row = cutter.next()) {
        const auto behind = static_cast<std::size_t>(end - (row->data() + row->size()));
        DecodeFault fault = document.parse({*row, behind + text.slack});
        if (fault.kind == FaultKind::none) {
            fault = use(document.root());
        }
        if (fault.kind != FaultKind::none) {
            return fault;
        }
    }
    if (!cutter.ended_well()) {
        return {FaultKind::not_json, "the document is not valid JSON"};
    }
    return {};
}

// RabbitMQ's short strings (names, routing keys) have at most 255 bytes and may contain a NUL, which
// PostgreSQL's text cannot hold: names are encoded (core/wire/broker_name.hpp). Assumes valid UTF-8: simdjson
// has checked it.
inline constexpr std::size_t max_name_size = 255;
bool is_usable_text(std::string_view text) noexcept;

std::optional<std::string_view> string_in(const dom::element& value) noexcept;
std::optional<bool> bool_in(const dom::element& value) noexcept;

// A count is an integer of 0 or more. Null, text, fractions and negative numbers are not counts, and are
// never read as 0.
std::optional<std::int64_t> count_in(const dom::element& value) noexcept;

// Room for n objects of a plain type. The arena owns it: core never frees single objects.
template <class T> std::span<T> make_rows(std::pmr::memory_resource* arena, std::size_t n) {
    if (n == 0) {
        return {};
    }
    return {static_cast<T*>(arena->allocate(n * sizeof(T), alignof(T))), n};
}

// Appends a JSON string. U+0000 becomes U+FFFD.
void append_json(std::pmr::string& out, std::string_view text);

// Appends a JSON number, finite. A whole number of type double remains recognizable: -0.0 is not an integer,
// and 2^70 fits none.
template <class Number>
requires std::is_arithmetic_v<Number>
void append_json(std::pmr::string& out, Number number) {
    char digits[32]; // the shortest form of any double or 64-bit integer has at most 24 characters
    const std::string_view text(digits, std::to_chars(digits, std::end(digits), number).ptr);
    out += text;
    if (std::is_floating_point_v<Number> && text.find_first_of(".e") == std::string_view::npos) {
        out += ".0";
    }
}

// The value as JSON text for any JSON parser, including PostgreSQL's jsonb: U+0000 inside a string becomes
// U+FFFD, and values deeper than max_render_depth become null. Numbers keep their value, not their spelling.
inline constexpr int max_render_depth = 64;
std::string_view render_json(std::pmr::memory_resource* arena, const dom::element& value);

} // namespace cloudsat::core
