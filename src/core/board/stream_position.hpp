// The arithmetic of exact streams: which transactions a reader has received, which ones it has not, and where
// it stands after a batch. Pure: knows neither rows nor servers. Words: an xact is a transaction's number on
// the board clock; a snapshot is a set of transactions, all below xmax but those in progress; a position is
// the snapshot of what was received, and perhaps a partial transaction: one of whose messages some were.
#pragma once

#include "core/board/thread_tree.hpp" // MessageId

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <vector>

namespace cloudsat::core {

using Xact = std::uint64_t;

// The board clock: the server counts its transactions anew in every cluster, so the cluster's era stands in
// front of the count. 48 bits hold the server's 64-bit count for 65,536 rounds of its 32-bit one.
inline constexpr int era_shift = 48;
inline constexpr std::uint32_t max_era = 0x7FFE; // keeps the clock positive as a signed number
constexpr Xact on_board_clock(std::uint32_t era, std::uint64_t full_xid) noexcept {
    return Xact{era} << era_shift | full_xid;
}

// The 64-bit id of a 32-bit one that is not older than half a round: the greatest such below `next`, the next
// one to be given out.
constexpr std::uint64_t widen(std::uint32_t xid, std::uint64_t next) noexcept {
    const std::uint64_t round = next >> 32;
    return (xid > static_cast<std::uint32_t>(next) ? round - 1 : round) << 32 | xid;
}

// The number that the server gives out after this one: in each round it leaves out the first three, which
// mean something else to it, and takes none that ends in 32 zero bits back as text.
constexpr Xact next_xact(Xact xact) noexcept {
    constexpr std::uint32_t first_of_round = 3;
    const Xact next = xact + 1;
    return static_cast<std::uint32_t>(next) < first_of_round ? (next >> 32) << 32 | first_of_round : next;
}

// Somebody else's numbers. `in_progress` is ascending, without repetitions, all below xmax.
struct SnapshotView {
    Xact xmax = 0;
    std::span<const Xact> in_progress;

    // Everything below is in the snapshot.
    Xact xmin() const noexcept { return in_progress.empty() ? xmax : in_progress.front(); }
    bool contains(Xact xact) const noexcept {
        return xact < xmax && !std::binary_search(in_progress.begin(), in_progress.end(), xact);
    }
    // What of it is before `end`.
    SnapshotView before(Xact end) const noexcept;
};

// The snapshot of what is in one or the other. `room` takes its numbers: as many as both have in progress.
SnapshotView unite(SnapshotView a, SnapshotView b, std::span<Xact> room) noexcept;
// The same with one more, which is at most its xmax. `room` as above.
SnapshotView with(SnapshotView snapshot, Xact xact, std::span<Xact> room) noexcept;

// The transactions that `now` has and `received` has not.
class Unreceived {
public:
    Unreceived(SnapshotView received, SnapshotView now) noexcept : received_(received), now_(now) {}

    bool contains(Xact xact) const noexcept { return now_.contains(xact) && !received_.contains(xact); }
    // The first one that is not before `from`; none when there is no more.
    std::optional<Xact> next(Xact from) const noexcept;

private:
    SnapshotView received_, now_;
};

// A transaction of whose messages those up to `last` were received. It is not in the position's snapshot, and
// every one before it that was not in progress then is.
struct Partial {
    Xact xact = 0;
    MessageId last;
    friend bool operator==(const Partial&, const Partial&) = default;
};

struct PositionView {
    SnapshotView received;
    std::optional<Partial> partial;
};

// Where a reader stands who has received what either has; a message is lost by neither. Only when both are in
// the middle of a transaction, and not of the same one, part of one of them comes again. `room` as above.
PositionView unite(const PositionView& a, const PositionView& b, std::span<Xact> room) noexcept;
// Has `a` received all that `b` has?
bool covers(const PositionView& a, const PositionView& b) noexcept;

// A message that may be received. They are received in the order of this comparison.
struct Candidate {
    Xact xact = 0;
    MessageId id;
    std::uint64_t place = 0; // the caller's own: where the message is

    friend constexpr auto operator<=>(const Candidate& a, const Candidate& b) noexcept {
        const auto by_xact = a.xact <=> b.xact;
        return by_xact != 0 ? by_xact : a.id <=> b.id;
    }
    friend constexpr bool operator==(const Candidate& a, const Candidate& b) noexcept {
        return a.xact == b.xact && a.id == b.id;
    }
};

// Of all that are added the first `most`, in memory for as many, from the resource. Throws what that throws.
class FirstCandidates {
public:
    FirstCandidates(std::size_t most, std::pmr::memory_resource* memory) : most_(most), heap_(memory) {}

    // Would it be one of the first of those that have come so far?
    bool wants(const Candidate& candidate) const noexcept {
        return heap_.size() < most_ || (most_ > 0 && candidate < heap_.front());
    }
    // Adds one that is wanted. Returns the one that is not any more, if there is such a one.
    std::optional<Candidate> add(const Candidate& candidate);
    // No message of a later transaction than this is wanted any more.
    Xact last_wanted() const noexcept {
        return heap_.size() < most_ ? UINT64_MAX : most_ == 0 ? 0 : heap_.front().xact;
    }
    // In order. Ends the collection.
    std::span<const Candidate> take();

private:
    std::size_t most_;
    std::pmr::vector<Candidate> heap_; // as soon as it is full: a heap with the last one in front
};

// Where a reader at `received`, with no partial transaction, stands after it has received the first `most` of
// `first` (the most + 1 first candidates, in order; fewer when there are no more) that `now` shows it. `room`
// takes the numbers, as for unite.
PositionView advance(SnapshotView received, SnapshotView now, std::span<const Candidate> first,
                     std::size_t most, std::span<Xact> room) noexcept;

// Since when has every transaction that a position lacks been running? Messages get their uuids after their
// transaction's number, so a position lacks none from before, and a reader need not look there. It remembers
// one moment that counts, and one that will count when the position has passed the numbers of that time.
struct Floor {
    std::optional<std::int64_t> time; // unknown: there may be messages from any time
    std::int64_t later_time = 0;      // means something when later_next is not 0
    Xact later_next = 0;              // at later_time all numbers given out were before this one

    // To be called with the position after a look, a moment before that look, and the next number to be given
    // out, read between the two.
    void raise(SnapshotView received, std::int64_t now, Xact next) noexcept;
};

// Of two that are good for positions, the one that is better for their union.
constexpr const Floor& higher(const Floor& a, const Floor& b) noexcept {
    return a.time < b.time ? b : a;
}

} // namespace cloudsat::core
