// Options of a broker's foreign server and of its user mapping: names, defaults, bounds and parsing, in one
// table for both the validator and the guardian. Pure: guardian/server.cpp checks what needs the server
// (patterns, addresses, files).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/guardian/judge.hpp"

namespace cloudsat::core {

// Object that may have an option.
enum class OptionPlace : std::uint8_t { wrapper, server, mapping, table };

enum class OptionKind : std::uint8_t {
    url,      // http or https
    amqp_url, // amqp or amqps
    duration, // '5s', '300ms', '2min'; a plain number is seconds
    bytes,    // '256MB', '64kB'; a plain number is bytes
    count,    // number of messages
    boolean,
    pattern,   // a PostgreSQL regular expression
    address,   // a cloudsat.address
    addresses, // several, separated by commas
    file,      // an absolute path on the database server
    text,
};

// For a number of messages: no limit.
inline constexpr std::int64_t off = -1;

// Options of CREATE SERVER, with defaults. Texts are views of the parsed options.
struct ServerOptions {
    std::string_view management_url;
    std::string_view metrics_url;
    std::string_view amqp_url; // empty: no archiving
    std::string_view vhosts;   // empty: all
    std::string_view ca_file;
    std::string_view owner_pattern = "^queue/([^/]+)/";
    std::string_view reserved_owners; // empty: none
    std::string_view address = "guardian";
    std::string_view admins; // empty: none
    std::string_view
        mail_domains; // addresses below which the name of a queue suffices as recipient; empty: none
    std::string_view account_read; // what accounts may read besides their own objects; empty: nothing
    std::int64_t poll_interval = 5 * micros_per_second;
    std::int64_t max_poll_interval = 300 * micros_per_second;
    std::int64_t timeout = 60 * micros_per_second;
    std::int64_t connect_timeout = 2 * micros_per_second;
    std::int64_t max_body = std::int64_t{256} * 1024 * 1024;
    std::int64_t warn_size = 2000;
    std::int64_t archive_size = off;
    std::int64_t max_archive_size = off;
    std::int64_t delete_size = 8000;
    std::int64_t delete_delay = 0 * micros_per_second;
    std::int64_t max_mails = 100; // to owners, within an hour
    std::int64_t tls_verify = 1;
    std::int64_t enforce = 0;
};

struct MappingOptions {
    std::string_view user;
    std::string_view password;
    std::string_view password_file;
};

struct OptionRule {
    std::string_view name;
    OptionPlace place;
    OptionKind kind;
    std::int64_t least = 0; // bounds of a number
    std::int64_t most = 0;
    std::int64_t ServerOptions::*number = nullptr; // where the value is stored
    std::string_view ServerOptions::*text = nullptr;
    std::string_view MappingOptions::*mapping = nullptr;
};

std::span<const OptionRule> option_rules() noexcept;

// The rule for that name and place, or null.
const OptionRule* find_option(OptionPlace place, std::string_view name) noexcept;

// Parse option values; nothing if the text is invalid. They do not check bounds.
std::optional<Micros> parse_duration(std::string_view text) noexcept;
std::optional<std::int64_t> parse_bytes(std::string_view text) noexcept;
std::optional<std::int64_t> parse_count(std::string_view text) noexcept;
std::optional<bool> parse_boolean(std::string_view text) noexcept;

enum class OptionFault : std::uint8_t { none, empty, malformed, out_of_range };

// Reads one value into its member. Texts are only checked for emptiness.
OptionFault read_option(const OptionRule& rule, std::string_view value, ServerOptions& options) noexcept;
OptionFault read_option(const OptionRule& rule, std::string_view value, MappingOptions& options) noexcept;

// Removes the first item from a comma-separated list and returns it without surrounding blanks. Nothing at
// the end of the list.
std::optional<std::string_view> next_item(std::string_view& list) noexcept;

// Description of a valid value, as a sentence.
std::string_view expected(OptionKind kind) noexcept;

// The first conflict between two options, and the reason; nothing if there is none.
struct OptionConflict {
    std::string_view option;
    std::string_view detail; // a sentence
};
std::optional<OptionConflict> find_conflict(const ServerOptions& options) noexcept;

} // namespace cloudsat::core
