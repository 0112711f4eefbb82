// The judge; see judge.hpp.

#include "core/guardian/judge.hpp"

#include <algorithm>
#include <array>

namespace cloudsat::core {
namespace {

constexpr std::array<std::string_view, 4> level_names{"normal", "warned", "archiving", "deleted"};
constexpr std::array<std::string_view, 4> archive_names{"", "on", "full", "withheld"};
constexpr std::array<std::string_view, 4> live_states{"running", "idle", "flow", "live"};

constexpr std::array<std::string_view, 22> reasons{
    "",
    "an intention to delete it is open",
    "a policy exempts it",
    "its owner is reserved",
    "the broker reports no number of messages",
    "its numbers are not reliable in its present state",
    "the broker has only just come back, and its numbers may be stale",
    "the guardian acted on it a moment ago, and its numbers may be stale",
    "it has no owner to warn",
    "enforce is off",
    "the poll did not see the whole broker",
    "its virtual host is not watched",
    "it is a stream",
    "taking its messages would disturb the queue or its clients",
    "the archive holds the maximum number of its messages",
    "its archived messages were not counted",
    "a policy makes it unbounded",
    "it is on hold",
    "it is being archived, and the archive has room for more",
    "it must be archived first, by its guard: poll() does not archive",
    "delete_delay has not passed yet",
    "the last attempt failed, and it is too early to retry",
};
static_assert(reasons.size() == static_cast<std::size_t>(Blocker::retry_later) + 1);

// Why a queue is not judged by its reported number.
Blocker blocker_of_judging(const Standing& was, const Sample& sample, const Limits& limits, Owner owner,
                           const Circumstances& c) noexcept {
    // Acting completes or withdraws an open intention; until then nothing else happens to the queue.
    if (was.intended) {
        return Blocker::intended;
    }
    if (const Blocker alone = left_alone(limits, owner); alone != Blocker::none) {
        return alone;
    }
    if (!judged_size(sample, limits.basis)) {
        return Blocker::no_number;
    }
    if (sample.liveness == Liveness::dead) {
        return Blocker::dead_state;
    }
    if (c.up_since != 0 && c.now < c.up_since + hold_after_return) {
        return Blocker::back_lately;
    }
    return was.acted_at != 0 && c.now < was.acted_at + hold_after_action ? Blocker::acted_lately
                                                                         : Blocker::none;
}

Blocker blocker_of_archiving(const Standing& standing, const Sample& sample,
                             const Circumstances& c) noexcept {
    const Archive archive = standing.archive;
    if (standing.belayed) {
        return Blocker::belayed;
    }
    if (!c.enforce) {
        return Blocker::not_enforced;
    }
    if (sample.stream) {
        return Blocker::stream;
    }
    if (archive == Archive::withheld || archive == Archive::full) {
        return archive == Archive::full ? Blocker::full : Blocker::withheld;
    }
    return c.may_delete ? Blocker::none : Blocker::partial_sweep;
}

Blocker blocker_of_deleting(const Standing& was, const Verdict& verdict, const Sample& sample,
                            const Limits& limits, const Circumstances& c) noexcept {
    if (limits.unbounded) {
        return Blocker::unbounded;
    }
    if (was.belayed) {
        return Blocker::belayed;
    }
    if (sample.stream) {
        return Blocker::stream;
    }
    if (verdict.next.archive == Archive::on && verdict.next.archive_failures < archive_failures_for_good &&
        c.archives) {
        return Blocker::archive_first;
    }
    if (verdict.next.archive == Archive::full && limits.max_archive_size && !sample.archived) {
        return Blocker::uncounted;
    }
    if (!c.may_delete) {
        return Blocker::partial_sweep;
    }
    if (!c.enforce) {
        return Blocker::not_enforced;
    }
    if (delay_left(limits, verdict.next.delay_from, c.now) > 0) {
        return Blocker::delayed;
    }
    if (limits.archive_size && !c.archives) {
        return Blocker::by_hand;
    }
    return c.now < was.retry_after ? Blocker::retry_later : Blocker::none;
}

// Whether a queue that keeps growing will be deleted. The owner has the time of delete_delay only if a
// warning says so.
bool is_deletable(const Sample& sample, const Limits& limits, const Circumstances& c) noexcept {
    return c.enforce && !limits.unbounded && !sample.stream;
}

void judge_delay(Verdict& verdict, const Standing& was, const Limits& limits, Owner owner, Level wanted,
                 Micros now) noexcept {
    const bool person = owner == Owner::person;
    if (verdict.next.delay_from == 0 &&
        (person ? verdict.next.level != Level::normal : wanted == Level::deleted)) {
        verdict.next.delay_from = now;
        verdict.deletable = person && was.level != Level::normal && limits.delete_delay > 0;
    }
}

Level called_for(std::int64_t size, const Limits& limits) noexcept {
    if (size > limits.delete_size) {
        return Level::deleted;
    }
    if (limits.archive_size && size > *limits.archive_size) {
        return Level::archiving;
    }
    return size > limits.warn_size ? Level::warned : Level::normal;
}

// The level below archiving, at which an open incident stays open.
Level level_beside(Owner owner) noexcept {
    return owner == Owner::person ? Level::warned : Level::normal;
}

void end_archiving(Verdict& verdict, Owner owner) noexcept {
    if (verdict.next.level == Level::archiving) {
        verdict.next.level = level_beside(owner);
        verdict.archive_ended = true;
    }
}

// Begins and ends the archiving of a queue of this size.
void judge_archive(Verdict& verdict, const Sample& sample, std::int64_t size, const Limits& limits,
                   Owner owner, Level confirmed, const Circumstances& circumstances) noexcept {
    Standing& next = verdict.next;
    // Archiving that stopped because the archive was full resumes as soon as there is room; the size need not
    // be exceeded again.
    const bool resumed =
        next.archive == Archive::full &&
        (!limits.max_archive_size || (sample.archived && has_room(limits, *sample.archived)));
    if (resumed) {
        next.archive = Archive::none;
    }
    const bool over = !limits.archive_size || size <= rearm_size(*limits.archive_size) ||
                      !circumstances.enforce || next.belayed;
    if (over || next.archive != Archive::on) {
        end_archiving(verdict, owner);
    }
    if (limits.archive_size && confirmed >= Level::archiving) {
        verdict.archive_blocker = blocker_of_archiving(next, sample, circumstances);
    }
    if (over) {
        next.archive = Archive::none; // archiving may begin again when it is exceeded again
    } else if (resumed && blocker_of_archiving(next, sample, circumstances) != Blocker::none) {
        next.archive = Archive::full; // the next poll decides
    } else if (next.archive == Archive::none && (confirmed >= Level::archiving || resumed) &&
               verdict.archive_blocker == Blocker::none) {
        next.archive = Archive::on;
        next.level = Level::archiving;
        next.archive_failures = 0;
        verdict.archive_wanted = true;
    }
}

} // namespace

std::string_view to_string(Archive archive) noexcept {
    return archive_names[static_cast<std::size_t>(archive)];
}

Archive parse_archive(std::string_view text) noexcept {
    const auto* found = std::find(archive_names.begin(), archive_names.end(), text);
    return found == archive_names.end() ? Archive::none : static_cast<Archive>(found - archive_names.begin());
}

std::string_view to_string(Level level) noexcept {
    return level_names[static_cast<std::size_t>(level)];
}

std::optional<Level> parse_level(std::string_view text) noexcept {
    const auto* found = std::find(level_names.begin(), level_names.end(), text);
    if (found == level_names.end()) {
        return std::nullopt;
    }
    return static_cast<Level>(found - level_names.begin());
}

Liveness liveness_of(std::string_view state) noexcept {
    if (state.empty()) {
        return Liveness::unknown;
    }
    return std::find(live_states.begin(), live_states.end(), state) != live_states.end() ? Liveness::live
                                                                                         : Liveness::dead;
}

std::optional<std::int64_t> judged_size(const Sample& sample, Basis basis) noexcept {
    return basis == Basis::ready ? sample.ready : sample.messages;
}

std::string_view reason_of(Blocker blocker) noexcept {
    return reasons[static_cast<std::size_t>(blocker)];
}

Blocker left_alone(const Limits& limits, Owner owner) noexcept {
    if (limits.exempt) {
        return Blocker::exempt;
    }
    return owner == Owner::reserved ? Blocker::reserved : Blocker::none;
}

bool has_room(const Limits& limits, std::int64_t archived) noexcept {
    return !limits.max_archive_size || archived < *limits.max_archive_size;
}

Micros delay_left(const Limits& limits, Micros delay_from, Micros now) noexcept {
    if (limits.delete_delay == 0) {
        return 0;
    }
    const Micros passed = delay_from == 0 ? 0 : std::max<Micros>(now - delay_from, 0);
    return std::max<Micros>(limits.delete_delay - passed, 0);
}

namespace {

// A poll that cannot decide by the number, or hardly.
void judge_barred(Verdict& verdict, const Sample& sample, const Limits& limits, Owner owner) noexcept {
    Standing& next = verdict.next;
    const Level was = next.level;
    next.pending = Level::normal; // two polls in a row must confirm a size; this one does not
    if (verdict.blocker == Blocker::exempt || verdict.blocker == Blocker::reserved) {
        // Ignored by rule: no number is needed to end what was begun.
        verdict.recovered = was == Level::warned || was == Level::archiving;
        verdict.archive_ended = was == Level::archiving;
        next.level = Level::normal;
        next.archive = Archive::none;
        next.would_delete = false;
        next.delay_from = 0;
    } else if (verdict.blocker == Blocker::acted_lately && limits.archive_size &&
               *judged_size(sample, limits.basis) <= rearm_size(*limits.archive_size)) {
        // Even a stale number shows that archiving has reached its goal.
        end_archiving(verdict, owner);
        next.archive = Archive::none;
    }
}

Verdict judge_size(const Standing& was, const Sample& sample, const Limits& limits, Owner owner,
                   const Circumstances& circumstances) noexcept {
    Verdict verdict{was};
    Standing& next = verdict.next;
    if (!is_deletable(sample, limits, circumstances)) {
        next.delay_from = 0;
    }

    verdict.blocker = blocker_of_judging(was, sample, limits, owner, circumstances);
    if (verdict.blocker != Blocker::none) {
        judge_barred(verdict, sample, limits, owner);
        return verdict;
    }
    const std::int64_t size = *judged_size(sample, limits.basis);

    const Level wanted = called_for(size, limits);
    const Level confirmed = std::min(wanted, was.pending);
    next.pending = wanted;

    if (was.level == Level::normal && confirmed >= Level::warned) {
        if (owner == Owner::person) {
            next.level = Level::warned;
            verdict.warned = true;
        } else {
            verdict.warn_blocker = Blocker::no_owner;
        }
    }
    judge_archive(verdict, sample, size, limits, owner, confirmed, circumstances);
    if (next.level == Level::warned && size <= rearm_size(limits.warn_size)) {
        next.level = Level::normal;
        next.delay_from = 0;
        next.would_delete = false;
        verdict.recovered = true;
    }
    if (is_deletable(sample, limits, circumstances)) {
        judge_delay(verdict, was, limits, owner, wanted, circumstances.now);
    }

    if (confirmed == Level::deleted) {
        verdict.delete_blocker = blocker_of_deleting(was, verdict, sample, limits, circumstances);
        if (verdict.delete_blocker == Blocker::none) {
            next.intended = true;
            verdict.delete_intended = true;
        } else if (verdict.delete_blocker == Blocker::not_enforced && !was.would_delete) {
            next.would_delete = true;
            verdict.would_delete = true;
        }
    } else if (next.level == Level::normal && size <= rearm_size(limits.delete_size)) {
        next.would_delete = false; // without an owner, no incident ends it
        next.delay_from = 0;
    }
    return verdict;
}

} // namespace

Verdict judge(const Standing& was, const Sample& sample, const Limits& limits, Owner owner,
              const Circumstances& circumstances) noexcept {
    Verdict verdict = judge_size(was, sample, limits, owner, circumstances);
    verdict.next.belayed = was.belayed && verdict.next.level != Level::normal;
    return verdict;
}

Verdict leave(const Standing& was, Owner owner) noexcept {
    Verdict verdict{was};
    verdict.blocker = Blocker::unwatched;
    end_archiving(verdict, owner);
    verdict.next.archive = Archive::none;
    verdict.next.pending = Level::normal; // after the queue is watched again, two polls are needed
    verdict.next.delay_from = 0;
    return verdict;
}

} // namespace cloudsat::core
