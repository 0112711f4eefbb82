// What becomes of messages that are published to a queue: the limits by which the broker drops them, as they
// are at this moment, and the size at which the guardian itself archives or deletes. For replay().
#pragma once

#include <memory_resource>
#include <string_view>

#include "core/base/fault.hpp"
#include "core/guardian/queue_detail.hpp"
#include "guardian/server.hpp"

namespace cloudsat::guardian {

enum class Known : std::uint8_t {
    yes,
    not_yet, // what the broker tells is not complete, or does not agree
    missing, // it has no such queue
    fault,   // it does not tell
};

// Plain; its texts live in the arena.
struct QueueLimits {
    Known known = Known::not_yet;
    core::FaultKind kind = core::FaultKind::none;
    std::string_view words; // of the fault
    core::QueueDetail detail;
    core::Ceiling ceiling;
    core::Basis basis = core::Basis::total;
};
static_assert(pg::Plain<QueueLimits>);

// Asks the broker over HTTP, some small requests one after the other, and reads the rules in force. The names
// are texts as core/wire/broker_name.hpp has them. Needs SPI; palloc's in the current context.
QueueLimits look_at_limits(const Server& server, std::string_view vhost, std::string_view queue,
                           std::pmr::memory_resource* arena);

} // namespace cloudsat::guardian
