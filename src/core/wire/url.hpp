// URLs of the management API: their parts encoded, their base checked. Pure text; opens nothing.
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>

namespace cloudsat::core {

// A name as one segment of a path: every byte but letters, digits and -._~ becomes %XX, the slash too.
// None for "", "." and "..": the broker's HTTP server resolves dot segments even when they are
// percent-encoded, so that DELETE of a queue called ".." would address something else (measured on
// RabbitMQ 3.10). Lives in the arena.
std::optional<std::string_view> encode_segment(std::string_view name, std::pmr::memory_resource* arena);

// The query that looks again at one queue: "page=1&page_size=500&name=...&use_regex=true". The broker's
// pattern match ignores letter case unless told otherwise; this pattern tells, and matches this name only:
// one queue in a virtual host. The caller still compares the names in the answer.
// With a pattern of the broker's own, a policy's say, the queue is listed only where that matches, too.
std::string_view look_again_query(std::string_view name, std::pmr::memory_resource* arena,
                                  std::string_view pattern = {});

// What is wrong with the base URL of a management or metrics endpoint.
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

// The rule in words, a full sentence for a DETAIL.
std::string_view meaning_of(UrlRule rule) noexcept;

struct BaseUrl {
    std::string_view text;  // as curl writes it, no slash at the end; lives in the arena
    std::string_view host;  // without brackets
    std::uint16_t port = 0; // of the scheme when none is given
    bool tls = false;
};

Result<BaseUrl, UrlRule> check_base_url(std::string_view url, std::pmr::memory_resource* arena);

// Which endpoint a good base URL means, for comparing: host, port and path, however they are written. Two
// names of one machine are still two, but for those of this machine itself. Lives in the arena.
std::string_view endpoint_of(const BaseUrl& url, std::pmr::memory_resource* arena);

// The same for AMQP: amqp or amqps, and no path, because the virtual host is that of the queue.
Result<BaseUrl, UrlRule> check_amqp_url(std::string_view url, std::pmr::memory_resource* arena);

// What is wrong with the URL of a mail server, smtp://host:port or smtps://host:port; nothing when all is
// well.
std::optional<UrlRule> check_mail_url(std::string_view url);

} // namespace cloudsat::core
