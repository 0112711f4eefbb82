// One cycle with a broker: load the known state, fetch, record. The steps are separate so that a worker holds
// no transaction while it waits for the broker:
//
//     in a transaction:  begin()    reads the server's options and the known state of its queues
//     anywhere:          fetch()    asks the broker; waits on latch, socket and timeout, can be cancelled
//     in a transaction:  record()   judges and writes; takes effect when the caller commits
//
// The caller holds the server's lock (guardian/server.hpp) in all three. A cycle lives in its memory context;
// resetting that drops a request in progress.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/fault.hpp"
#include "core/guardian/sweep_diff.hpp"
#include "core/wire/binding_listing.hpp"
#include "guardian/broker.hpp"
#include "guardian/server.hpp"
#include "net/http.hpp"
#include "pg/boundary.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "utils/uuid.h"
}

namespace cloudsat::guardian {

// Columns of cloudsat.queues that core does not judge. Times are 0 for null.
struct RowExtras {
    TimestampTz first_seen = 0;
    TimestampTz gone_at = 0;
    TimestampTz would_delete_at = 0;
    TimestampTz intended_at = 0;
    TimestampTz incident_at = 0;
    TimestampTz belayed_at = 0;
    TimestampTz archive_at = 0;
    TimestampTz archive_retry = 0;
    std::int64_t incident_size = 0;
    std::int64_t archived = 0;
    std::uint64_t intended_xact = 0;
    std::int32_t attempts = 0;
    std::int32_t failures = 0;
    std::int32_t archive_failures = 0;
    std::optional<pg_uuid_t> incident;
    std::string_view belayed_by;
};

// A row of cloudsat.polls. Times are 0 for null, texts empty.
struct PollRow {
    std::string_view home;
    std::string_view enforce_home;
    bool enforce_held_back = false;
    std::int64_t cycle = 0;
    TimestampTz last_poll = 0;
    TimestampTz last_success = 0;
    TimestampTz next_poll = 0;
    TimestampTz up_since = 0;
    double fetch_ms = 0;
    double record_ms = 0;
    std::int64_t bytes = 0;
    std::optional<std::int64_t> queues;
    std::int64_t unusable = 0;
    std::int32_t failures = 0;
    std::string_view error_kind;
    std::string_view error;
    TimestampTz error_at = 0;
    std::int64_t missing = 0;
    std::int32_t missing_polls = 0;
    TimestampTz missing_since = 0;
    TimestampTz names_at = 0;
    TimestampTz bindings_at = 0;
    TimestampTz users_at = 0;
    std::string_view rules;
};

struct Fault {
    core::FaultKind kind = core::FaultKind::none;
    std::string_view text; // one line for people
};

// The bindings of one vhost, or of one queue in it.
struct BindingsRead {
    std::uint32_t vhost = 0;
    std::string_view queue; // empty: of the whole vhost
    std::span<const core::BindingRow> rows;
};

struct Cycle {
    MemoryContext context = nullptr;
    const Server* server = nullptr;
    net::Http* http = nullptr;
    net::Http* metrics = nullptr;               // a second connection, to metrics_url; null without one
    std::pmr::memory_resource* arena = nullptr; // for data that lives as long as the cycle; freed as a whole
    PollRow past;                               // from the last poll; empty before the first
    core::Sweep* sweep = nullptr;
    bool archives = true; // archiving follows; false for poll()

    // from fetch()
    TimestampTz began = 0;
    bool reached = false;  // the broker listed the queues of at least one vhost
    bool complete = false; // it listed all visible queues: absence counts
    bool all_names = false;
    bool all_bindings = false;
    bool users_asked = false; // the broker has answered; it lists none without the administrator tag
    std::span<const std::string_view> users;
    Fault fault;
    std::int64_t bytes = 0;
    std::int64_t fetch_us = 0;
    std::size_t unusable = 0;
    std::pmr::vector<BindingsRead>* bindings = nullptr;
};

struct Report {
    bool ok = false; // the poll saw the whole broker
    std::int64_t queues = 0;
    std::int64_t changed = 0;
    std::int64_t events = 0;
    std::int64_t bytes = 0;
    double fetch_ms = 0;
    double record_ms = 0;
    core::FaultKind kind = core::FaultKind::none;
    const char* error = ""; // lives as long as the cycle
    TimestampTz next_poll = 0;
};

// Closes and deletes the state of another server that had this name: the queues of this one are new. begin()
// calls it; so must other readers of the known state.
void forget_namesake(const Server& server);

Cycle* begin(const Server* server, net::Http& http, MemoryContext context);

} // namespace cloudsat::guardian
