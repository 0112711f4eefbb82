// Encoding and checking of URLs, see url.hpp. libcurl connects, so its parser defines the meaning of a URL.
#include "core/wire/url.hpp"

#include "core/base/bytes.hpp"
#include "core/base/text.hpp"
#include "core/wire/curl_url.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <string>

namespace cloudsat::core {
namespace {

constexpr std::size_t max_url_size = 2048;

constexpr bool is_alpha(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_hex(char c) noexcept {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// RFC 3986 §2.3: characters that never need encoding.
constexpr bool is_unreserved(char c) noexcept {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

std::string_view percent_encode(std::string_view text, std::pmr::memory_resource* arena) {
    char* const start = static_cast<char*>(arena->allocate(text.size() * 3 + 1, 1));
    char* out = start;
    for (const char c : text) {
        if (is_unreserved(c)) {
            *out++ = c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        *out++ = '%';
        *out++ = upper_hex_digits[byte >> 4];
        *out++ = upper_hex_digits[byte & 15];
    }
    *out = '\0';
    return {start, static_cast<std::size_t>(out - start)};
}

// After a backslash, PCRE takes every ASCII character except letters, digits and underscore literally.
std::pmr::string exact_pattern(std::string_view name, std::string_view also,
                               std::pmr::memory_resource* arena) {
    std::pmr::string pattern(arena);
    pattern.reserve(name.size() * 2 + also.size() + 32);
    // (?-i) reverts the broker's caseless option; unlike $, \z does not match before a final newline.
    pattern += "^(?-i)";
    if (!also.empty()) { // anywhere in the name
        pattern.append("(?=(?s:.*?)(?:").append(also).append("))");
    }
    for (const char c : name) {
        if (c == '\0') {
            pattern += "\\x00";
            continue;
        }
        const bool plain = is_alpha(c) || is_digit(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
        if (!plain) {
            pattern += '\\';
        }
        pattern += c;
    }
    pattern += "\\z";
    return pattern;
}

// A protocol, in plain text and over TLS, and its ports.
struct Scheme {
    std::string_view plain, tls;
    std::uint16_t plain_port, tls_port;
    UrlRule rule;                // violated by another scheme
    std::optional<UrlRule> path; // violated by a path, if none is allowed
};
constexpr Scheme http_scheme{"http", "https", 80, 443, UrlRule::scheme, std::nullopt};
constexpr Scheme amqp_scheme{"amqp", "amqps", 5672, 5671, UrlRule::amqp_scheme, UrlRule::amqp_path};
constexpr Scheme mail_scheme{"smtp", "smtps", 25, 465, UrlRule::mail_scheme, UrlRule::mail_path};

bool has_scheme(std::string_view url, std::string_view scheme) noexcept {
    return is_word(url.substr(0, scheme.size()), scheme) && url.substr(scheme.size()).starts_with("://");
}

// Visible ASCII only, without the characters that RFC 3986 excludes from URLs: they can inject lines into
// requests.
bool is_url_character(char c) noexcept {
    return c > 0x20 && c < 0x7F && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
}

bool has_broken_escape(std::string_view url) noexcept {
    for (auto at = url.find('%'); at != std::string_view::npos; at = url.find('%', at + 1)) {
        if (at + 2 >= url.size() || !is_hex(url[at + 1]) || !is_hex(url[at + 2])) {
            return true;
        }
    }
    return false;
}

std::optional<UrlRule> check_characters(std::string_view url) noexcept {
    if (url.empty()) {
        return UrlRule::empty;
    }
    if (url.size() > max_url_size) {
        return UrlRule::too_long;
    }
    if (!std::all_of(url.begin(), url.end(), is_url_character) || has_broken_escape(url)) {
        return UrlRule::bad_character;
    }
    if (url.find('#') != std::string_view::npos) {
        return UrlRule::fragment;
    }
    if (url.find('?') != std::string_view::npos) {
        return UrlRule::query;
    }
    return std::nullopt;
}

std::optional<UrlRule> rule_of(CURLUcode code) noexcept {
    switch (code) {
    case CURLUE_OK:
        return std::nullopt;
    case CURLUE_USER_NOT_ALLOWED:
        return UrlRule::credentials;
    case CURLUE_BAD_PORT_NUMBER:
        return UrlRule::port;
    default:
        return UrlRule::host;
    }
}

// Checks what curl accepts but no resolver or server can use.
std::optional<UrlRule> check_authority(std::string_view authority) noexcept {
    // An empty authority, for which curl would use the path; an escape, which curl would decode; a zone.
    if (authority.empty() || authority.front() == '.' || authority.front() == '-' ||
        authority.find('%') != std::string_view::npos || authority.find("..") != std::string_view::npos) {
        return UrlRule::host;
    }
    return authority.ends_with(':') ? std::optional(UrlRule::port) : std::nullopt;
}

struct RuleText {
    UrlRule rule;
    std::string_view meaning;
};

constexpr std::array rule_texts{
    RuleText{UrlRule::empty, "The URL is empty."},
    RuleText{UrlRule::too_long, "The URL is longer than 2048 bytes."},
    RuleText{UrlRule::bad_character,
             "The URL contains a blank, a control character, or another character that must "
             "be percent-encoded."},
    RuleText{UrlRule::scheme, "The URL must begin with \"http://\" or \"https://\"."},
    RuleText{UrlRule::credentials, "The URL must not contain a user name or password."},
    RuleText{UrlRule::host, "The URL has no valid host name or address."},
    RuleText{UrlRule::port, "The port must be a number from 1 to 65535."},
    RuleText{UrlRule::query, "The URL must not contain a query (\"?\")."},
    RuleText{UrlRule::fragment, "The URL must not contain a fragment (\"#\")."},
    RuleText{UrlRule::dot_segment, "The path must not contain \".\" or \"..\" segments."},
    RuleText{UrlRule::amqp_scheme, "The URL must begin with \"amqp://\" or \"amqps://\"."},
    RuleText{UrlRule::amqp_path, "The URL must not contain a path: the virtual host is that of each queue."},
    RuleText{UrlRule::mail_scheme, "The URL must begin with \"smtp://\" or \"smtps://\"."},
    RuleText{UrlRule::mail_path, "The URL must not contain a path."},
};

constexpr bool rules_are_in_order() {
    for (std::size_t i = 0; i < rule_texts.size(); ++i) {
        if (rule_texts[i].rule != static_cast<UrlRule>(i)) {
            return false;
        }
    }
    return rule_texts.back().rule == UrlRule::mail_path;
}
static_assert(rules_are_in_order(), "meaning_of() indexes rule_texts by rule");

std::string without_slashes(std::string text) {
    text.resize(text.find_last_not_of('/') + 1);
    return text;
}

std::optional<UrlRule> check_parts(const CurlUrl& url, const Scheme& scheme) {
    if (url.get(CURLUPART_PORT) == "0") {
        return UrlRule::port;
    }
    if (scheme.path && !without_slashes(url.get(CURLUPART_PATH)).empty()) {
        return scheme.path;
    }
    const std::string path = url.get(CURLUPART_PATH, CURLU_URLDECODE) + '/'; // servers decode it, too
    if (path == "/") {
        return UrlRule::bad_character; // curl decodes no control characters
    }
    const bool dots = path.find("/./") != std::string::npos || path.find("/../") != std::string::npos;
    return dots ? std::optional(UrlRule::dot_segment) : std::nullopt;
}

Result<BaseUrl, UrlRule> check(std::string_view text, const Scheme& scheme,
                               std::pmr::memory_resource* arena) {
    if (const auto rule = check_characters(text)) {
        return *rule;
    }
    const bool tls = has_scheme(text, scheme.tls);
    if (!tls && !has_scheme(text, scheme.plain)) {
        return scheme.rule;
    }
    const CurlUrl url(text, CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS | CURLU_DISALLOW_USER);
    if (const auto rule = rule_of(url.code())) {
        return *rule;
    }
    const std::string_view rest = text.substr((tls ? scheme.tls : scheme.plain).size() + 3);
    if (const auto rule = check_authority(rest.substr(0, rest.find('/')))) {
        return *rule;
    }
    if (const auto rule = check_parts(url, scheme)) {
        return *rule;
    }
    const std::string host = url.get(CURLUPART_HOST);
    const std::string port = url.get(CURLUPART_PORT);
    BaseUrl base;
    base.text = copy_text(arena, without_slashes(url.get(CURLUPART_URL)));
    base.host = copy_text(arena, host.starts_with('[') ? host.substr(1, host.size() - 2) : host);
    base.tls = tls;
    base.port = tls ? scheme.tls_port : scheme.plain_port;
    std::from_chars(port.data(), port.data() + port.size(), base.port); // the default is the scheme's
    return base;
}

} // namespace

std::optional<std::string_view> encode_segment(std::string_view name, std::pmr::memory_resource* arena) {
    if (name.empty() || name == "." || name == "..") {
        return std::nullopt;
    }
    return percent_encode(name, arena);
}

std::string_view look_again_query(std::string_view name, std::pmr::memory_resource* arena,
                                  std::string_view pattern) {
    std::pmr::string query("page=1&page_size=500&name=", arena);
    query += percent_encode(exact_pattern(name, pattern, arena), arena);
    query += "&use_regex=true";
    return copy_text(arena, query);
}

std::string_view meaning_of(UrlRule rule) noexcept {
    return rule_texts[static_cast<std::size_t>(rule)].meaning;
}

Result<BaseUrl, UrlRule> check_base_url(std::string_view url, std::pmr::memory_resource* arena) {
    return check(url, http_scheme, arena);
}

std::string_view endpoint_of(const BaseUrl& url, std::pmr::memory_resource* arena) {
    std::pmr::string text(arena);
    std::transform(url.host.begin(), url.host.end(), std::back_inserter(text), ascii_lower);
    if (text == "127.0.0.1" || text == "::1") {
        text = "localhost";
    }
    const auto path = url.text.find('/', url.text.find("://") + 3);
    text.append(":").append(std::to_string(url.port));
    if (path != std::string_view::npos) {
        text.append(url.text.substr(path));
    }
    return copy_text(arena, text);
}

Result<BaseUrl, UrlRule> check_amqp_url(std::string_view url, std::pmr::memory_resource* arena) {
    return check(url, amqp_scheme, arena);
}

std::optional<UrlRule> check_mail_url(std::string_view url) {
    std::pmr::monotonic_buffer_resource arena;
    const auto checked = check(url, mail_scheme, &arena);
    return checked ? std::nullopt : std::optional(checked.error());
}

} // namespace cloudsat::core
