// What the broker tells of a queue, whichever document tells it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cloudsat::core {

// What is told of a queue. Empty and absent mean: not told, so keep what was known.
struct Facts {
    std::string_view type;
    std::string_view state;
    std::string_view arguments; // JSON, as the broker prints it
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

// Do these two describe queues that cannot be the same one? What is not told does not differ.
bool declared_differently(const Facts& before, const Facts& now) noexcept;

} // namespace cloudsat::core
