// Trend of the size of a queue, from its history: each number holds until the next. Pure; time is an
// argument. Uses least squares, because the end points of a queue that is filled and drained in turn are
// meaningless.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/guardian/judge.hpp"

namespace cloudsat::core {

struct HistoryPoint {
    Micros at = 0;
    std::int64_t size = 0;
};

struct Trend {
    double growth = 0;   // per minute
    bool steady = false; // it grows or shrinks more than it fluctuates
    Micros span = 0;     // time covered by the history
};

// Over [from, to]; points are in time order, and the first may lie before. Nothing if the history is shorter
// than `shortest_history`.
std::optional<Trend> trend_of(std::span<const HistoryPoint> points, Micros from, Micros to) noexcept;
constexpr Micros shortest_history = 30 * micros_per_second;

// Microseconds until the size exceeds the limit at this many messages a minute; nothing if never, or not
// within a century; 0 if it does already.
std::optional<Micros> time_to(std::int64_t limit, std::int64_t size, double growth) noexcept;

} // namespace cloudsat::core
