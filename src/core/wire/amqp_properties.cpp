// Properties of AMQP messages; see amqp_properties.hpp.

#include "core/wire/amqp_properties.hpp"

#include "core/base/text.hpp"
#include "core/wire/amqp_wire.hpp"
#include "core/wire/json.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <string>
#include <vector>

namespace cloudsat::core::amqp {
namespace {

constexpr int max_depth = 64;

enum class Kind : std::uint8_t { short_string, table, octet, timestamp };
struct Shape {
    std::string_view name;
    Kind kind;
};
constexpr std::array<Shape, property_count> shapes{{
    {"content_type", Kind::short_string},
    {"content_encoding", Kind::short_string},
    {"headers", Kind::table},
    {"delivery_mode", Kind::octet},
    {"priority", Kind::octet},
    {"correlation_id", Kind::short_string},
    {"reply_to", Kind::short_string},
    {"expiration", Kind::short_string},
    {"message_id", Kind::short_string},
    {"timestamp", Kind::timestamp},
    {"type", Kind::short_string},
    {"user_id", Kind::short_string},
    {"app_id", Kind::short_string},
    {"cluster_id", Kind::short_string},
}};

std::size_t size_of_value(Kind kind, std::string_view rest) noexcept {
    Fields fields(rest);
    switch (kind) {
    case Kind::short_string:
        return 1 + std::size_t{fields.octet()};
    case Kind::table:
        return 4 + std::size_t{fields.dword()};
    case Kind::octet:
        return 1;
    case Kind::timestamp:
        return 8;
    }
    return 0;
}

// Size of a field's value in bytes; nothing for an unknown type.
std::optional<std::size_t> size_of_field(char type, std::string_view rest) noexcept {
    struct Size {
        std::string_view types;
        std::size_t bytes;
    };
    constexpr Size sizes[] = {{"V", 0}, {"tbB", 1}, {"su", 2}, {"Iif", 4}, {"D", 5}, {"lLdT", 8}};
    for (const Size& size : sizes) {
        if (size.types.find(type) != std::string_view::npos) {
            return size.bytes;
        }
    }
    const bool has_length = std::string_view("SxAF").find(type) != std::string_view::npos;
    return has_length ? std::optional(4 + std::size_t{Fields(rest).dword()}) : std::nullopt;
}

// One entry of a table or an array, taken from the front of the rest.
struct Item {
    std::string_view key;
    char type = 'V';
    std::string_view value; // with its length, if it has one
    std::string_view whole;
};
bool next_item(std::string_view& rest, bool keyed, Item& item) noexcept {
    Fields fields(rest);
    if (keyed) {
        item.key = fields.short_string();
    }
    item.type = static_cast<char>(fields.octet());
    if (!fields.ok()) {
        return false;
    }
    const auto size = size_of_field(item.type, fields.rest());
    if (!size) {
        return false;
    }
    item.value = fields.bytes(*size);
    item.whole = rest.substr(0, rest.size() - fields.rest().size());
    rest = fields.rest();
    return fields.ok();
}

// Writes JSON, with an explicit stack instead of recursion.
class Renderer {
public:
    explicit Renderer(std::pmr::memory_resource* arena) : out_(arena), levels_(arena) {}

    bool object(const Properties& properties) {
        out_ += '{';
        const char* between = "";
        for (std::size_t i = 0; i < property_count; ++i) {
            if (!properties.values[i]) {
                continue;
            }
            out_ += between;
            between = ",";
            out_ += '"';
            out_ += shapes[i].name;
            out_ += "\":";
            if (!property(shapes[i].kind, *properties.values[i])) {
                return false;
            }
        }
        out_ += '}';
        return true;
    }

    const std::pmr::string& text() const noexcept { return out_; }

private:
    struct Level {
        std::string_view rest;
        bool keyed; // a table, else an array
        bool first;
        bool hidden; // too deep: checked, but not shown
    };

    bool property(Kind kind, std::string_view value) {
        Fields fields(value);
        switch (kind) {
        case Kind::short_string:
            string(fields.short_string());
            return true;
        case Kind::octet:
            append_json(out_, fields.octet());
            return true;
        case Kind::timestamp:
            append_json(out_, fields.qword());
            return true;
        case Kind::table:
            return nested(fields.long_string(), true);
        }
        return false;
    }

    bool nested(std::string_view bytes, bool keyed) {
        push(bytes, keyed, false);
        while (!levels_.empty()) {
            Level& level = levels_.back();
            if (level.rest.empty()) {
                if (!level.hidden) {
                    out_ += level.keyed ? '}' : ']';
                }
                levels_.pop_back();
                continue;
            }
            Item item;
            if (!next_item(level.rest, level.keyed, item)) {
                return false;
            }
            if (!level.hidden) {
                if (!level.first) {
                    out_ += ',';
                }
                level.first = false;
                if (level.keyed) {
                    key(item.key);
                    out_ += ':';
                }
            }
            if (item.type == 'F' || item.type == 'A') {
                const bool hidden = level.hidden || levels_.size() >= max_depth;
                if (hidden && !level.hidden) {
                    out_ += "null";
                }
                push(item.value.substr(4), item.type == 'F', hidden); // `level` may have moved
            } else if (!level.hidden) {
                field(item.type, item.value);
            }
        }
        return true;
    }

    void push(std::string_view bytes, bool keyed, bool hidden) {
        levels_.push_back({bytes, keyed, true, hidden});
        if (!hidden) {
            out_ += keyed ? '{' : '[';
        }
    }

    void field(char type, std::string_view value) {
        Fields fields(value);
        switch (type) {
        case 't':
            return write(fields.octet() != 0 ? "true" : "false");
        case 'b':
            return typed("i8", static_cast<std::int8_t>(fields.octet()));
        case 'B':
            return typed("u8", fields.octet());
        case 's':
            return typed("i16", static_cast<std::int16_t>(fields.word()));
        case 'u':
            return typed("u16", fields.word());
        case 'I':
            return append_json(out_, static_cast<std::int32_t>(fields.dword()));
        case 'i':
            return typed("u32", fields.dword());
        case 'l':
            return append_json(out_, static_cast<std::int64_t>(fields.qword()));
        case 'L':
            return typed("u64", fields.qword());
        case 'f':
            return floating("f32", std::bit_cast<float>(fields.dword()));
        case 'd':
            return floating("f64", std::bit_cast<double>(fields.qword()));
        case 'T':
            return typed("timestamp", fields.qword());
        case 'D':
            return decimal(fields);
        case 'S':
            return string(fields.long_string());
        case 'x':
            return bytes("bytes", fields.long_string());
        default:
            return write("null");
        }
    }

    void write(std::string_view text) { out_ += text; }

    void open(std::string_view type) {
        out_ += "{\"!";
        out_ += type;
        out_ += "\":";
    }

    template <class Number> void typed(std::string_view type, Number value) {
        open(type);
        append_json(out_, value);
        out_ += '}';
    }

    template <class Number> void floating(std::string_view type, Number value) {
        const bool plain = std::is_same_v<Number, double> && std::isfinite(value);
        if (!plain) {
            open(type);
        }
        if (std::isfinite(value)) {
            append_json(out_, value);
        } else {
            out_ += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
        }
        if (!plain) {
            out_ += '}';
        }
    }

    void decimal(Fields fields) {
        const std::size_t scale = fields.octet();
        std::array<char, 16> digits{};
        // RabbitMQ and its clients treat the number as unsigned
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), fields.dword()).ptr;
        std::pmr::string text(digits.data(), end, out_.get_allocator());
        if (scale > 0) {
            if (text.size() <= scale) {
                text.insert(0, scale + 1 - text.size(), '0');
            }
            text.insert(text.size() - scale, 1, '.');
        }
        open("decimal");
        out_ += '"';
        out_ += text;
        out_ += "\"}";
    }

    static bool is_showable(std::string_view text) noexcept {
        return text.find('\0') == std::string_view::npos && simdjson::validate_utf8(text.data(), text.size());
    }

    void string(std::string_view text) {
        if (is_showable(text)) {
            append_json(out_, text);
        } else {
            bytes("string", text);
        }
    }

    // A key cannot be an object: one that text cannot hold is shown in hexadecimal.
    void key(std::string_view text) {
        if (is_showable(text)) {
            append_json(out_, text);
        } else {
            out_ += "\"!string:";
            hex_digits(text);
            out_ += '"';
        }
    }

    void bytes(std::string_view type, std::string_view value) {
        open(type);
        out_ += '"';
        hex_digits(value);
        out_ += "\"}";
    }
    void hex_digits(std::string_view bytes) {
        for (const char c : bytes) {
            const auto byte = static_cast<unsigned char>(c);
            out_ += core::hex_digits[byte >> 4U];
            out_ += core::hex_digits[byte & 15U];
        }
    }

    std::pmr::string out_;
    std::pmr::vector<Level> levels_;
};

bool is_stale_header(std::string_view key) noexcept {
    return key == "CC" || key == "BCC" || key == "x-delivery-count" || key == "x-stream-offset";
}

void put_big_endian(std::pmr::string& out, std::uint64_t value, unsigned size) {
    for (unsigned i = size; i-- > 0;) {
        out += static_cast<char>(value >> (8U * i) & 0xFFU);
    }
}

// The table without those headers; nothing if it cannot be parsed.
std::optional<std::pmr::string> renew_headers(std::string_view table, std::pmr::memory_resource* arena) {
    std::string_view rest = table.substr(4);
    std::pmr::string kept(arena);
    Item item;
    while (!rest.empty()) {
        if (!next_item(rest, true, item)) {
            return std::nullopt;
        }
        if (!is_stale_header(item.key)) {
            kept += item.whole;
        }
    }
    std::pmr::string renewed(arena);
    put_big_endian(renewed, kept.size(), 4);
    renewed += kept;
    return renewed;
}

} // namespace

std::optional<Properties> read_properties(std::string_view bytes) noexcept {
    Fields fields(bytes);
    const std::uint16_t flags = fields.word();
    constexpr std::uint16_t unknown = 0x0003; // a bit of no property, and the bit that announces more flags
    if (!fields.ok() || (flags & unknown) != 0) {
        return std::nullopt;
    }
    Properties properties;
    for (std::size_t i = 0; i < property_count; ++i) {
        if ((flags & (0x8000U >> i)) != 0) {
            properties.values[i] = fields.bytes(size_of_value(shapes[i].kind, fields.rest()));
        }
    }
    return fields.ok() && fields.rest().empty() ? std::optional(properties) : std::nullopt;
}

std::optional<std::string_view> render_properties(std::string_view bytes, std::pmr::memory_resource* arena) {
    const auto properties = read_properties(bytes);
    if (!properties) {
        return std::nullopt;
    }
    Renderer renderer(arena);
    if (!renderer.object(*properties)) {
        return std::nullopt;
    }
    return copy_text(arena, renderer.text());
}

std::optional<std::string_view> renew_properties(std::string_view bytes, std::pmr::memory_resource* arena) {
    const auto properties = read_properties(bytes);
    if (!properties) {
        return std::nullopt;
    }
    unsigned flags = 0;
    std::pmr::string values(arena);
    for (std::size_t i = 0; i < property_count; ++i) {
        const auto& value = properties->values[i];
        if (!value || static_cast<Property>(i) == Property::user_id) {
            continue;
        }
        flags |= 0x8000U >> i;
        if (static_cast<Property>(i) == Property::headers) {
            const auto headers = renew_headers(*value, arena);
            if (!headers) {
                return std::nullopt;
            }
            values += *headers;
        } else {
            values += *value;
        }
    }
    std::pmr::string renewed(arena);
    put_big_endian(renewed, flags, 2);
    renewed += values;
    return copy_text(arena, renewed);
}

std::optional<std::int64_t> expiration_ms(std::string_view bytes) noexcept {
    const auto properties = read_properties(bytes);
    if (!properties || !(*properties)[Property::expiration]) {
        return std::nullopt;
    }
    const std::string_view text = (*properties)[Property::expiration]->substr(1); // after its length
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::string_view as_text(std::string_view bytes, std::pmr::memory_resource* arena) {
    const bool valid = simdjson::validate_utf8(bytes.data(), bytes.size());
    if (valid && bytes.find('\0') == std::string_view::npos) {
        return bytes;
    }
    std::pmr::string text(arena);
    for (const char c : bytes) {
        if (c == '\0') {
            text += "\xEF\xBF\xBD";
        } else {
            text += valid || static_cast<unsigned char>(c) < 0x80 ? c : '?';
        }
    }
    return copy_text(arena, text);
}

} // namespace cloudsat::core::amqp
