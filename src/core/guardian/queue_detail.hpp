// One queue's own document, GET /api/queues/VHOST/NAME, and what it says against taking messages from the
// queue: the archive is a guest, and stands back where it would disturb a client or the queue itself. Reads
// and decides; asks nobody.
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

// By what the broker drops messages, or the queue with them.
struct DropLimits {
    std::optional<std::int64_t> max_length = {};
    std::optional<std::int64_t> max_bytes = {};
    std::optional<std::int64_t> message_ttl_ms = {};
    std::optional<std::int64_t> expires_ms = {};

    void lower_to(const DropLimits& other) noexcept; // of two limits the lower one counts
    bool allows_less_than(const DropLimits& other) const noexcept;
};

// Its DropLimits are those of arguments and policies. The document does not tell policies of a queue whose
// statistics the broker does not have (yet), and is up to 10 s behind a policy that was set.
struct QueueDetail : DropLimits {
    Facts facts; // its numbers are up to 10 s old
    std::optional<std::int64_t> ready_bytes;
    std::optional<std::int64_t>
        consumers_told; // of whom it is known what they are; absent: the broker tells nothing
    bool exclusive_consumer = false;
    bool single_active_consumer = false;
    bool expires = false;    // by an argument or a policy
    bool priorities = false; // x-max-priority, which no policy of the broker can give
    std::optional<std::int64_t> delivery_limit;

    bool policies_told = false;
    std::string_view policy; // its name; empty for none. A listing without statistics tells it at once
    std::optional<std::int64_t> bytes; // of all its messages
};

// Of a page of a listing, the row of this queue is read; when it has none, the fault is not_found. The names
// are texts as core/wire/broker_name.hpp has them.
Result<QueueDetail, DecodeFault> read_queue_detail(JsonText text, std::pmr::memory_resource* arena,
                                                   std::string_view vhost = {}, std::string_view name = {});

// A policy or operator policy of a virtual host.
struct BrokerPolicy {
    std::string_view name;
    std::string_view pattern; // a regular expression, as the broker understands it
    std::int64_t priority = 0;
    DropLimits limits;
};

// From GET /api/policies/VHOST or /api/operator-policies/VHOST, which know at once what was set: those for
// queues of this type, the highest priority first. Others' virtual hosts in the document are left out.
Result<std::span<const BrokerPolicy>, DecodeFault> read_broker_policies(JsonText text, std::string_view vhost,
                                                                        std::string_view type,
                                                                        std::pmr::memory_resource* arena);

// Half a sentence that lives for ever; empty when messages may be taken.
// `expressly`: a policy of its own says that this queue is archived.
std::string_view reason_to_stand_back(const QueueDetail& queue, bool expressly = false) noexcept;

// The same for publishing to it what must not be dropped: half a sentence, empty when messages stay there.
// Limits of its size are no reason; there are so many messages as fit.
std::string_view reason_to_keep(const QueueDetail& queue) noexcept;

// Up to which size the guardian leaves the queue in peace.
struct Ceiling {
    std::optional<std::int64_t> size; // absent: up to any
    bool archived = false;            // it is archived above, else deleted
};

// `archives`: what the limits call for is done, so that the archive takes messages. Deletion counts even
// where it is not done: that may be switched on at any moment.
Ceiling ceiling_of(const QueueDetail& queue, const Limits& limits, Owner owner, bool archives,
                   bool expressly) noexcept;

// How many messages the queue may still get below a ceiling, with `ready` of them there now. What clients
// have taken since the statistics may come back, or be done: `least` supposes that it comes back.
struct Room {
    std::int64_t least = 0;
    std::int64_t most = 0;
};
Room room_below(std::int64_t ceiling, const QueueDetail& queue, Basis basis, std::int64_t ready) noexcept;

// What the broker drops sooner than this, whoever reads the queue may never see.
constexpr std::int64_t shortest_life_ms = 60 * 1000;

// A quorum queue counts how often a message was given back, and drops it beyond its limit (20 by default from
// RabbitMQ 4.0 on). So attempts that fail are not repeated often.
constexpr std::int64_t least_delivery_limit = 5;
constexpr int most_failures_of_quorum = 3;

} // namespace cloudsat::core
