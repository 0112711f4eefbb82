// Polling intervals; see cadence.hpp.

#include "core/guardian/cadence.hpp"

#include <algorithm>

namespace cloudsat::core {
namespace {

// base * 2^doublings, limited to `most`, without overflow
Micros doubled(Micros base, int doublings, Micros most) noexcept {
    Micros wait = base;
    for (int i = 0; i < doublings && wait < most; ++i) {
        wait = wait > most / 2 ? most : wait * 2;
    }
    return std::min(wait, most);
}

} // namespace

Micros wait_after(const Cadence& cadence, int consecutive_failures, double random) noexcept {
    if (consecutive_failures <= 0) {
        return cadence.interval;
    }
    const Micros longest = std::max(cadence.interval, cadence.max_interval);
    const Micros wait = doubled(cadence.interval, consecutive_failures - 1, longest);
    const double share = std::clamp(random, 0.0, 1.0) / 4.0;
    return wait - static_cast<Micros>(static_cast<double>(wait) * share);
}

Micros next_poll(const Cadence& cadence, Micros began, Micros ended, int consecutive_failures,
                 double random) noexcept {
    const Micros took = std::max<Micros>(ended - began, 0);
    if (consecutive_failures > 0) {
        return ended + wait_after(cadence, consecutive_failures,
                                  random); // the timeout itself does not count as a pause
    }
    return std::max(began + cadence.interval, ended + took / 4);
}

Micros retry_wait(int failures) noexcept {
    return doubled(30 * micros_per_second, std::max(failures, 1) - 1, 3600 * micros_per_second);
}

} // namespace cloudsat::core
