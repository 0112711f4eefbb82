// The broker's document about one queue, GET /api/queues/VHOST/NAME, and the reasons in it against archiving
// the queue: archiving must not disturb a client or the queue itself. Parses and decides; no I/O.
#pragma once

#include "core/base/fault.hpp"
#include "core/base/result.hpp"
#include "core/guardian/judge.hpp"
#include "core/wire/document.hpp"
#include "core/wire/queue_facts.hpp"

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <string_view>

namespace cloudsat::core {

// Limits by which the broker drops messages, or the queue with them.
struct DropLimits {
    std::optional<std::int64_t> max_length = {};
    std::optional<std::int64_t> max_bytes = {};
    std::optional<std::int64_t> message_ttl_ms = {};
    std::optional<std::int64_t> expires_ms = {};

    void lower_to(const DropLimits& other) noexcept; // keeps the lower of the two limits
    bool allows_less_than(const DropLimits& other) const noexcept;
};

// Its DropLimits come from arguments and policies. The document omits policies if the broker has no
// statistics of the queue (yet), and lags up to 10 s behind a new policy.
struct QueueDetail : DropLimits {
    Facts facts; // its numbers are up to 10 s old
    std::optional<std::int64_t> ready_bytes;
    std::optional<std::int64_t>
        consumers_told; // consumers with known properties; absent if the broker reports none
    bool exclusive_consumer = false;
    bool single_active_consumer = false;
    bool expires = false;    // by an argument or a policy
    bool priorities = false; // x-max-priority, which no policy of the broker can set
    std::optional<std::int64_t> delivery_limit;

    bool policies_told = false;
    std::string_view policy; // its name; empty for none. A listing without statistics reports it at once
    std::optional<std::int64_t> bytes; // of all its messages
};

// From a page of a listing, reads the row of this queue; not_found if there is none. The names are texts as
// in core/wire/broker_name.hpp.
Result<QueueDetail, DecodeFault> read_queue_detail(JsonText text, std::pmr::memory_resource* arena,
                                                   std::string_view vhost = {}, std::string_view name = {});

// A policy or operator policy of a virtual host.
struct BrokerPolicy {
    std::string_view name;
    std::string_view pattern; // a regular expression in the broker's syntax
    std::int64_t priority = 0;
    DropLimits limits;
};

// From GET /api/policies/VHOST or /api/operator-policies/VHOST, which show changes at once: those for queues
// of this type, highest priority first. Skips other virtual hosts in the document.
Result<std::span<const BrokerPolicy>, DecodeFault> read_broker_policies(JsonText text, std::string_view vhost,
                                                                        std::string_view type,
                                                                        std::pmr::memory_resource* arena);

// Why the archive must not take messages, as a clause with static lifetime; empty if it may.
// `expressly`: a policy with its own archive_size applies to this queue.
std::string_view reason_to_stand_back(const QueueDetail& queue, bool expressly = false) noexcept;

// The same for publishing messages that must not be dropped; empty if the queue keeps them. Limits of its
// size are no reason: the number of messages is chosen to fit.
std::string_view reason_to_keep(const QueueDetail& queue) noexcept;

// The size up to which the guardian takes no action on the queue.
struct Ceiling {
    std::optional<std::int64_t> size; // absent if unlimited
    bool archived = false;            // above it the queue is archived, else deleted
};

// `archives`: limits are enforced, so the archive takes messages. Deletion counts even while it is off,
// because it can be switched on at any time.
Ceiling ceiling_of(const QueueDetail& queue, const Limits& limits, Owner owner, bool archives,
                   bool expressly) noexcept;

// Number of messages that the queue can still take below a ceiling with `ready` of them present. Messages
// taken by clients since the statistics may come back; `least` assumes that they do.
struct Room {
    std::int64_t least = 0;
    std::int64_t most = 0;
};
Room room_below(std::int64_t ceiling, const QueueDetail& queue, Basis basis, std::int64_t ready) noexcept;

// The broker may drop messages with a shorter life before any client reads them.
constexpr std::int64_t shortest_life_ms = 60 * 1000;

// A quorum queue counts how often a message was returned, and drops it beyond its limit (20 by default since
// RabbitMQ 4.0). So failed attempts are not repeated often.
constexpr std::int64_t least_delivery_limit = 5;
constexpr int most_failures_of_quorum = 3;

} // namespace cloudsat::core
