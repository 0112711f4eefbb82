// Number of guards per database when the server has too few workers for all. Pure.
#pragma once

#include <algorithm>
#include <span>

namespace cloudsat::core {

// Worker slots for all guards together: what max_worker_processes leaves after the supervisor, a launcher and
// a notifier in each database, and an eighth for other workers.
constexpr int places_for_guards(int workers, int databases) noexcept {
    return std::max(workers - workers / 8 - 1 - 2 * databases, 0);
}

// One database's share of them: what it wants, as long as every other database gets as much or all it wants.
// At least one if it wants any, so no database is shut out.
constexpr int fair_share(int places, int wanted, std::span<const int> wanted_by_others) noexcept {
    int share = std::min(wanted, 1);
    while (share < wanted) {
        const int next = share + 1;
        int taken = next;
        for (const int other : wanted_by_others) {
            taken += std::min(other, next);
        }
        if (taken > places) {
            break;
        }
        share = next;
    }
    return share;
}

} // namespace cloudsat::core
