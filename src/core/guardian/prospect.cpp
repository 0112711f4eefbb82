// The judge, applied to hypothetical sizes; see prospect.hpp.

#include "core/guardian/prospect.hpp"

#include <algorithm>
#include <limits>

namespace cloudsat::core {
namespace {

Blocker either(Blocker first, Blocker second) noexcept {
    return second != Blocker::none ? second : first;
}

} // namespace

Outlook outlook_of(const Verdict& verdict) noexcept {
    return {.warned = verdict.warned,
            .deletable = verdict.deletable,
            .recovered = verdict.recovered,
            .archive_wanted = verdict.archive_wanted,
            .archive_ended = verdict.archive_ended,
            .would_delete = verdict.would_delete,
            .delete_intended = verdict.delete_intended,
            .blocker = verdict.blocker,
            .warn_blocker = verdict.warn_blocker,
            .archive_blocker = verdict.archive_blocker,
            .delete_blocker = verdict.delete_blocker};
}

Outlook foresee(const Standing& standing, const Sample& sample, std::int64_t size, const Limits& limits,
                Owner owner, const Circumstances& circumstances) noexcept {
    Sample supposed = sample;
    supposed.messages = supposed.ready = size;
    const Verdict first = judge(standing, supposed, limits, owner, circumstances);
    Outlook both = outlook_of(first);
    if (first.delete_intended) {
        return both; // acting decides from here
    }
    const Outlook second = outlook_of(judge(first.next, supposed, limits, owner, circumstances));
    both.warned |= second.warned;
    both.deletable |= second.deletable;
    both.recovered |= second.recovered;
    both.archive_wanted |= second.archive_wanted;
    both.archive_ended |= second.archive_ended;
    both.would_delete |= second.would_delete;
    both.delete_intended |= second.delete_intended;
    both.blocker = either(both.blocker, second.blocker);
    both.warn_blocker = either(both.warn_blocker, second.warn_blocker);
    both.archive_blocker =
        both.archive_wanted ? Blocker::none : either(both.archive_blocker, second.archive_blocker);
    both.delete_blocker =
        both.delete_intended ? Blocker::none : either(both.delete_blocker, second.delete_blocker);
    return both;
}

Prospect prospect(const Standing& standing, const Sample& sample, const Limits& limits, Owner owner,
                  const Circumstances& circumstances) noexcept {
    // Between two of these, the judge treats all sizes alike. Unused ones repeat 0.
    std::array<std::int64_t, 7> edges{};
    std::size_t count = 1;
    const auto add = [&](std::int64_t limit) {
        edges[count++] = rearm_size(limit) + 1;
        edges[count++] = limit < std::numeric_limits<std::int64_t>::max() ? limit + 1 : 0;
    };
    add(limits.warn_size);
    add(limits.delete_size);
    if (limits.archive_size) {
        add(*limits.archive_size);
    }
    std::sort(edges.begin(), edges.end());

    Prospect result;
    for (const std::int64_t edge : edges) {
        const Outlook outlook = foresee(standing, sample, edge, limits, owner, circumstances);
        if (result.count == 0 || !(result.list[result.count - 1].outlook == outlook)) {
            result.list[result.count++] = {edge, outlook};
        }
    }
    return result;
}

} // namespace cloudsat::core
