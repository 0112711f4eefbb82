// When to poll a broker again. Pure: time and randomness are arguments, so tests run in virtual time.
#pragma once

#include "core/guardian/judge.hpp"

namespace cloudsat::core {

struct Cadence {
    Micros interval = 5 * micros_per_second;       // between the starts of two successful polls
    Micros max_interval = 300 * micros_per_second; // the longest back-off, including jitter
};

// Each consecutive failure doubles the wait, up to max_interval. `random` in [0, 1) removes up to a quarter,
// so that many guards that lost the same broker do not return in step.
Micros wait_after(const Cadence& cadence, int consecutive_failures, double random) noexcept;

// Time of the next poll, from the start and end of this one. After a poll slower than its interval, the guard
// still pauses for a quarter of its duration, so that the broker gets a rest.
Micros next_poll(const Cadence& cadence, Micros began, Micros ended, int consecutive_failures,
                 double random) noexcept;

// Wait after a failed action: 30 s, doubling up to an hour.
Micros retry_wait(int failures) noexcept;

// Wait after an action that cannot succeed before the server's options change.
constexpr Micros hopeless_wait = 24 * 3600 * micros_per_second;

} // namespace cloudsat::core
