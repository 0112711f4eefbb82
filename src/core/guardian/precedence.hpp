// Who of several guards that want the same broker watches it. Pure. Who may act on the broker goes before who
// is held back, and who watched it before goes before who did not: so a copy of a database, which wants all
// that its original wants, leaves it to that, whichever of the two begins first.
#pragma once

#include <cstdint>

namespace cloudsat::core {

// What a guard wants to watch, and what speaks for it.
struct Contender {
    std::uint64_t broker = 0;
    std::uint64_t part = 0; // of the broker; 0: the whole
    bool may_act = false;   // nothing holds it back from enforcing limits
    bool is_watching = false;
    std::int64_t last_watched =
        0; // when this very server was last polled, as its own database knows; 0: never
    std::uint32_t database = 0;
    std::uint32_t server = 0;
};

constexpr bool conflict(const Contender& a, const Contender& b) noexcept {
    return a.broker != 0 && a.broker == b.broker && (a.part == 0 || b.part == 0 || a.part == b.part);
}

// Of two that conflict. An order: of any two different ones exactly one goes before the other.
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

// Somebody who never watched the broker although its server was polled from elsewhere, or who may not act on
// it, waits before taking up what nobody watches: whoever watched it may be about to return.
constexpr std::int64_t patience = 10'000'000; // microseconds

constexpr bool waits_for_others(bool may_act, bool polled_from_elsewhere) noexcept {
    return !may_act || polled_from_elsewhere;
}

} // namespace cloudsat::core
