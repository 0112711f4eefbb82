// Reported facts about a queue, from any document. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cloudsat::core {

// Empty and absent values were not reported, or are invalid: the previous ones remain. Absent is never 0.
struct Facts {
    std::string_view type;      // "classic", "quorum", "stream", ...
    std::string_view state;     // no action is taken on a queue without a state
    std::string_view arguments; // JSON text of an object, safe for jsonb
    std::optional<bool> durable;
    std::optional<bool> exclusive; // absent in the totals listing for a quorum queue or a stream
    std::optional<bool> auto_delete;
    std::optional<std::int64_t> messages;
    std::optional<std::int64_t> ready;
    std::optional<std::int64_t> unacknowledged;
    std::optional<std::int64_t> consumers;
    std::optional<std::int64_t> memory; // bytes

    friend bool operator==(const Facts&, const Facts&) = default;
};

// Whether these two describe queues that cannot be the same one. Values not reported count as equal.
bool declared_differently(const Facts& before, const Facts& now) noexcept;

} // namespace cloudsat::core
