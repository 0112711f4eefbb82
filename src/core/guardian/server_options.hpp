// The options of a broker's foreign server and of its user mapping: names, defaults, bounds, and how each
// value is read. One table says it all, for the validator and for the guardian alike. Pure: what needs the
// server to check (patterns, addresses, files) is checked by guardian/server.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/guardian/judge.hpp"

namespace cloudsat::core {

// Where an option may stand.
enum class OptionPlace : std::uint8_t { wrapper, server, mapping, table };

enum class OptionKind : std::uint8_t {
    url,      // http or https
    amqp_url, // amqp or amqps
    duration, // '5s', '300ms', '2min'; a plain number means seconds
    bytes,    // '256MB', '64kB'; a plain number means bytes
    count,    // messages
    boolean,
    pattern,   // a regular expression of the server's
    address,   // a cloudsat.address
    addresses, // several, with commas in between
    file,      // an absolute path on the server's machine
    text,
};

// Of a number of messages: there is no such limit.
inline constexpr std::int64_t off = -1;

// What a CREATE SERVER says, with the defaults where it is silent. Texts are views of what was parsed.
struct ServerOptions {
    std::string_view management_url;
    std::string_view metrics_url;
    std::string_view amqp_url; // empty: nothing is archived
    std::string_view vhosts;   // empty: all
    std::string_view ca_file;
    std::string_view owner_pattern = "^queue/([^/]+)/";
    std::string_view reserved_owners; // empty: nobody
    std::string_view address = "guardian";
    std::string_view admins; // empty: nobody
    std::string_view
        mail_domains; // addresses under which a queue's name alone says whom to mail; empty: none
    std::string_view account_read; // what accounts may read beside their own; empty: nothing
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
    std::int64_t ServerOptions::*number = nullptr; // where the value goes
    std::string_view ServerOptions::*text = nullptr;
    std::string_view MappingOptions::*mapping = nullptr;
};

std::span<const OptionRule> option_rules() noexcept;

// The rule of that name at that place, or null.
const OptionRule* find_option(OptionPlace place, std::string_view name) noexcept;

// The numbers that options are written as; nothing when the text is not one. They check no bounds.
std::optional<Micros> parse_duration(std::string_view text) noexcept;
std::optional<std::int64_t> parse_bytes(std::string_view text) noexcept;
std::optional<std::int64_t> parse_count(std::string_view text) noexcept;
std::optional<bool> parse_boolean(std::string_view text) noexcept;

enum class OptionFault : std::uint8_t { none, empty, malformed, out_of_range };

// Reads one value into its place. Texts are only looked at for emptiness.
OptionFault read_option(const OptionRule& rule, std::string_view value, ServerOptions& options) noexcept;
OptionFault read_option(const OptionRule& rule, std::string_view value, MappingOptions& options) noexcept;

// Takes the first item off a list with commas in between, without the blanks around it. Nothing when the
// list is at its end.
std::optional<std::string_view> next_item(std::string_view& list) noexcept;

// What a proper value looks like, as a sentence for people.
std::string_view expected(OptionKind kind) noexcept;

// The first two options that contradict each other, and why; nothing when the whole makes sense.
struct OptionConflict {
    std::string_view option;
    std::string_view detail; // a sentence
};
std::optional<OptionConflict> find_conflict(const ServerOptions& options) noexcept;

} // namespace cloudsat::core
