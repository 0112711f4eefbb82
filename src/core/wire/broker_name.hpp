// Names of queues, exchanges and virtual hosts, and routing keys, as PostgreSQL text and as the broker's own
// bytes. The broker allows a NUL in them, which PostgreSQL's text cannot hold. Such a name is written with
// %00 for a NUL and %25 for a percent sign, followed by " (percent-encoded)". To keep texts unique, a name
// that already ends like that is encoded as well; every other name is its own text.
//
// Tables, patterns and users have the text; the broker gets the name.
#pragma once

#include <memory_resource>
#include <optional>
#include <string_view>

namespace cloudsat::core {

inline constexpr std::string_view encoded_mark = " (percent-encoded)";

// Both may return the given view; new text lives in the arena, with a terminating NUL.
std::string_view text_of_name(std::string_view name, std::pmr::memory_resource* arena);
std::string_view name_of_text(std::string_view text, std::pmr::memory_resource* arena);

// The name for a text, as a segment of a URL's path; nothing if it has no address over HTTP
// (core/wire/url.hpp).
std::optional<std::string_view> segment_of_text(std::string_view text, std::pmr::memory_resource* arena);

// Reason for a name without an address over HTTP, if HTTP is the only access.
inline constexpr std::string_view no_address =
    "a name consisting of dots has no address over HTTP, and the server has no amqp_url";

} // namespace cloudsat::core
