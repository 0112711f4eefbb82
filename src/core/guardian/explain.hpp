// Explains a queue as rows for people and programs, in explain_queue(): what the guardian knows of it, the
// rules that apply, and the outlook. Pure. The decisions come from the code that makes them (judge,
// second_look, prospect); guardian/explain.cpp gathers the facts. Times are text in the session's time zone.
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

// The shown part of a row of queue_policies that matches the queue.
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
    // True if the option of that name is set; false if it has its default.
    bool (*given)(const void* server, std::string_view option) = nullptr;
    const void* given_by = nullptr;
    bool watched = true;      // its virtual host is watched
    std::string_view watcher; // watcher of the broker other than this server's guard; empty if none
    bool dots = false;        // its name has no address over HTTP
    bool held_back = false;   // enforce is on, but not in effect here
    std::string_view why_not; // why nothing is deleted while limits are not enforced

    // the last polls; empty if never
    std::string_view last_poll;
    std::string_view last_success;
    std::int64_t failures = 0;
    std::string_view error_kind;

    // the rules in force now, and whether the row was judged by them
    std::span<const PolicyMatch> policies; // the first one applies
    Limits limits;
    Owner owner = Owner::none;
    std::string_view owner_name;
    std::string_view mailed;     // addresses of owners that get mail
    std::string_view not_mailed; // addresses known only from the name of the queue
    std::string_view mail_waits; // pending notices and the reason for the delay
    bool has_mail_server = false;
    std::string_view owners; // addresses that own the account
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
    std::string_view belayed_by; // who put it on hold or ended the hold, if that is unheard
    std::string_view belayed_at;
    bool unheard = false; // the last poll did not know of it
    std::string_view would_delete_at;
    std::int64_t archived = 0;   // since archiving began
    std::int64_t in_archive = 0; // its messages in the archive
    std::string_view withheld_because;
    std::string_view archive_retry; // empty if none
    std::string_view intended_at;
    Micros intended_for = 0; // age of the intention
    std::int64_t attempts = 0;
    std::int64_t failed_attempts = 0;
    std::string_view retry_after;

    Circumstances circumstances; // those of a poll starting now
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

// The texts live in the arena.
Explanation explain_queue(const QueueCase& queue, std::pmr::memory_resource* arena);

} // namespace cloudsat::core
