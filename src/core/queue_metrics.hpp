// Decodes the Prometheus text of GET /metrics/detailed?family=queue_coarse_metrics: sizes of queues at a
// tenth of the price of any other listing, and nothing but sizes. Hand-written: Debian has no library for it.
//
// RabbitMQ does not escape label values (measured on RabbitMQ 3.10; mended in October 2023, rabbitmq-server
// issue 9648): whoever may declare a queue can write into this document, by a name with a quote in it.
// (Newlines the broker takes out of names when queues are declared; nothing here relies on that.) Therefore:
//
// A line that does not read as a sample is left out and counted, and blinds nobody to the other queues. Once
// there is such a line, the document is one without escapes, and names with a backslash are left out. A queue
// with two samples of one kind has no known size at all. So a forged line can hide a size, and then its queue
// must be looked at in another way; it can never change one.
//
// What decides about a queue looks again through the management API before it acts.
#pragma once

#include "core/fault.hpp"
#include "core/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <string_view>

namespace cloudsat::core {

// One queue's sizes; absent when the document does not tell them or they are no counts. Texts live in the
// arena, each with a NUL behind it.
struct QueueSizes {
    std::string_view vhost;
    std::string_view name;
    std::optional<std::int64_t> messages;
    std::optional<std::int64_t> ready;
    std::optional<std::int64_t> unacknowledged;
};

struct QueueMetrics {
    std::span<const QueueSizes> rows; // of all vhosts, in the order of the document
    // Lines that could not be read, and queues whose name is ambiguous or has no form in PostgreSQL. When
    // this is not 0, some queue's size is known to the management API only.
    std::size_t unusable = 0;
};

// The rows are allocated from the arena and never given back singly: release it as a whole.
// A document is refused when it does not announce all three families (it is some other page, or it was cut
// short), or does not end with a newline. Throws std::bad_alloc when the arena does.
Result<QueueMetrics, DecodeFault> read_queue_metrics(std::string_view text, std::pmr::memory_resource* arena);

} // namespace cloudsat::core
