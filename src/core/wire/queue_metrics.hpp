// Decodes the Prometheus text of GET /metrics/detailed?family=queue_coarse_metrics: sizes of queues at a
// tenth of the cost of any other listing, and nothing else. Hand-written: Debian has no library for it.
//
// RabbitMQ does not escape label values (measured on RabbitMQ 3.10; fixed in October 2023, rabbitmq-server
// issue 9648). So a client that may declare a queue can inject text into this document, by a name with a
// quote in it. (The broker removes newlines from names of declared queues; this code does not rely on that.)
// Therefore:
//
// A line that does not parse as a sample is skipped and counted; the other queues are still read. After such
// a line, the document is assumed not to escape, and names with a backslash are skipped. A queue with two
// samples of one kind has no known size. So a forged line can hide a size, and the queue must then be read
// from another listing; but it can never change a size.
//
// Decisions about a queue always look again through the management API before acting.
#pragma once

#include "core/base/fault.hpp"
#include "core/base/result.hpp"
#include "core/wire/document.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cloudsat::core {

// Sizes of one queue, with names as the broker has them, including NUL. A size is absent if the document
// lacks it or it is not a count.
struct QueueSizes {
    std::string_view vhost;
    std::string_view name;
    std::optional<std::int64_t> messages;
    std::optional<std::int64_t> ready;
    std::optional<std::int64_t> unacknowledged;
};

// Calls `use` for the queues of all vhosts in the order of the document. Returns the number of unreadable
// lines and of queues with an ambiguous name. Unless it is 0, the size of some queue is known only to the
// management API.
//
// Rejects a document, before using any of its rows, if it does not announce all three families (it is another
// page, or was truncated), or does not end with a newline. Throws std::bad_alloc.
using SizesUse = RowUse<QueueSizes>;
Result<std::size_t, DecodeFault> for_each_queue_size(std::string_view text, const SizesUse& use);

} // namespace cloudsat::core
