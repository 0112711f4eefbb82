// The second look at a queue; see second_look.hpp.

#include "core/guardian/second_look.hpp"

namespace cloudsat::core {
namespace {

Resolution withdraw(std::string_view reason) noexcept {
    return {Resolve::withdraw, reason};
}
Resolution withdraw(Blocker blocker) noexcept {
    return withdraw(reason_of(blocker));
}

} // namespace

Resolution resolve_unseen(const SecondLook& look) noexcept {
    if (!look.watched) {
        return withdraw(Blocker::unwatched);
    }
    if (!look.enforce) {
        return withdraw(Blocker::not_enforced);
    }
    if (look.belayed) {
        return withdraw(Blocker::belayed);
    }
    if (look.archive_resumes) {
        return withdraw(Blocker::archive_first);
    }
    if (look.limits.archive_size && !look.archives) {
        return withdraw(Blocker::by_hand);
    }
    if (look.delay > 0) {
        return withdraw(Blocker::delayed);
    }
    if (look.age > oldest_intention) {
        return withdraw("the intention is older than an hour");
    }
    if (const Blocker alone = left_alone(look.limits, look.owner); alone != Blocker::none) {
        return withdraw(alone);
    }
    if (look.limits.unbounded) {
        return withdraw(Blocker::unbounded);
    }
    return {Resolve::proceed, {}};
}

bool is_newly_consumed(const SecondLook& look) noexcept {
    const std::int64_t before = look.before.consumers.value_or(look.before.unacknowledged.value_or(0));
    return look.seen.consumers.value_or(0) > 0 && before == 0;
}

Resolution resolve(const SecondLook& look) noexcept {
    if (look.presence == Presence::absent) {
        return {Resolve::gone, {}};
    }
    if (const Resolution decided = resolve_unseen(look); decided.resolve != Resolve::proceed) {
        return decided;
    }
    if (look.presence == Presence::hidden) {
        return withdraw("the broker lists it without numbers");
    }
    if (declared_differently(look.before, look.seen)) {
        return withdraw("it was declared again");
    }
    if (look.seen.type == "stream") {
        return withdraw(Blocker::stream);
    }
    if (liveness_of(look.seen.state) == Liveness::dead) {
        return withdraw(Blocker::dead_state);
    }
    const std::optional<std::int64_t> size =
        judged_size({.messages = look.seen.messages, .ready = look.seen.ready}, look.limits.basis);
    if (!size) {
        return withdraw(Blocker::no_number);
    }
    if (*size <= look.limits.delete_size) {
        return withdraw("it has drained");
    }
    if (is_newly_consumed(look)) {
        return withdraw("it has a new consumer");
    }
    return {Resolve::proceed, {}};
}

Outcome outcome_of(FaultKind kind) noexcept {
    switch (kind) {
    case FaultKind::none:
        return Outcome::deleted;
    case FaultKind::unresolved:
    case FaultKind::refused:
    case FaultKind::unreachable:
    case FaultKind::tls:
    case FaultKind::out_of_memory:
    case FaultKind::failed:
        return Outcome::unsent;
    case FaultKind::redirect:
    case FaultKind::bad_request:
    case FaultKind::unauthorized:
    case FaultKind::forbidden:
    case FaultKind::server_error:
    case FaultKind::unexpected_status:
        return Outcome::failed;
    default:
        return Outcome::unknown;
    }
}

} // namespace cloudsat::core
