// Limits that apply to messages published to a queue at this moment: those at which the broker drops
// messages, and the size at which the guardian archives or deletes. For replay().
#pragma once

#include <memory_resource>
#include <string_view>

#include "core/base/fault.hpp"
#include "core/guardian/queue_detail.hpp"
#include "guardian/server.hpp"

namespace cloudsat::guardian {

enum class Known : std::uint8_t {
    yes,
    not_yet, // the broker's reports are incomplete or inconsistent
    missing, // it has no such queue
    fault,   // the request failed
};

// Plain data; its texts live in the arena.
struct QueueLimits {
    Known known = Known::not_yet;
    core::FaultKind kind = core::FaultKind::none;
    std::string_view words; // of the fault
    core::QueueDetail detail;
    core::Ceiling ceiling;
    core::Basis basis = core::Basis::total;
};
static_assert(pg::Plain<QueueLimits>);

// Sends a few small requests over HTTP, one after the other, and reads the rules in force. The names are
// texts as in core/wire/broker_name.hpp. Needs SPI; pallocs in the current context.
QueueLimits look_at_limits(const Server& server, std::string_view vhost, std::string_view queue,
                           std::pmr::memory_resource* arena);

} // namespace cloudsat::guardian
