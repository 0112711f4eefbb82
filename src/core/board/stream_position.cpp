// The arithmetic of exact streams, see stream_position.hpp.

#include "core/board/stream_position.hpp"

namespace cloudsat::core {

SnapshotView SnapshotView::before(Xact end) const noexcept {
    if (end >= xmax) {
        return *this;
    }
    const auto cut = std::lower_bound(in_progress.begin(), in_progress.end(), end);
    return {end, {in_progress.begin(), cut}};
}

SnapshotView unite(SnapshotView a, SnapshotView b, std::span<Xact> room) noexcept {
    const Xact xmax = std::max(a.xmax, b.xmax);
    std::size_t count = 0;
    auto in_a = a.in_progress.begin();
    auto in_b = b.in_progress.begin();
    while (in_a != a.in_progress.end() || in_b != b.in_progress.end()) {
        const bool from_a = in_b == b.in_progress.end() || (in_a != a.in_progress.end() && *in_a <= *in_b);
        const Xact xact = from_a ? *in_a++ : *in_b++;
        // a number may occur twice, but is then omitted from both
        if (!a.contains(xact) && !b.contains(xact) && (count == 0 || room[count - 1] != xact)) {
            room[count++] = xact;
        }
    }
    return {xmax, room.first(count)};
}

SnapshotView with(SnapshotView snapshot, Xact xact, std::span<Xact> room) noexcept {
    const auto end =
        std::remove_copy(snapshot.in_progress.begin(), snapshot.in_progress.end(), room.begin(), xact);
    return {std::max(snapshot.xmax, next_xact(xact)),
            room.first(static_cast<std::size_t>(end - room.begin()))};
}

PositionView unite(const PositionView& a, const PositionView& b, std::span<Xact> room) noexcept {
    PositionView both{unite(a.received, b.received, room), std::nullopt};
    for (const std::optional<Partial>& partial : {a.partial, b.partial}) {
        if (!partial || both.received.contains(partial->xact)) {
            continue;
        }
        // of two transactions, the earlier: the other is then read again from its beginning
        if (!both.partial || partial->xact < both.partial->xact ||
            (partial->xact == both.partial->xact && both.partial->last < partial->last)) {
            both.partial = partial;
        }
    }
    return both;
}

bool covers(const PositionView& a, const PositionView& b) noexcept {
    const std::optional<Partial>& partial = b.partial;
    return !Unreceived(a.received, b.received).next(0) &&
           (!partial || a.received.contains(partial->xact) ||
            (a.partial && a.partial->xact == partial->xact && !(a.partial->last < partial->last)));
}

std::optional<Xact> Unreceived::next(Xact from) const noexcept {
    const auto& old = received_.in_progress;
    for (auto at = std::lower_bound(old.begin(), old.end(), from); at != old.end(); ++at) {
        if (now_.contains(*at)) {
            return *at;
        }
    }
    Xact xact = std::max(from, received_.xmax);
    const auto& open = now_.in_progress;
    for (auto at = std::lower_bound(open.begin(), open.end(), xact); at != open.end() && *at == xact; ++at) {
        ++xact;
    }
    return xact < now_.xmax ? std::optional(xact) : std::nullopt;
}

std::optional<Candidate> FirstCandidates::add(const Candidate& candidate) {
    if (heap_.size() < most_) {
        heap_.push_back(candidate);
        if (heap_.size() == most_) {
            std::make_heap(heap_.begin(), heap_.end());
        }
        return std::nullopt;
    }
    std::pop_heap(heap_.begin(), heap_.end());
    const Candidate dropped = heap_.back();
    heap_.back() = candidate;
    std::push_heap(heap_.begin(), heap_.end());
    return dropped;
}

std::span<const Candidate> FirstCandidates::take() {
    std::sort(heap_.begin(), heap_.end());
    return heap_;
}

PositionView advance(SnapshotView received, SnapshotView now, std::span<const Candidate> first,
                     std::size_t most, std::span<Xact> room) noexcept {
    if (first.size() <= most) {
        return {unite(received, now, room), std::nullopt};
    }
    // everything before the first one that remains has been received, or contains nothing to receive
    const Xact stays = first[most].xact;
    PositionView after{unite(received, now.before(stays), room), std::nullopt};
    if (most > 0 && first[most - 1].xact == stays) {
        after.partial = {stays, first[most - 1].id};
    }
    return after;
}

WholeTransactions whole_transactions(std::span<const Candidate> first, std::size_t most) noexcept {
    if (first.size() <= most) {
        return {first.size(), UINT64_MAX};
    }
    const Xact stays = first[most].xact;
    const auto end =
        std::ranges::lower_bound(first, stays, {}, [](const Candidate& candidate) { return candidate.xact; });
    if (end == first.begin()) {
        return {0, next_xact(stays)};
    }
    return {static_cast<std::size_t>(end - first.begin()), stays};
}

void Floor::raise(SnapshotView received, std::int64_t now, Xact next) noexcept {
    if (later_next != 0 && received.xmin() >= later_next) {
        time = later_time;
        later_next = 0;
    }
    if (later_next == 0) {
        later_time = now;
        later_next = next;
        if (received.xmin() >= next) {
            time = now;
            later_next = 0;
        }
    }
}

} // namespace cloudsat::core
