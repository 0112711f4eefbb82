// Whether a broker is guarded, as seen from outside its guard. Pure: times are arguments. A broker counts as
// unguarded when three of its intervals have passed since the time at which it should have been polled again,
// for whatever reason.
#pragma once

#include <algorithm>
#include <cstdint>

namespace cloudsat::core {

// The visible state of a guard.
struct GuardSeen {
    bool is_there = false;
    bool is_busy = false;       // in a round, and the previous one did not fail
    bool others_watch = false;  // it stands by, and the watcher in its place polls
    std::int64_t since = 0;     // when it entered its state
    std::int64_t next_poll = 0; // as its last recorded poll planned; 0 if none yet
};

// Until when the broker counts as guarded. A round may take long: each document that is requested from the
// broker has its own timeout.
constexpr std::int64_t good_until(const GuardSeen& guard, std::int64_t timeout) noexcept {
    constexpr int documents = 10;
    if (!guard.is_there) {
        return 0;
    }
    const std::int64_t round = guard.is_busy ? guard.since + documents * timeout : 0;
    return std::max(guard.next_poll, round);
}

class Oversight {
public:
    enum class News { none, unguarded, guarded };

    // Changes to report, each once.
    constexpr News look(const GuardSeen& guard, std::int64_t now, std::int64_t interval,
                        std::int64_t timeout) noexcept {
        const bool polled = guard.is_there && (guard.next_poll > told_next_poll_ || guard.others_watch);
        const std::int64_t until = guard.others_watch ? now : good_until(guard, timeout);
        good_until_ = std::max({good_until_, until, good_until_ == 0 ? now : 0});
        if (unguarded_ && polled) {
            unguarded_ = false;
            return News::guarded;
        }
        if (!unguarded_ && now - good_until_ > 3 * interval) {
            unguarded_ = true;
            told_next_poll_ = guard.next_poll;
            return News::unguarded;
        }
        return News::none;
    }

    constexpr bool is_unguarded() const noexcept { return unguarded_; }

private:
    std::int64_t good_until_ = 0;
    std::int64_t told_next_poll_ = 0;
    bool unguarded_ = false;
};

} // namespace cloudsat::core
