// Which of several guards of the same broker watches it. Pure. A guard that may act on the broker precedes
// one that is held back, and the previous watcher precedes others. So a copy of a database, with the same
// options as the original, leaves the broker to the original, whichever starts first.
#pragma once

#include <cstdint>

namespace cloudsat::core {

// The broker or part that a guard wants to watch, and its claim.
struct Contender {
    std::uint64_t broker = 0;
    std::uint64_t part = 0; // of the broker; 0 for the whole
    bool may_act = false;   // nothing prevents it from enforcing limits
    bool is_watching = false;
    std::int64_t last_watched = 0; // when this very server was last polled, by its own database; 0 if never
    std::uint32_t database = 0;
    std::uint32_t server = 0;
};

constexpr bool conflict(const Contender& a, const Contender& b) noexcept {
    return a.broker != 0 && a.broker == b.broker && (a.part == 0 || b.part == 0 || a.part == b.part);
}

// Which of two conflicting guards precedes. A strict order.
constexpr bool goes_before(const Contender& a, const Contender& b) noexcept {
    if (a.may_act != b.may_act) {
        return a.may_act;
    }
    if (a.is_watching != b.is_watching) {
        return a.is_watching; // equals do not take turns
    }
    if (a.last_watched != b.last_watched) {
        return a.last_watched > b.last_watched;
    }
    return a.database != b.database ? a.database < b.database : a.server < b.server;
}

// Wait before taking over an unwatched broker, for a guard that may not act on it, or that never watched it
// although its server was polled from elsewhere: the previous watcher may be about to return.
constexpr std::int64_t patience = 10'000'000; // microseconds

constexpr bool waits_for_others(bool may_act, bool polled_from_elsewhere) noexcept {
    return !may_act || polled_from_elsewhere;
}

} // namespace cloudsat::core
