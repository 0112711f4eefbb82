// The properties of an AMQP message, kept as the bytes that came: the flags and the list of values that a
// content header ends with. Nothing is lost that way, whatever types a client chose. Here they are checked,
// shown as JSON, and made fit to be published again. They come from strangers: nothing is believed, nothing
// recurses.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>

namespace cloudsat::core::amqp {

// The properties of the basic class in the order of the wire; each has a flag that says whether it is there.
enum class Property : std::uint8_t {
    content_type,
    content_encoding,
    headers,
    delivery_mode,
    priority,
    correlation_id,
    reply_to,
    expiration,
    message_id,
    timestamp,
    type,
    user_id,
    app_id,
    cluster_id,
};
inline constexpr int property_count = 14;

// The bytes of one property's value as they stand (a short string with its length, a table with its length),
// and of all of them. Absent ones have none.
struct Properties {
    std::optional<std::string_view> values[property_count];

    const std::optional<std::string_view>& operator[](Property property) const noexcept {
        return values[static_cast<std::size_t>(property)];
    }
};

// Nothing when the bytes are not properties from the first to the last.
std::optional<Properties> read_properties(std::string_view bytes) noexcept;

// As a JSON object that jsonb takes: {"content_type": "text/plain", "headers": {...}, "delivery_mode": 2}.
// Strings, booleans, 32- and 64-bit signed integers, doubles, tables, arrays and void are what they look
// like; any other type is told: {"!u8": 5}, {"!timestamp": 1700000000}, {"!decimal": "12.34"}, {"!bytes":
// "00ff"}; a string that is no UTF-8 or holds a NUL is {"!string": "00ff"}, in hexadecimal. What is nested
// deeper than 64 is null. Nothing when the bytes are not properties.
std::optional<std::string_view> render_properties(std::string_view bytes, std::pmr::memory_resource* arena);

// For publishing them again: without user_id (the broker refuses another user's name), and without the
// headers that would send the message elsewhere once more (CC, BCC) or that the broker sets by itself
// (x-delivery-count, x-stream-offset). All else stays as it is. Nothing when the bytes are not properties.
std::optional<std::string_view> renew_properties(std::string_view bytes, std::pmr::memory_resource* arena);

// How many milliseconds the message lives in a queue, by its own property. Nothing when it does not say.
std::optional<std::int64_t> expiration_ms(std::string_view properties) noexcept;

// A short string as a text that the database can hold: NUL becomes U+FFFD, and what is no UTF-8 becomes ASCII
// with question marks.
std::string_view as_text(std::string_view bytes, std::pmr::memory_resource* arena);

} // namespace cloudsat::core::amqp
