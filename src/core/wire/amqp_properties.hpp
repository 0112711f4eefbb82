// The properties of an AMQP message, stored as the received bytes: the flags and the list of values at the
// end of a content header. So nothing is lost, whatever types a client uses. This file validates them, shows
// them as JSON, and prepares them for publishing again. They are untrusted input: everything is checked, and
// nothing recurses.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>

namespace cloudsat::core::amqp {

// The properties of the basic class in wire order; each has a flag for its presence.
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

// The bytes of each property's value as encoded (a short string with its length, a table with its length),
// and of all of them. Absent ones are empty.
struct Properties {
    std::optional<std::string_view> values[property_count];

    const std::optional<std::string_view>& operator[](Property property) const noexcept {
        return values[static_cast<std::size_t>(property)];
    }
};

// Nothing unless all bytes are valid properties.
std::optional<Properties> read_properties(std::string_view bytes) noexcept;

// As a JSON object for jsonb: {"content_type": "text/plain", "headers": {...}, "delivery_mode": 2}. Strings,
// booleans, 32- and 64-bit signed integers, doubles, tables, arrays and void map to their JSON counterparts.
// Any other type is tagged: {"!u8": 5}, {"!timestamp": 1700000000}, {"!decimal": "12.34"}, {"!bytes":
// "00ff"}. A string that is not UTF-8 or contains a NUL is {"!string": "00ff"}, in hexadecimal. Values nested
// deeper than 64 are null. Nothing if the bytes are not properties.
std::optional<std::string_view> render_properties(std::string_view bytes, std::pmr::memory_resource* arena);

// For publishing them again: removes user_id (the broker rejects another user's name), the headers that would
// route the message elsewhere again (CC, BCC), and those that the broker sets itself (x-delivery-count,
// x-stream-offset). Everything else is unchanged. Nothing if the bytes are not properties.
std::optional<std::string_view> renew_properties(std::string_view bytes, std::pmr::memory_resource* arena);

// The message's own time to live in milliseconds; nothing if it has none.
std::optional<std::int64_t> expiration_ms(std::string_view properties) noexcept;

// A short string as text that the database can hold: NUL becomes U+FFFD; invalid UTF-8 becomes ASCII with
// question marks.
std::string_view as_text(std::string_view bytes, std::pmr::memory_resource* arena);

} // namespace cloudsat::core::amqp
