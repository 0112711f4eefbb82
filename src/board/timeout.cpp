// Timeouts, see timeout.hpp.

#include "board/timeout.hpp"

#include <algorithm>
#include <chrono>

#include "board/doorbell.hpp"

extern "C" {
#include "common/int.h"
}

namespace cloudsat::board {
namespace {

// In microseconds, with an upper limit.
std::int64_t duration_of(const Interval& interval) {
    constexpr std::int64_t most_days = INT64_MAX / USECS_PER_DAY;
    const std::int64_t days =
        std::clamp(std::int64_t{interval.month} * DAYS_PER_MONTH + interval.day, -most_days, most_days);
    std::int64_t all = 0;
    if (pg_add_s64_overflow(days * USECS_PER_DAY, interval.time, &all)) {
        return days < 0 ? INT64_MIN : INT64_MAX;
    }
    return all;
}

std::int64_t steady_microseconds() {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

} // namespace

std::int64_t require_timeout(const Interval& interval) {
    const std::int64_t timeout = duration_of(interval);
    if (timeout < 0) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("timeout must not be negative"));
    }
    return timeout;
}

std::size_t require_max(std::int32_t max) {
    if (max < 1) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max must be at least 1"));
    }
    return static_cast<std::size_t>(max);
}

Countdown::Countdown(std::int64_t timeout) : timeout_(timeout), began_(steady_microseconds()) {}

std::int64_t Countdown::left() const {
    return timeout_ - (steady_microseconds() - began_);
}

bool wait_for_ring(std::int64_t left) {
    const std::int64_t piece = std::min<std::int64_t>(left / 1000 + 1, 1000);
    const std::int64_t began = steady_microseconds();
    doorbell_wait(static_cast<long>(piece));
    return (steady_microseconds() - began) / 1000 + 1 < piece;
}

} // namespace cloudsat::board
