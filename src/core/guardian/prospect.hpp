// What would happen to a queue at each possible size. Not a second set of rules: it applies the judge itself
// to hypothetical sizes. Pure. Used by explain_queue().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/guardian/judge.hpp"

namespace cloudsat::core {

// The judge's decision and the reasons against more.
struct Outlook {
    bool warned = false;
    bool deletable = false;
    bool recovered = false;
    bool archive_wanted = false;
    bool archive_ended = false;
    bool would_delete = false;
    bool delete_intended = false;
    Blocker blocker = Blocker::none;
    Blocker warn_blocker = Blocker::none;
    Blocker archive_blocker = Blocker::none;
    Blocker delete_blocker = Blocker::none;

    friend bool operator==(const Outlook&, const Outlook&) = default;
};

// The outcome of one poll, and of two polls with the same findings. `sample` holds everything except the
// size.
Outlook outlook_of(const Verdict& verdict) noexcept;
Outlook foresee(const Standing& standing, const Sample& sample, std::int64_t size, const Limits& limits,
                Owner owner, const Circumstances& circumstances) noexcept;

// Sizes from `from` up to the next range, and the outcome of two polls at any of them.
struct Range {
    std::int64_t from = 0;
    Outlook outlook;
};
struct Prospect {
    std::span<const Range> ranges() const noexcept { return {list.data(), count}; }

    // One range above and at each limit, at the size that arms it again, and at 0.
    std::array<Range, 7> list;
    std::size_t count = 0;
};
Prospect prospect(const Standing& standing, const Sample& sample, const Limits& limits, Owner owner,
                  const Circumstances& circumstances) noexcept;

} // namespace cloudsat::core
