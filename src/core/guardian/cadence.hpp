// When to poll a broker again. Pure: the moment and the randomness are arguments, so that tests run in
// virtual time.
#pragma once

#include "core/guardian/judge.hpp"

namespace cloudsat::core {

struct Cadence {
    Micros interval = 5 * micros_per_second;       // between the beginnings of two good polls
    Micros max_interval = 300 * micros_per_second; // the longest back-off, jitter included
};

// Consecutive failures double the wait up to max_interval; `random` in [0, 1) takes up to a quarter off, so
// that many guards that lost one broker do not return to it in step.
Micros wait_after(const Cadence& cadence, int consecutive_failures, double random) noexcept;

// The moment of the next poll, from the beginning and the end of this one. A poll slower than its interval
// still rests for a quarter of the time it took, so that the broker is not asked without pause.
Micros next_poll(const Cadence& cadence, Micros began, Micros ended, int consecutive_failures,
                 double random) noexcept;

// How long an action that failed is left alone: 30 s, doubling up to an hour.
Micros retry_wait(int failures) noexcept;

// And one that cannot work before somebody changes the server's options.
constexpr Micros hopeless_wait = 24 * 3600 * micros_per_second;

} // namespace cloudsat::core
