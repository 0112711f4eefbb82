// Reported facts about a queue, from any document. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cloudsat::core {

// Empty and absent values were not reported: the previous ones remain.
struct Facts {
    std::string_view type;
    std::string_view state;
    std::string_view arguments; // JSON, as printed by the broker
    std::optional<bool> durable;
    std::optional<bool> exclusive;
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
