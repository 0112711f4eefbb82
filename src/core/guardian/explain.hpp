// What the guardian knows of a queue, under which rules it judges it and what would become of it, as rows for
// people and programs: explain_queue(). Pure; the decisions are asked of those who make them (judge,
// second_look, prospect), the facts are gathered by guardian/explain.cpp. Times come as text, in the
// session's time zone.
#pragma once

#include <array>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <string_view>

#include "core/guardian/server_options.hpp"
#include "core/guardian/sweep_diff.hpp"
#include "core/guardian/trend.hpp"

namespace cloudsat::core {

// A row of queue_policies that matches the queue, as far as it is told.
struct PolicyMatch {
    std::int64_t id = 0;
    std::int64_t priority = 0;
    std::string_view comment = {};
    std::optional<std::int64_t> warn_size = {};
    std::optional<std::int64_t> archive_size = {}; // -1: never
    std::optional<std::int64_t> max_archive_size = {};
    std::optional<std::int64_t> delete_size = {};
    std::optional<Micros> delete_delay = {};
};

enum class Record : std::uint8_t { none, there, gone };

struct QueueCase {
    std::string_view server;
    const ServerOptions* options = nullptr;
    // Is the option of that name given, or a default?
    bool (*given)(const void* server, std::string_view option) = nullptr;
    const void* given_by = nullptr;
    bool watched = true;      // its virtual host is
    std::string_view watcher; // of the broker, in place of this server's guard; empty: nobody else
    bool dots = false;        // it has no address over HTTP
    bool held_back = false;   // enforce is on, but not here
    std::string_view why_not; // nothing is deleted, while it is not enforced

    // the last polls; empty: never
    std::string_view last_poll;
    std::string_view last_success;
    std::int64_t failures = 0;
    std::string_view error_kind;

    // the rules in force now, and whether the row was judged by them
    std::span<const PolicyMatch> policies; // the first one counts
    Limits limits;
    Owner owner = Owner::none;
    std::string_view owner_name;
    std::string_view mailed;     // addresses of owners that get mail
    std::string_view not_mailed; // those that are known from the name of the queue alone
    std::string_view mail_waits; // what of it waits, and why
    bool has_mail_server = false;
    std::string_view owners; // addresses that the account is mapped to
    bool judged_so = true;

    // the row
    Record record = Record::none;
    std::string_view first_seen;
    std::string_view gone_at;
    Facts facts;
    SizeSource source = SizeSource::none;
    Standing standing;
    double growth = 0;
    std::optional<Trend> trend;
    std::string_view incident;
    std::string_view incident_at;
    std::optional<std::int64_t> incident_size;
    std::string_view belayed_by; // who holds it, or lets go of it, when that is unheard
    std::string_view belayed_at;
    bool unheard = false; // the last poll did not know of it
    std::string_view would_delete_at;
    std::int64_t archived = 0;   // since archiving is on
    std::int64_t in_archive = 0; // of it
    std::string_view withheld_because;
    std::string_view archive_retry; // empty: none
    std::string_view intended_at;
    Micros intended_for = 0; // how long the intention is open
    std::int64_t attempts = 0;
    std::int64_t failed_attempts = 0;
    std::string_view retry_after;

    Circumstances circumstances; // of a poll that would begin now
};

struct ExplainLine {
    std::string_view item;
    std::optional<std::string_view> value;
    std::string_view detail;
};

struct Explanation {
    std::span<const ExplainLine> rows() const noexcept { return {list.data(), count}; }

    std::array<ExplainLine, 48> list;
    std::size_t count = 0;
};

// Its texts live in the arena.
Explanation explain_queue(const QueueCase& queue, std::pmr::memory_resource* arena);

} // namespace cloudsat::core
