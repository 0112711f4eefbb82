// URLs of the management API: encodes their parts and checks their base. Pure; no I/O.
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>

namespace cloudsat::core {

// A name as one segment of a path: every byte except letters, digits and -._~ becomes %XX, including the
// slash. Nothing for "", "." and "..": the broker's HTTP server resolves dot segments even if they are
// percent-encoded, so a DELETE of a queue called ".." would address something else (measured on RabbitMQ
// 3.10). Lives in the arena.
std::optional<std::string_view> encode_segment(std::string_view name, std::pmr::memory_resource* arena);

// The query for the second look at one queue: "page=1&page_size=500&name=...&use_regex=true". The broker's
// pattern match ignores letter case by default; this pattern overrides that, and matches exactly this name:
// one queue in a virtual host. The caller still compares the names in the answer. With an additional pattern
// in the broker's syntax, such as a policy's, the queue is listed only if that matches, too.
std::string_view look_again_query(std::string_view name, std::pmr::memory_resource* arena,
                                  std::string_view pattern = {});

// Violated rule of the base URL of a management or metrics endpoint.
enum class UrlRule : std::uint8_t {
    empty,
    too_long,
    bad_character,
    scheme,
    credentials,
    host,
    port,
    query,
    fragment,
    dot_segment,
    amqp_scheme,
    amqp_path,
    mail_scheme,
    mail_path,
};

// The rule as a sentence for a DETAIL.
std::string_view meaning_of(UrlRule rule) noexcept;

struct BaseUrl {
    std::string_view text;  // as curl writes it, without a final slash; lives in the arena
    std::string_view host;  // without brackets
    std::uint16_t port = 0; // the scheme's default if none is given
    bool tls = false;
};

Result<BaseUrl, UrlRule> check_base_url(std::string_view url, std::pmr::memory_resource* arena);

// The endpoint of a valid base URL in a form for comparison: host, port and path, however they are written.
// Different names of one machine count as different, except those of this machine itself. Lives in the arena.
std::string_view endpoint_of(const BaseUrl& url, std::pmr::memory_resource* arena);

// The same for AMQP: amqp or amqps, and no path, because the virtual host is that of the queue.
Result<BaseUrl, UrlRule> check_amqp_url(std::string_view url, std::pmr::memory_resource* arena);

// The violated rule of a mail server's URL, smtp://host:port or smtps://host:port; nothing if it is valid.
std::optional<UrlRule> check_mail_url(std::string_view url);

} // namespace cloudsat::core
