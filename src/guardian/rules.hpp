// Which limits and which owner a queue has: the server's options, overruled by the first of
// cloudsat.queue_policies that matches. Matching costs regular expressions, so rows remember the answer; a
// fingerprint tells when to ask again.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/judge.hpp"
#include "guardian/server.hpp"

namespace cloudsat::guardian {

struct Rules {
    core::Limits limits;
    std::int64_t policy = 0; // 0: the server's own limits
    core::Owner owner = core::Owner::none;
    std::string_view owner_name;
};

struct QueueName {
    std::string_view vhost;
    std::string_view name;
};

// Of everything that decides what find_rules answers. Needs SPI; palloc'd in the current context.
std::string_view fingerprint_rules(const Server& server);

// The rules of each queue, in the same order, palloc'd in the current context. Needs SPI.
std::span<Rules> find_rules(const Server& server, std::span<const QueueName> queues);

} // namespace cloudsat::guardian
