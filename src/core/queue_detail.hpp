// One queue's own document, GET /api/queues/VHOST/NAME, and what it says against taking messages from the
// queue: the archive is a guest, and stands back where it would disturb a client or the queue itself. Reads
// and decides; asks nobody.
#pragma once

#include "core/document.hpp"
#include "core/fault.hpp"
#include "core/result.hpp"
#include "core/sweep_diff.hpp"

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>

namespace cloudsat::core {

struct QueueDetail {
    Facts facts; // its numbers are up to 10 s old
    std::optional<std::int64_t> ready_bytes;
    std::optional<std::int64_t>
        consumers_told; // of whom it is known what they are; absent: the broker tells nothing
    bool exclusive_consumer = false;
    bool single_active_consumer = false;
    bool expires = false;    // by an argument or a policy
    bool priorities = false; // x-max-priority, which no policy of the broker can give
    std::optional<std::int64_t> delivery_limit;

    // By what the broker drops messages, the lower of argument and policy. Not told of a queue whose
    // statistics the broker does not have (yet): then what a policy says is not known.
    bool policies_told = false;
    std::optional<std::int64_t> bytes; // of all its messages
    std::optional<std::int64_t> max_length;
    std::optional<std::int64_t> max_bytes;
    std::optional<std::int64_t> message_ttl_ms;
    std::optional<std::int64_t> expires_ms;
};

// Of a page of a listing, the row of this queue is read; when it has none, the fault is not_found. The names
// are texts as core/broker_name.hpp has them.
Result<QueueDetail, DecodeFault> read_queue_detail(JsonText text, std::pmr::memory_resource* arena,
                                                   std::string_view vhost = {}, std::string_view name = {});

// Half a sentence that lives for ever; empty when messages may be taken.
// `expressly`: a policy of its own says that this queue is archived.
std::string_view reason_to_stand_back(const QueueDetail& queue, bool expressly = false) noexcept;

// The same for publishing to it what must not be dropped: half a sentence, empty when messages stay there.
// Limits of its size are no reason; there are so many messages as fit.
std::string_view reason_to_keep(const QueueDetail& queue) noexcept;

// What the broker drops sooner than this, whoever reads the queue may never see.
constexpr std::int64_t shortest_life_ms = 60 * 1000;

// A quorum queue counts how often a message was given back, and drops it beyond its limit (20 by default from
// RabbitMQ 4.0 on). So attempts that fail are not repeated often.
constexpr std::int64_t least_delivery_limit = 5;
constexpr int most_failures_of_quorum = 3;

} // namespace cloudsat::core
