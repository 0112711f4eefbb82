// Parsing and reading of JSON values for the decoders; see json.hpp.
#include "core/json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

namespace cloudsat::core {
namespace {

static_assert(json_padding >= simdjson::SIMDJSON_PADDING);

// A client may declare a queue with arguments nested thousands deep (the AMQP frame of 128 KB allows some
// 20,000), and the broker lists it. simdjson's default of 1024 would let one such queue blind us for its
// whole vhost.
constexpr std::size_t max_parse_depth = 32768;

DecodeFault fault_of(simdjson::error_code error) noexcept {
    switch (error) {
    case simdjson::SUCCESS:
        return {};
    case simdjson::MEMALLOC:
        return {FaultKind::out_of_memory, "no memory to parse the document"};
    case simdjson::CAPACITY:
        return {FaultKind::too_large, "the document is too large to parse"};
    case simdjson::UTF8_ERROR:
        return {FaultKind::not_json, "the document is not valid UTF-8"};
    case simdjson::EMPTY:
        return {FaultKind::not_json, "the answer is empty"};
    default:
        return {FaultKind::not_json, "the document is not valid JSON"};
    }
}

// The value as the type that it is known to have.
template <class T> T as(const dom::element& value) noexcept {
    T result{};
    [[maybe_unused]] const auto error = value.get(result);
    return result;
}

// Writes one JSON value; recursion is bounded by max_render_depth.
class Renderer {
public:
    explicit Renderer(std::pmr::string& out) noexcept : out_(out) {}

    void value(const dom::element& v, int depth) {
        switch (v.type()) {
        case dom::element_type::ARRAY:
            array(v, depth);
            break;
        case dom::element_type::OBJECT:
            object(v, depth);
            break;
        case dom::element_type::STRING:
            string(as<std::string_view>(v));
            break;
        case dom::element_type::INT64:
            number(as<std::int64_t>(v));
            break;
        case dom::element_type::UINT64:
            number(as<std::uint64_t>(v));
            break;
        case dom::element_type::DOUBLE:
            number(as<double>(v));
            break;
        case dom::element_type::BOOL:
            out_ += as<bool>(v) ? "true" : "false";
            break;
        default:
            out_ += "null";
            break;
        }
    }

private:
    void array(const dom::element& v, int depth) {
        if (depth >= max_render_depth) {
            out_ += "null";
            return;
        }
        out_ += '[';
        const char* between = "";
        for (const dom::element item : as<dom::array>(v)) {
            out_ += between;
            between = ",";
            value(item, depth + 1);
        }
        out_ += ']';
    }

    void object(const dom::element& v, int depth) {
        if (depth >= max_render_depth) {
            out_ += "null";
            return;
        }
        out_ += '{';
        const char* between = "";
        for (const dom::key_value_pair field : as<dom::object>(v)) {
            out_ += between;
            between = ",";
            string(field.key);
            out_ += ':';
            value(field.value, depth + 1);
        }
        out_ += '}';
    }

    void string(std::string_view text) {
        out_ += '"';
        for (const char c : text)
            character(c);
        out_ += '"';
    }

    void character(char c) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out_ += '\\';
            out_ += c;
        } else if (byte == 0) {
            out_ +=
                "\xEF\xBF\xBD"; // U+FFFD: jsonb refuses \u0000, and one hostile argument must not stop a poll
        } else if (byte < 0x20) {
            static constexpr std::string_view digits = "0123456789abcdef";
            out_ += "\\u00";
            out_ += digits[byte >> 4];
            out_ += digits[byte & 15];
        } else {
            out_ += c;
        }
    }

    template <class Number> void number(Number n) {
        std::array<char, 32>
            buffer; // the shortest form of any double or 64-bit integer is 24 characters or less
        const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), n);
        const std::string_view text(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
        out_ += text;
        // A whole double stays recognisable as one: -0.0 is no integer, and 2^70 fits none.
        if (std::is_floating_point_v<Number> && text.find_first_of(".e") == std::string_view::npos)
            out_ += ".0";
    }

    std::pmr::string& out_;
};

} // namespace

DecodeFault JsonDocument::parse(JsonText text) {
    if (text.text.empty())
        return fault_of(simdjson::EMPTY);
    const bool must_copy = text.slack < json_padding;
    // An explicit allocation is the only way to raise the depth; parse() keeps it when it is large enough.
    if (text.text.size() > parser_.capacity())
        if (const auto error = parser_.allocate(text.text.size(), max_parse_depth))
            return fault_of(error);
    return fault_of(parser_.parse(text.text.data(), text.text.size(), must_copy).get(root_));
}

DecodeFault JsonDocument::parse_rows(JsonText text, dom::array& rows) {
    if (const auto fault = parse(text); fault.kind != FaultKind::none)
        return fault;
    dom::object page;
    if (root_.get(rows) == simdjson::SUCCESS ||
        (root_.get(page) == simdjson::SUCCESS && page["items"].get(rows) == simdjson::SUCCESS))
        return {};
    return {FaultKind::wrong_shape, "the document is neither a list nor a page of one"};
}

namespace {

void skip_space(std::string_view& text) noexcept {
    const auto at = text.find_first_not_of(" \t\r\n");
    text.remove_prefix(std::min(at, text.size()));
}

// What a byte means for where an element ends; most mean nothing.
enum class Mark : std::uint8_t { none, quote, open, close, comma };

constexpr auto marks = [] {
    std::array<Mark, 256> table{};
    table['"'] = Mark::quote;
    table['['] = table['{'] = Mark::open;
    table[']'] = table['}'] = Mark::close;
    table[','] = Mark::comma;
    return table;
}();

constexpr Mark mark_of(char c) noexcept {
    return marks[static_cast<unsigned char>(c)];
}

// Where the string ends whose opening quote is there: behind its closing one.
std::size_t behind_string(std::string_view text, std::size_t at) noexcept {
    for (++at; at < text.size(); ++at) {
        if (text[at] == '\\')
            ++at;
        else if (text[at] == '"')
            return at + 1;
    }
    return text.size();
}

// Where the element ends that the text begins with: at a comma or a bracket that is not its own.
std::size_t element_size(std::string_view text) noexcept {
    std::size_t depth = 0;
    std::size_t at = 0;
    while (at < text.size()) {
        const Mark mark = mark_of(text[at]);
        if (mark == Mark::quote) {
            at = behind_string(text, at);
            continue;
        }
        if (depth == 0 && (mark == Mark::comma || mark == Mark::close))
            break;
        if (mark == Mark::open)
            ++depth;
        else if (mark == Mark::close)
            --depth;
        ++at;
    }
    return at;
}

} // namespace

ListCutter::ListCutter(std::string_view text) noexcept : rest_(text) {
    skip_space(rest_);
    is_list_ = rest_.starts_with('[');
    if (is_list_)
        rest_.remove_prefix(1);
}

std::optional<std::string_view> ListCutter::next() noexcept {
    skip_space(rest_);
    const bool first = std::exchange(first_, false);
    if (!first && rest_.starts_with(',')) {
        rest_.remove_prefix(1); // and an element must follow
        skip_space(rest_);
    } else if (rest_.starts_with(']')) {
        rest_.remove_prefix(1);
        skip_space(rest_);
        ended_well_ = rest_.empty();
        return std::nullopt;
    } else if (!first) {
        return std::nullopt;
    }
    const std::size_t size = element_size(rest_);
    if (size == 0)
        return std::nullopt;
    const auto element = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return element;
}

std::size_t count_rows(const dom::array& rows) noexcept {
    constexpr std::size_t saturated = 0xFFFFFF;
    const std::size_t size = rows.size();
    if (size < saturated)
        return size;
    std::size_t n = 0;
    for ([[maybe_unused]] const dom::element row : rows)
        ++n;
    return n;
}

bool is_usable_text(std::string_view text) noexcept {
    return text.size() <= max_name_size && text.find('\0') == std::string_view::npos;
}

std::optional<std::string_view> string_in(const dom::element& value) noexcept {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS)
        return std::nullopt;
    return text;
}

std::optional<bool> bool_in(const dom::element& value) noexcept {
    bool flag = false;
    if (value.get(flag) != simdjson::SUCCESS)
        return std::nullopt;
    return flag;
}

std::optional<std::int64_t> count_in(const dom::element& value) noexcept {
    std::int64_t number = 0;
    if (value.get(number) != simdjson::SUCCESS || number < 0)
        return std::nullopt;
    return number;
}

std::string_view copy_text(std::pmr::memory_resource* arena, std::string_view text) {
    char* copy = static_cast<char*>(arena->allocate(text.size() + 1, 1));
    if (!text.empty()) // an empty view may hold a null pointer, which memcpy must not see
        std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    return {copy, text.size()};
}

std::string_view render_json(std::pmr::memory_resource* arena, const dom::element& value) {
    dom::object object;
    if (value.get(object) == simdjson::SUCCESS && object.size() == 0)
        return "{}"; // by far the most frequent arguments
    std::array<std::byte, 1024> first;
    std::pmr::monotonic_buffer_resource scratch(first.data(), first.size());
    std::pmr::string out(&scratch);
    Renderer(out).value(value, 0);
    return copy_text(arena, out);
}

} // namespace cloudsat::core
