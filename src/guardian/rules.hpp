// The limits and the owner of a queue: the server's options, overridden by the first matching row of
// cloudsat.queue_policies. Matching evaluates regular expressions, so rows store the result; a fingerprint
// shows when to match again.
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
    std::int64_t policy = 0; // 0 for the server's own limits
    core::Owner owner = core::Owner::none;
    std::string_view owner_name;
    bool archived_by_policy = false; // archive_size is set by a policy
};

struct QueueName {
    std::string_view vhost;
    std::string_view name;
};

// Covers everything that decides the result of find_rules. Needs SPI; palloc'd in the current context.
std::string_view fingerprint_rules(const Server& server);

// Snapshot: the latest, or that of the running query.
enum class Sight { latest, of_query };

// The rules of each queue, in the same order, palloc'd in the current context. Needs SPI.
std::span<Rules> find_rules(const Server& server, std::span<const QueueName> queues,
                            Sight sight = Sight::latest);

// All policies that match a queue, as the query sees them; the first one applies. Needs SPI.
std::span<const core::PolicyMatch> find_policies(const Server& server, const QueueName& queue,
                                                 std::pmr::memory_resource* arena);

} // namespace cloudsat::guardian
