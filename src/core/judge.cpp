// The judge, see judge.hpp.

#include "core/judge.hpp"

#include <algorithm>
#include <array>

namespace cloudsat::core {
namespace {

constexpr std::array<std::string_view, 4> level_names{"normal", "warned", "archiving", "deleted"};
constexpr std::array<std::string_view, 4> archive_names{"", "on", "full", "withheld"};
constexpr std::array<std::string_view, 4> live_states{"running", "idle", "flow", "live"};

bool on_hold(const Standing& was, const Circumstances& c) noexcept {
    return (c.up_since != 0 && c.now < c.up_since + hold_after_return) ||
           (was.acted_at != 0 && c.now < was.acted_at + hold_after_action);
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

// The level below archiving, where the incident stays open if there is one.
Level level_beside(Owner owner) noexcept {
    return owner == Owner::person ? Level::warned : Level::normal;
}

void end_archiving(Verdict& verdict, Owner owner) noexcept {
    if (verdict.next.level == Level::archiving) {
        verdict.next.level = level_beside(owner);
        verdict.archive_ended = true;
    }
}

// Begins and ends the archiving of a queue that has this size.
void judge_archive(Verdict& verdict, std::int64_t size, const Limits& limits, Owner owner, Level confirmed,
                   const Circumstances& circumstances, bool stream) noexcept {
    Standing& next = verdict.next;
    const bool may_begin = circumstances.enforce && circumstances.may_delete && !stream;
    const bool over =
        !limits.archive_size || size <= rearm_size(*limits.archive_size) || !circumstances.enforce;
    if (over || next.archive != Archive::on) {
        end_archiving(verdict, owner);
    }
    if (over) {
        next.archive = Archive::none; // and may begin anew when it is exceeded again
    } else if (next.archive == Archive::none && confirmed >= Level::archiving && may_begin) {
        next.archive = Archive::on;
        next.level = Level::archiving;
        verdict.archive_wanted = true;
        // It gets its chance: deletion takes two more polls above its size.
        next.pending = Level::archiving;
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

Verdict judge(const Standing& was, const Sample& sample, const Limits& limits, Owner owner,
              const Circumstances& circumstances) noexcept {
    Verdict verdict{was};
    Standing& next = verdict.next;

    // An open intention is the act's to finish or withdraw; until then nothing else happens to the queue.
    if (was.intended) {
        next.pending = Level::normal;
        return verdict;
    }
    // Left alone by decree: no number is needed to end what was begun.
    if (limits.exempt || owner == Owner::reserved) {
        next.pending = Level::normal;
        verdict.recovered = was.level == Level::warned || was.level == Level::archiving;
        verdict.archive_ended = was.level == Level::archiving;
        next.level = Level::normal;
        next.archive = Archive::none;
        next.would_delete = false;
        return verdict;
    }
    const std::optional<std::int64_t> size = judged_size(sample, limits.basis);
    if (!size || sample.liveness == Liveness::dead || on_hold(was, circumstances)) {
        next.pending = Level::normal; // two polls in a row must vouch for a size; this one does not
        return verdict;
    }

    const Level wanted = called_for(*size, limits);
    const Level confirmed = std::min(wanted, was.pending);
    next.pending = wanted;

    if (was.level == Level::normal && owner == Owner::person && confirmed >= Level::warned) {
        next.level = Level::warned;
        verdict.warned = true;
    }
    judge_archive(verdict, *size, limits, owner, confirmed, circumstances, sample.stream);
    if (next.level == Level::warned && *size <= rearm_size(limits.warn_size)) {
        next.level = Level::normal;
        next.would_delete = false;
        verdict.recovered = true;
    }

    if (verdict.archive_wanted) {
        return verdict;
    }
    if (confirmed == Level::deleted && !limits.unbounded && !sample.stream && circumstances.may_delete) {
        if (circumstances.enforce) {
            if (circumstances.now >= was.retry_after) {
                next.intended = true;
                verdict.delete_intended = true;
            }
        } else if (!was.would_delete) {
            next.would_delete = true;
            verdict.would_delete = true;
        }
    } else if (next.level == Level::normal && next.would_delete && *size <= rearm_size(limits.delete_size)) {
        next.would_delete = false; // a queue without an owner has no incident that could end it
    }
    return verdict;
}

} // namespace cloudsat::core
