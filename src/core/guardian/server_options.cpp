// Options of a broker; see server_options.hpp.

#include "core/guardian/server_options.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace cloudsat::core {
namespace {

constexpr Micros millisecond = 1000;
constexpr Micros minute = 60 * micros_per_second;
constexpr Micros hour = 60 * minute;
constexpr Micros day = 24 * hour;
constexpr Micros longest_delay = 365 * day;
constexpr std::int64_t kibi = 1024;
constexpr std::int64_t most_messages = std::numeric_limits<std::int64_t>::max();

using S = ServerOptions;
using M = MappingOptions;

constexpr OptionRule text_rule(std::string_view name, OptionKind kind, std::string_view S::*member) {
    return {.name = name, .place = OptionPlace::server, .kind = kind, .text = member};
}
constexpr OptionRule number_rule(std::string_view name, OptionKind kind, std::int64_t S::*member,
                                 std::int64_t least, std::int64_t most) {
    return {.name = name,
            .place = OptionPlace::server,
            .kind = kind,
            .least = least,
            .most = most,
            .number = member};
}
constexpr OptionRule mapping_rule(std::string_view name, OptionKind kind, std::string_view M::*member) {
    return {.name = name, .place = OptionPlace::mapping, .kind = kind, .mapping = member};
}

constexpr std::array rules{
    text_rule("management_url", OptionKind::url, &S::management_url),
    text_rule("metrics_url", OptionKind::url, &S::metrics_url),
    text_rule("amqp_url", OptionKind::amqp_url, &S::amqp_url),
    text_rule("vhosts", OptionKind::pattern, &S::vhosts),
    number_rule("poll_interval", OptionKind::duration, &S::poll_interval, 100 * millisecond, day),
    number_rule("max_poll_interval", OptionKind::duration, &S::max_poll_interval, 100 * millisecond, day),
    number_rule("timeout", OptionKind::duration, &S::timeout, 100 * millisecond, hour),
    number_rule("connect_timeout", OptionKind::duration, &S::connect_timeout, 10 * millisecond, hour),
    // The upper bound keeps a body within one palloc'd block, with room to spare.
    number_rule("max_body", OptionKind::bytes, &S::max_body, 64 * kibi, 4 * kibi * kibi * kibi),
    text_rule("ca_file", OptionKind::file, &S::ca_file),
    number_rule("tls_verify", OptionKind::boolean, &S::tls_verify, 0, 1),
    text_rule("owner_pattern", OptionKind::pattern, &S::owner_pattern),
    text_rule("reserved_owners", OptionKind::pattern, &S::reserved_owners),
    text_rule("address", OptionKind::address, &S::address),
    text_rule("admins", OptionKind::addresses, &S::admins),
    text_rule("mail_domains", OptionKind::addresses, &S::mail_domains),
    number_rule("max_mails", OptionKind::count, &S::max_mails, 1, 1'000'000),
    text_rule("account_read", OptionKind::pattern, &S::account_read),
    number_rule("warn_size", OptionKind::count, &S::warn_size, 0, most_messages),
    number_rule("archive_size", OptionKind::count, &S::archive_size, 0, most_messages),
    number_rule("max_archive_size", OptionKind::count, &S::max_archive_size, 0, most_messages),
    number_rule("delete_size", OptionKind::count, &S::delete_size, 0, most_messages),
    number_rule("delete_delay", OptionKind::duration, &S::delete_delay, 0, longest_delay),
    number_rule("enforce", OptionKind::boolean, &S::enforce, 0, 1),
    mapping_rule("user", OptionKind::text, &M::user),
    mapping_rule("password", OptionKind::text, &M::password),
    mapping_rule("password_file", OptionKind::file, &M::password_file),
};

constexpr bool each_rule_has_one_place() {
    for (const OptionRule& rule : rules) {
        const int places = (rule.number != nullptr) + (rule.text != nullptr) + (rule.mapping != nullptr);
        if (places != 1 || (rule.place == OptionPlace::mapping) != (rule.mapping != nullptr)) {
            return false;
        }
    }
    return true;
}
static_assert(each_rule_has_one_place());

struct Unit {
    std::string_view name;
    std::int64_t factor;
};
// the units of PostgreSQL's own settings
constexpr std::array duration_units{
    Unit{"us", 1},       Unit{"ms", millisecond}, Unit{"s", micros_per_second},
    Unit{"min", minute}, Unit{"h", hour},         Unit{"d", day},
};
constexpr std::array byte_units{
    Unit{"B", 1},
    Unit{"kB", kibi},
    Unit{"MB", kibi* kibi},
    Unit{"GB", kibi* kibi* kibi},
    Unit{"TB", kibi* kibi* kibi* kibi},
};

std::string_view trim(std::string_view text) noexcept {
    constexpr std::string_view blank = " \t\n\r\f\v";
    const auto first = text.find_first_not_of(blank);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

// "1.5 min" times the factor of its unit; `plain` is the factor without a unit
std::optional<std::int64_t> parse_quantity(std::string_view text, std::span<const Unit> units,
                                           std::int64_t plain) noexcept {
    text = trim(text);
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc{} || !std::isfinite(number) || number < 0) {
        return std::nullopt;
    }
    const std::string_view unit = trim(text.substr(static_cast<std::size_t>(end - text.data())));
    std::int64_t factor = plain;
    if (!unit.empty()) {
        factor = 0;
        for (const Unit& known : units) {
            if (known.name == unit) {
                factor = known.factor;
            }
        }
        if (factor == 0) {
            return std::nullopt;
        }
    }
    const double value = std::round(number * static_cast<double>(factor));
    // above 2^53 a double is no longer an exact count; no bound is that large
    if (value > 9007199254740992.0) {
        return std::numeric_limits<std::int64_t>::max();
    }
    return static_cast<std::int64_t>(value);
}

bool equal_ignoring_case(std::string_view a, std::string_view lower) noexcept {
    if (a.size() != lower.size()) {
        return false;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] - 'A' + 'a') : a[i];
        if (c != lower[i]) {
            return false;
        }
    }
    return true;
}

} // namespace

std::span<const OptionRule> option_rules() noexcept {
    return rules;
}

const OptionRule* find_option(OptionPlace place, std::string_view name) noexcept {
    for (const OptionRule& rule : rules) {
        if (rule.place == place && rule.name == name) {
            return &rule;
        }
    }
    return nullptr;
}

std::optional<Micros> parse_duration(std::string_view text) noexcept {
    return parse_quantity(text, duration_units, micros_per_second);
}

std::optional<std::int64_t> parse_bytes(std::string_view text) noexcept {
    return parse_quantity(text, byte_units, 1);
}

std::optional<std::int64_t> parse_count(std::string_view text) noexcept {
    text = trim(text);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

std::optional<bool> parse_boolean(std::string_view text) noexcept {
    text = trim(text);
    for (std::string_view yes : {"on", "true", "yes", "1"}) {
        if (equal_ignoring_case(text, yes)) {
            return true;
        }
    }
    for (std::string_view no : {"off", "false", "no", "0"}) {
        if (equal_ignoring_case(text, no)) {
            return false;
        }
    }
    return std::nullopt;
}

OptionFault read_option(const OptionRule& rule, std::string_view value, ServerOptions& options) noexcept {
    if (value.empty()) {
        return OptionFault::empty;
    }
    if (rule.text != nullptr) {
        options.*rule.text = value;
        return OptionFault::none;
    }
    std::optional<std::int64_t> number;
    switch (rule.kind) {
    case OptionKind::duration:
        number = parse_duration(value);
        break;
    case OptionKind::bytes:
        number = parse_bytes(value);
        break;
    case OptionKind::count:
        number = parse_count(value);
        break;
    case OptionKind::boolean:
        number = parse_boolean(value);
        break;
    default:
        break;
    }
    if (!number) {
        return OptionFault::malformed;
    }
    if (*number < rule.least || *number > rule.most) {
        return OptionFault::out_of_range;
    }
    options.*rule.number = *number;
    return OptionFault::none;
}

OptionFault read_option(const OptionRule& rule, std::string_view value, MappingOptions& options) noexcept {
    if (value.empty()) {
        return OptionFault::empty;
    }
    options.*rule.mapping = value;
    return OptionFault::none;
}

std::optional<std::string_view> next_item(std::string_view& list) noexcept {
    if (list.data() == nullptr) {
        return std::nullopt;
    }
    const auto comma = list.find(',');
    const std::string_view item = trim(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    return item;
}

std::string_view expected(OptionKind kind) noexcept {
    switch (kind) {
    case OptionKind::url:
        return "A URL begins with http:// or https:// and contains no user name and no password.";
    case OptionKind::amqp_url:
        return "A URL begins with amqp:// or amqps:// and contains no user name, no password and no virtual "
               "host.";
    case OptionKind::duration:
        return "A duration is a number with the unit us, ms, s, min, h or d; without a unit it means "
               "seconds.";
    case OptionKind::bytes:
        return "A size is a number with the unit B, kB, MB, GB or TB; without a unit it means bytes.";
    case OptionKind::count:
        return "A number of messages is a whole number, 0 or more.";
    case OptionKind::boolean:
        return "A boolean is on or off.";
    case OptionKind::pattern:
        return "A pattern is a regular expression for PostgreSQL's operator ~.";
    case OptionKind::address:
        return "The value must be of the type cloudsat.address.";
    case OptionKind::addresses:
        return "The value is a list of cloudsat.address, separated by commas.";
    case OptionKind::file:
        return "A file is an absolute path on the database server.";
    case OptionKind::text:
        return "The value must not be empty.";
    }
    return "";
}

std::optional<OptionConflict> find_conflict(const ServerOptions& options) noexcept {
    if (options.warn_size > options.delete_size) {
        return OptionConflict{"warn_size", "Sizes must increase: warn_size must not exceed delete_size."};
    }
    if (options.archive_size != off) {
        if (options.archive_size < options.warn_size || options.archive_size > options.delete_size) {
            return OptionConflict{"archive_size",
                                  "Sizes must increase: archive_size must be between warn_size and "
                                  "delete_size."};
        }
        if (options.amqp_url.empty()) {
            return OptionConflict{"archive_size", "Archiving needs AMQP, but the server has no amqp_url."};
        }
    }
    if (options.poll_interval > options.max_poll_interval) {
        return OptionConflict{"poll_interval", "poll_interval must not exceed max_poll_interval."};
    }
    return std::nullopt;
}

} // namespace cloudsat::core
