// Which limits and which owner a queue has: the server's options, overruled by the first of
// cloudsat.queue_policies that matches. Matching costs regular expressions, so rows remember the answer; a
// fingerprint tells when to ask again.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <span>
#include <string_view>

#include "core/guardian/explain.hpp"
#include "core/guardian/judge.hpp"
#include "guardian/server.hpp"

namespace cloudsat::guardian {

struct Rules {
    core::Limits limits;
    std::int64_t policy = 0; // 0: the server's own limits
    core::Owner owner = core::Owner::none;
    std::string_view owner_name;
    bool archived_by_policy = false; // archive_size is the policy's own
};

struct QueueName {
    std::string_view vhost;
    std::string_view name;
};

// Of everything that decides what find_rules answers. Needs SPI; palloc'd in the current context.
std::string_view fingerprint_rules(const Server& server);

// What is looked at: everything up to this moment, or what the query sees that is under way.
enum class Sight { latest, of_query };

// The rules of each queue, in the same order, palloc'd in the current context. Needs SPI.
std::span<Rules> find_rules(const Server& server, std::span<const QueueName> queues,
                            Sight sight = Sight::latest);

// All policies that match a queue, as the query sees them; the first one counts. Needs SPI.
std::span<const core::PolicyMatch> find_policies(const Server& server, const QueueName& queue,
                                                 std::pmr::memory_resource* arena);

} // namespace cloudsat::guardian
