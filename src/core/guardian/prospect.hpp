// What would become of a queue at each size it may have: not a second set of rules, but the judge itself,
// asked with sizes that are only supposed. Pure. For explain_queue().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/guardian/judge.hpp"

namespace cloudsat::core {

// What the judge would say of it, and why it would not say more.
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

// What one poll says, and what two say that find the same. `sample` tells what is not size.
Outlook outlook_of(const Verdict& verdict) noexcept;
Outlook foresee(const Standing& standing, const Sample& sample, std::int64_t size, const Limits& limits,
                Owner owner, const Circumstances& circumstances) noexcept;

// Sizes from `from` on, up to the next range's, and what two polls make of any of them.
struct Range {
    std::int64_t from = 0;
    Outlook outlook;
};
struct Prospect {
    std::span<const Range> ranges() const noexcept { return {list.data(), count}; }

    // Above and at each limit and the size that arms it again, and 0.
    std::array<Range, 7> list;
    std::size_t count = 0;
};
Prospect prospect(const Standing& standing, const Sample& sample, const Limits& limits, Owner owner,
                  const Circumstances& circumstances) noexcept;

} // namespace cloudsat::core
