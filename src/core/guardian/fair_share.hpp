// How many guards each database may have, when the server's workers are not enough for all. Pure.
#pragma once

#include <algorithm>
#include <span>

namespace cloudsat::core {

// The places that all guards together may take: what max_worker_processes leaves beside the supervisor, a
// launcher and a notifier in each database, and an eighth for everybody else's workers.
constexpr int places_for_guards(int workers, int databases) noexcept {
    return std::max(workers - workers / 8 - 1 - 2 * databases, 0);
}

// One database's part of them: what it wants, as far as each other one gets as much, or all that it wants. At
// least one, when it wants any; so that none is shut out.
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
