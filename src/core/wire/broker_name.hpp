// Names of queues, exchanges and virtual hosts, and routing keys, as PostgreSQL's text and as the broker's
// own bytes. The broker allows a NUL in them, which no text can hold. Such a name is written with %00 for a
// NUL and %25 for a percent sign, and " (percent-encoded)" behind it. So that no two names share a text, a
// name that ends like that by itself is written the same way; every other name is its own text.
//
// The text is what tables, patterns and people see. To the broker goes the name.
#pragma once

#include <memory_resource>
#include <optional>
#include <string_view>

namespace cloudsat::core {

inline constexpr std::string_view encoded_mark = " (percent-encoded)";

// Either may be the view that it was given; what is new lives in the arena, with a NUL behind it.
std::string_view text_of_name(std::string_view name, std::pmr::memory_resource* arena);
std::string_view name_of_text(std::string_view text, std::pmr::memory_resource* arena);

// A name, given as text, as a segment of a URL's path; none where it has no address over HTTP
// (core/wire/url.hpp).
std::optional<std::string_view> segment_of_text(std::string_view text, std::pmr::memory_resource* arena);

// Of a queue that has none, where nothing but HTTP is known.
inline constexpr std::string_view no_address =
    "a name of dots only has no address over HTTP, and the server has no amqp_url";

} // namespace cloudsat::core
