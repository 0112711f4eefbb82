// Arguments of calls that return messages and may wait for them: max and timeout; and one step of such a
// wait.
#pragma once

#include <cstdint>

#include "pg/boundary.hpp"

namespace cloudsat::board {

// A timeout in microseconds, with an upper limit. Raises 22023 if it is negative.
std::int64_t require_timeout(const Interval& interval);

// Raises 22023 if it is below 1.
std::size_t require_max(std::int32_t max);

// The remaining time of a timeout, in microseconds.
class Countdown {
public:
    explicit Countdown(std::int64_t timeout);
    std::int64_t left() const;

private:
    std::int64_t timeout_, began_;
};

// For a session that watches the doorbell: waits until it rings, at most a second of the remaining time.
// Returns whether it rang.
bool wait_for_ring(std::int64_t left);

} // namespace cloudsat::board
