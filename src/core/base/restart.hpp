// When to restart a process that ended. Pure: the moment is an argument. Restarts at once if the process had
// run for a while. A process that ends repeatedly is restarted at growing intervals, so that it neither
// floods the log nor overloads the machine.
#pragma once

#include <algorithm>
#include <cstdint>

namespace cloudsat::core {

class Restart {
public:
    static constexpr std::int64_t second = 1'000'000; // moments and spans are microseconds
    static constexpr std::int64_t longest = 60 * second;
    static constexpr std::int64_t settled = 60 * second; // a process that ran this long restarts at once

    constexpr bool due(std::int64_t now) const noexcept { return now >= next_; }

    // The process has just been started: do not start it again before 1, 2, 4, … 60 seconds have passed.
    constexpr void started(std::int64_t now) noexcept {
        next_ = now + std::min(second << starts_, longest);
        starts_ = std::min(starts_ + 1, 6); // 2^6 s already exceeds the maximum
    }

    // The process was seen alive.
    constexpr void alive(std::int64_t now, std::int64_t since) noexcept {
        if (now - since >= settled) {
            starts_ = 0;
            next_ = 0;
        }
    }

private:
    std::int64_t next_ = 0;
    int starts_ = 0;
};

} // namespace cloudsat::core
