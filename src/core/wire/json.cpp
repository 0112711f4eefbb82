// Parsing of JSON values for the decoders; see json.hpp.
#include "core/wire/json.hpp"

#include "core/base/bytes.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace cloudsat::core {
namespace {

static_assert(json_padding >= simdjson::SIMDJSON_PADDING);

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

// The value as a type that it is known to have.
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
        if (depth >= max_render_depth && (v.is_array() || v.is_object())) {
            out_ += "null";
            return;
        }
        switch (v.type()) {
        case dom::element_type::ARRAY:
            return array(v, depth);
        case dom::element_type::OBJECT:
            return object(v, depth);
        case dom::element_type::STRING:
            return append_json(out_, as<std::string_view>(v));
        case dom::element_type::INT64:
            return append_json(out_, as<std::int64_t>(v));
        case dom::element_type::UINT64:
            return append_json(out_, as<std::uint64_t>(v));
        case dom::element_type::DOUBLE:
            return append_json(out_, as<double>(v));
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
        out_ += '{';
        const char* between = "";
        for (const dom::key_value_pair field : as<dom::object>(v)) {
            out_ += between;
            between = ",";
            append_json(out_, field.key);
            out_ += ':';
            value(field.value, depth + 1);
        }
        out_ += '}';
    }

    std::pmr::string& out_;
};

void skip_space(std::string_view& text) noexcept {
    const auto at = text.find_first_not_of(" \t\r\n");
    text.remove_prefix(std::min(at, text.size()));
}

// Role of a byte in finding the end of an element; most have none.
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

// Returns the position after the closing quote of the string whose opening quote is at this position.
std::size_t behind_string(std::string_view text, std::size_t at) noexcept {
    for (++at; at < text.size(); ++at) {
        if (text[at] == '\\') {
            ++at;
        } else if (text[at] == '"') {
            return at + 1;
        }
    }
    return text.size();
}

// Size of the element at the beginning of the text: up to a comma or bracket that is not its own.
std::size_t element_size(std::string_view text) noexcept {
    std::size_t depth = 0;
    std::size_t at = 0;
    while (at < text.size()) {
        const Mark mark = mark_of(text[at]);
        if (mark == Mark::quote) {
            at = behind_string(text, at);
            continue;
        }
        if (depth == 0 && (mark == Mark::comma || mark == Mark::close)) {
            break;
        }
        if (mark == Mark::open) {
            ++depth;
        } else if (mark == Mark::close) {
            --depth;
        }
        ++at;
    }
    return at;
}

// Valid JSON may contain values that simdjson rejects: a number beyond 64 bits or beyond double, half of a
// surrogate pair, or brackets nested too deep. Any client can declare a queue with such an argument, and the
// broker lists it. So only the value is given up, not the document: tame() rewrites such values, and copies
// everything else, including faults.
bool may_be_odd(simdjson::error_code error) noexcept {
    switch (error) { // newer versions have further errors for numbers, so this lists the others
    case simdjson::SUCCESS:
    case simdjson::CAPACITY:
    case simdjson::MEMALLOC:
    case simdjson::TAPE_ERROR:
    case simdjson::UTF8_ERROR:
    case simdjson::EMPTY:
    case simdjson::UNESCAPED_CHARS:
    case simdjson::UNCLOSED_STRING:
        return false;
    default:
        return true;
    }
}

// Less than simdjson's 1024, and far more than max_render_depth.
constexpr std::size_t max_tame_depth = 1000;

// Size of the number at the beginning of the text, by JSON's grammar; 0 if there is none.
std::size_t number_size(std::string_view text) noexcept {
    std::size_t at = 0;
    const auto digits = [&] {
        const std::size_t first = at;
        while (at < text.size() && is_digit(text[at])) {
            ++at;
        }
        return at - first;
    };
    const auto skip = [&](std::string_view any) {
        const bool there = at < text.size() && any.find(text[at]) != std::string_view::npos;
        at += there ? 1 : 0;
        return there;
    };
    skip("-");
    const bool zero = at < text.size() && text[at] == '0';
    const std::size_t whole = digits();
    if (whole == 0 || (zero && whole > 1)) {
        return 0;
    }
    if (skip(".") && digits() == 0) {
        return 0;
    }
    if (skip("eE")) {
        skip("+-");
        if (digits() == 0) {
            return 0;
        }
    }
    return at;
}

// Appends the number, as a string if it is too large; returns the size of the consumed text.
std::size_t tame_number(std::string_view text, std::string& out) {
    const std::size_t size = std::max<std::size_t>(number_size(text), 1);
    const auto number = text.substr(0, size);
    constexpr std::size_t always_fits = 18;
    std::string_view behind = text.substr(size);
    skip_space(behind);
    dom::parser parser;
    // As a key a number is invalid, and must remain so.
    if (number.size() <= always_fits && number.find_first_of("eE") == std::string_view::npos) {
        out += number;
    } else if (behind.starts_with(':') ||
               parser.parse(number.data(), number.size()).error() == simdjson::SUCCESS) {
        out += number;
    } else {
        out.append(1, '"').append(number).append(1, '"');
    }
    return size;
}

// The code unit of an escape \uXXXX at the beginning of the text.
std::optional<unsigned> escaped_unit(std::string_view text) noexcept {
    constexpr std::size_t prefix = 2, digits = 4;
    unsigned unit = 0;
    if (!text.starts_with("\\u") || text.size() < prefix + digits) {
        return std::nullopt;
    }
    const char* const first = text.data() + prefix;
    const auto read = std::from_chars(first, first + digits, unit, 16);
    return read.ptr == first + digits ? std::optional(unit) : std::nullopt;
}

// Appends a string with its quotes; half of a surrogate pair becomes U+FFFD.
void tame_string(std::string_view text, std::string& out) {
    constexpr std::size_t escape = 6;
    constexpr auto is_high = [](unsigned unit) { return unit >= 0xD800 && unit < 0xDC00; };
    constexpr auto is_low = [](unsigned unit) { return unit >= 0xDC00 && unit < 0xE000; };
    while (!text.empty()) {
        std::size_t size = text.starts_with('\\') ? 2 : 1;
        if (const auto unit = escaped_unit(text)) {
            const auto next = escaped_unit(text.substr(escape)).value_or(0);
            const bool pair = is_high(*unit) && is_low(next);
            size = pair ? 2 * escape : escape;
            if (!pair && (is_high(*unit) || is_low(*unit))) {
                out += "\\ufffd";
                text.remove_prefix(size);
                continue;
            }
        }
        out += text.substr(0, size);
        text.remove_prefix(std::min(size, text.size()));
    }
}

std::string tame(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 64);
    std::size_t depth = 0;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        const Mark mark = mark_of(c);
        if (mark == Mark::quote) {
            const std::size_t end = std::min(behind_string(text, at), text.size());
            tame_string(text.substr(at, end - at), out);
            at = end;
        } else if (mark == Mark::open && depth == max_tame_depth) {
            out += "null";
            at += element_size(text.substr(at));
        } else if (c == '-' || is_digit(c)) {
            at += tame_number(text.substr(at), out);
        } else {
            depth += mark == Mark::open ? 1 : 0;
            depth -= mark == Mark::close && depth > 0 ? 1 : 0;
            out += c;
            ++at;
        }
    }
    return out;
}

} // namespace

void append_json(std::pmr::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte == 0) {
            out += "\xEF\xBF\xBD"; // U+FFFD: jsonb rejects \u0000, and one such argument must not stop a poll
        } else if (byte < 0x20) {
            out += "\\u00";
            out += hex_digits[byte >> 4];
            out += hex_digits[byte & 15];
        } else {
            out += c;
        }
    }
    out += '"';
}

DecodeFault JsonDocument::parse(JsonText text) {
    if (text.text.empty()) {
        return fault_of(simdjson::EMPTY);
    }
    const bool must_copy = text.slack < json_padding;
    auto error = parser_.parse(text.text.data(), text.text.size(), must_copy).get(root_);
    if (may_be_odd(error)) {
        const std::string tamed = tame(text.text);
        error = parser_.parse(tamed.data(), tamed.size()).get(root_);
    }
    return fault_of(error);
}

DecodeFault JsonDocument::parse_rows(JsonText text, dom::array& rows) {
    if (const auto fault = parse(text); fault.kind != FaultKind::none) {
        return fault;
    }
    dom::object page;
    if (root_.get(rows) == simdjson::SUCCESS ||
        (root_.get(page) == simdjson::SUCCESS && page["items"].get(rows) == simdjson::SUCCESS)) {
        return {};
    }
    return {FaultKind::wrong_shape, "the document is neither a list nor a page of one"};
}

ListCutter::ListCutter(std::string_view text) noexcept : rest_(text) {
    skip_space(rest_);
    is_list_ = rest_.starts_with('[');
    if (is_list_) {
        rest_.remove_prefix(1);
    }
}

std::optional<std::string_view> ListCutter::next() noexcept {
    skip_space(rest_);
    const bool first = std::exchange(first_, false);
    if (!first && rest_.starts_with(',')) {
        rest_.remove_prefix(1); // an element must follow
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
    if (size == 0) {
        return std::nullopt;
    }
    const auto element = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return element;
}

std::size_t count_rows(const dom::array& rows) noexcept {
    constexpr std::size_t saturated = 0xFFFFFF;
    const std::size_t size = rows.size();
    if (size < saturated) {
        return size;
    }
    std::size_t n = 0;
    for ([[maybe_unused]] const dom::element row : rows) {
        ++n;
    }
    return n;
}

bool is_usable_text(std::string_view text) noexcept {
    return text.size() <= max_name_size && text.find('\0') == std::string_view::npos;
}

std::optional<std::string_view> string_in(const dom::element& value) noexcept {
    std::string_view text;
    return value.get(text) == simdjson::SUCCESS ? std::optional(text) : std::nullopt;
}

std::optional<bool> bool_in(const dom::element& value) noexcept {
    bool flag = false;
    return value.get(flag) == simdjson::SUCCESS ? std::optional(flag) : std::nullopt;
}

std::optional<std::int64_t> count_in(const dom::element& value) noexcept {
    std::int64_t number = 0;
    return value.get(number) == simdjson::SUCCESS && number >= 0 ? std::optional(number) : std::nullopt;
}

std::string_view render_json(std::pmr::memory_resource* arena, const dom::element& value) {
    dom::object object;
    if (value.get(object) == simdjson::SUCCESS && object.size() == 0) {
        return "{}"; // by far the most frequent arguments
    }
    std::array<std::byte, 1024> first;
    std::pmr::monotonic_buffer_resource scratch(first.data(), first.size());
    std::pmr::string out(&scratch);
    Renderer(out).value(value, 0);
    return copy_text(arena, out);
}

} // namespace cloudsat::core
