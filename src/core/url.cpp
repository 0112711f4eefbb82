// Encoding and checking of URLs; see url.hpp.
#include "core/url.hpp"

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
constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
constexpr bool is_hex(char c) noexcept {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// RFC 3986 §2.3: what never needs encoding.
constexpr bool is_unreserved(char c) noexcept {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

std::string_view keep(std::pmr::memory_resource* arena, std::string_view text) {
    char* copy = static_cast<char*>(arena->allocate(text.size() + 1, 1));
    *std::copy(text.begin(), text.end(), copy) = '\0';
    return {copy, text.size()};
}

std::string_view percent_encode(std::string_view text, std::pmr::memory_resource* arena) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    char* const start = static_cast<char*>(arena->allocate(text.size() * 3 + 1, 1));
    char* out = start;
    for (const char c : text) {
        if (is_unreserved(c)) {
            *out++ = c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        *out++ = '%';
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
    *out = '\0';
    return {start, static_cast<std::size_t>(out - start)};
}

// PCRE takes every ASCII character that is no letter, digit or underscore literally after a backslash.
std::pmr::string exact_pattern(std::string_view name, std::string_view also,
                               std::pmr::memory_resource* arena) {
    std::pmr::string pattern(arena);
    pattern.reserve(name.size() * 2 + also.size() + 32);
    // (?-i) undoes the broker's caseless option; \z, unlike $, does not match before a newline at the end.
    pattern += "^(?-i)";
    if (!also.empty()) { // somewhere in the name
        pattern.append("(?=(?s:.*?)(?:").append(also).append("))");
    }
    for (const char c : name) {
        if (c == '\0') {
            pattern += "\\x00";
            continue;
        }
        const bool plain = is_alpha(c) || is_digit(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
        if (!plain)
            pattern += '\\';
        pattern += c;
    }
    pattern += "\\z";
    return pattern;
}

// The pieces of a URL, in the order in which they are cut off.
struct Pieces {
    std::string_view scheme, authority, path;
};

// What is spoken: in the clear and over TLS, and the ports it is spoken at.
struct Scheme {
    std::string_view plain, tls;
    std::uint16_t plain_port, tls_port;
    UrlRule rule;                // that another scheme breaks
    std::optional<UrlRule> path; // that a path breaks, where none is allowed
};
constexpr Scheme http_scheme{"http", "https", 80, 443, UrlRule::scheme, std::nullopt};
constexpr Scheme amqp_scheme{"amqp", "amqps", 5672, 5671, UrlRule::amqp_scheme, UrlRule::amqp_path};
constexpr Scheme mail_scheme{"smtp", "smtps", 25, 465, UrlRule::mail_scheme, UrlRule::mail_path};

bool is_scheme(std::string_view scheme, std::string_view known) noexcept {
    return std::equal(scheme.begin(), scheme.end(), known.begin(), known.end(),
                      [](char a, char b) { return lower(a) == b; });
}

// Visible ASCII only, and none of what RFC 3986 keeps out of a URL: such characters smuggle lines into
// requests.
bool is_url_character(char c) noexcept {
    return c > 0x20 && c < 0x7F && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
}

bool has_broken_escape(std::string_view url) noexcept {
    for (auto at = url.find('%'); at != std::string_view::npos; at = url.find('%', at + 1))
        if (at + 2 >= url.size() || !is_hex(url[at + 1]) || !is_hex(url[at + 2]))
            return true;
    return false;
}

bool is_host_name(std::string_view host) noexcept {
    if (host.empty() || host.size() > 253 || host.front() == '.' || host.front() == '-')
        return false;
    // Underscores are no LDH, yet usual in container networks.
    return std::all_of(
               host.begin(), host.end(),
               [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; }) &&
           host.find("..") == std::string_view::npos;
}

bool is_ipv6_literal(std::string_view host) noexcept {
    return host.size() >= 2 && host.size() <= 45 && host.find(':') != std::string_view::npos &&
           std::all_of(host.begin(), host.end(), [](char c) { return is_hex(c) || c == ':' || c == '.'; });
}

bool is_loopback(std::string_view host) noexcept {
    static constexpr std::string_view name = "localhost";
    if (host == "::1" || std::equal(host.begin(), host.end(), name.begin(), name.end(),
                                    [](char a, char b) { return lower(a) == b; }))
        return true;
    // A name like 127.example.com is not an address: digits and dots only.
    return host.starts_with("127.") &&
           std::all_of(host.begin(), host.end(), [](char c) { return is_digit(c) || c == '.'; });
}

// "." and "..", also percent-encoded in part: RFC 3986 §6.2.2.2 makes "%2E" the same as ".".
bool is_dot_segment(std::string_view segment) noexcept {
    std::size_t dots = 0;
    for (; !segment.empty(); ++dots) {
        const bool encoded =
            segment.size() >= 3 && segment[0] == '%' && segment[1] == '2' && lower(segment[2]) == 'e';
        if (!encoded && segment.front() != '.')
            return false;
        segment.remove_prefix(encoded ? 3 : 1);
    }
    return dots == 1 || dots == 2;
}

bool has_dot_segment(std::string_view path) noexcept {
    while (!path.empty()) {
        path.remove_prefix(1); // the slash
        const auto segment = path.substr(0, path.find('/'));
        if (is_dot_segment(segment))
            return true;
        path.remove_prefix(segment.size());
    }
    return false;
}

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
    std::uint16_t port = 0;
    const auto end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, port);
    if (result.ec != std::errc{} || result.ptr != end || port == 0)
        return std::nullopt;
    return port;
}

// host, host:port, [ipv6] or [ipv6]:port into url.host and url.port.
std::optional<UrlRule> split_authority(std::string_view authority, BaseUrl& url) noexcept {
    std::string_view port;
    if (authority.starts_with('[')) {
        const auto close = authority.find(']');
        if (close == std::string_view::npos || !is_ipv6_literal(authority.substr(1, close - 1)))
            return UrlRule::host;
        url.host = authority.substr(1, close - 1);
        port = authority.substr(close + 1);
    } else {
        url.host = authority.substr(0, authority.find(':'));
        if (!is_host_name(url.host))
            return UrlRule::host;
        port = authority.substr(url.host.size());
    }
    if (port.empty())
        return std::nullopt;
    const auto number = port.front() == ':' ? parse_port(port.substr(1)) : std::nullopt;
    if (!number)
        return UrlRule::port;
    url.port = *number;
    return std::nullopt;
}

std::optional<UrlRule> check_characters(std::string_view url) noexcept {
    if (url.empty())
        return UrlRule::empty;
    if (url.size() > max_url_size)
        return UrlRule::too_long;
    if (!std::all_of(url.begin(), url.end(), is_url_character) || has_broken_escape(url))
        return UrlRule::bad_character;
    if (url.find('#') != std::string_view::npos)
        return UrlRule::fragment;
    if (url.find('?') != std::string_view::npos)
        return UrlRule::query;
    return std::nullopt;
}

std::optional<UrlRule> split(std::string_view url, const Scheme& scheme, Pieces& pieces) noexcept {
    const auto colon = url.find("://");
    if (colon == std::string_view::npos ||
        (!is_scheme(url.substr(0, colon), scheme.plain) && !is_scheme(url.substr(0, colon), scheme.tls)))
        return scheme.rule;
    pieces.scheme = url.substr(0, colon);
    url.remove_prefix(colon + 3);
    const auto slash = std::min(url.find('/'), url.size());
    pieces.authority = url.substr(0, slash);
    pieces.path = url.substr(slash);
    while (pieces.path.ends_with('/'))
        pieces.path.remove_suffix(1);
    if (pieces.authority.find('@') != std::string_view::npos)
        return UrlRule::credentials;
    if (scheme.path && !pieces.path.empty())
        return scheme.path;
    return has_dot_segment(pieces.path) ? std::optional(UrlRule::dot_segment) : std::nullopt;
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
    RuleText{UrlRule::amqp_path, "The URL must have no path: the virtual host is that of each queue."},
    RuleText{UrlRule::mail_scheme, "The URL must begin with \"smtp://\" or \"smtps://\"."},
    RuleText{UrlRule::mail_path, "The URL must not contain a path."},
};

constexpr bool rules_are_in_order() {
    for (std::size_t i = 0; i < rule_texts.size(); ++i)
        if (rule_texts[i].rule != static_cast<UrlRule>(i))
            return false;
    return rule_texts.back().rule == UrlRule::mail_path;
}
static_assert(rules_are_in_order(), "meaning_of() indexes rule_texts by rule");

Result<BaseUrl, UrlRule> check(std::string_view url, const Scheme& scheme, std::pmr::memory_resource* arena) {
    if (const auto rule = check_characters(url))
        return *rule;
    Pieces pieces;
    if (const auto rule = split(url, scheme, pieces))
        return *rule;
    BaseUrl base;
    base.tls = pieces.scheme.size() == scheme.tls.size();
    base.port = base.tls ? scheme.tls_port : scheme.plain_port;
    if (const auto rule = split_authority(pieces.authority, base))
        return *rule;
    base.loopback = is_loopback(base.host);
    std::pmr::string text(arena);
    std::transform(pieces.scheme.begin(), pieces.scheme.end(), std::back_inserter(text), lower);
    text.append("://").append(pieces.authority).append(pieces.path);
    base.text = keep(arena, text);
    // The scheme and what follows it kept their lengths, so the host stands where it stood.
    base.host = base.text.substr(static_cast<std::size_t>(base.host.data() - url.data()), base.host.size());
    return base;
}

} // namespace

std::optional<std::string_view> encode_segment(std::string_view name, std::pmr::memory_resource* arena) {
    if (name.empty() || name == "." || name == "..")
        return std::nullopt;
    return percent_encode(name, arena);
}

std::string_view encode_query_value(std::string_view text, std::pmr::memory_resource* arena) {
    return percent_encode(text, arena);
}

std::string_view look_again_query(std::string_view name, std::pmr::memory_resource* arena,
                                  std::string_view pattern) {
    std::pmr::string query("page=1&page_size=500&name=", arena);
    query += percent_encode(exact_pattern(name, pattern, arena), arena);
    query += "&use_regex=true";
    return keep(arena, query);
}

std::string_view meaning_of(UrlRule rule) noexcept {
    return rule_texts[static_cast<std::size_t>(rule)].meaning;
}

Result<BaseUrl, UrlRule> check_base_url(std::string_view url, std::pmr::memory_resource* arena) {
    return check(url, http_scheme, arena);
}

std::string_view endpoint_of(const BaseUrl& url, std::pmr::memory_resource* arena) {
    std::pmr::string text(arena);
    std::transform(url.host.begin(), url.host.end(), std::back_inserter(text), lower);
    if (text == "127.0.0.1" || text == "::1") {
        text = "localhost";
    }
    const auto path = url.text.find('/', url.text.find("://") + 3);
    text.append(":").append(std::to_string(url.port));
    if (path != std::string_view::npos) {
        text.append(url.text.substr(path));
    }
    return keep(arena, text);
}

Result<BaseUrl, UrlRule> check_amqp_url(std::string_view url, std::pmr::memory_resource* arena) {
    return check(url, amqp_scheme, arena);
}

std::optional<UrlRule> check_mail_url(std::string_view url) noexcept {
    if (const auto rule = check_characters(url))
        return rule;
    Pieces pieces;
    if (const auto rule = split(url, mail_scheme, pieces))
        return rule;
    BaseUrl base;
    return split_authority(pieces.authority, base);
}

} // namespace cloudsat::core
