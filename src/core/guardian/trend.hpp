// How the size of a queue goes, from its history: a number that holds until the next one. Pure; time is an
// argument. The line of least squares, because a queue that is filled and drained in turn has ends that say
// nothing.
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
    bool steady = false; // it grows or shrinks more than it swings
    Micros span = 0;     // of history that it is from
};

// Of [from, to]; points in the order of time, of which the first may lie before. Nothing when the history is
// shorter than `shortest_history`.
std::optional<Trend> trend_of(std::span<const HistoryPoint> points, Micros from, Micros to) noexcept;
constexpr Micros shortest_history = 30 * micros_per_second;

// In how many microseconds it is above the limit, at so many messages a minute; nothing when it never will
// be, or not within a century. 0 when it is already.
std::optional<Micros> time_to(std::int64_t limit, std::int64_t size, double growth) noexcept;

} // namespace cloudsat::core
