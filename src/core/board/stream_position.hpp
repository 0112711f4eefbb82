// The arithmetic of exact streams: which transactions a reader has received, which it has not, and its
// position after a batch. Pure: knows neither rows nor servers. Terms: an xact is a transaction's number on
// the board clock. A snapshot is a set of transactions: all below xmax except those in progress. A position
// is the snapshot of what was received, and possibly a partial transaction, of which some messages were
// received.
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

// The board clock: after a crash, a promotion or a restore, transaction numbers may be assigned a second
// time, so the era precedes the number. 48 bits hold the server's 64-bit count for 65,536 rounds of its
// 32-bit one.
inline constexpr int era_shift = 48;
inline constexpr std::uint32_t max_era = 0x7FFE; // keeps the clock positive as a signed number
constexpr Xact on_board_clock(std::uint32_t era, std::uint64_t full_xid) noexcept {
    return Xact{era} << era_shift | full_xid;
}

// An era of the present cluster, in which transactions from `next` on began; earlier ones may belong to it or
// to an earlier era.
struct Era {
    std::uint32_t number = 0;
    std::uint64_t next = 0;
};

// The numbers on the board clock that a transaction in progress may have: usually one, more only for a
// prepared transaction that may be older than an era. No other transaction of this cluster has them.
// `eras` are those of this cluster, ascending, at least one. Calls add(number) for each.
template <class F> void each_number(std::span<const Era> eras, std::uint64_t full_xid, F add) {
    for (std::size_t i = eras.size(); i > 0; --i) {
        add(on_board_clock(eras[i - 1].number, full_xid));
        if (full_xid >= eras[i - 1].next) {
            return;
        }
    }
}

// The 64-bit id of a 32-bit one that is at most half a round old: the greatest such below `next`, the next
// one to be assigned.
constexpr std::uint64_t widen(std::uint32_t xid, std::uint64_t next) noexcept {
    const std::uint64_t round = next >> 32;
    return (xid > static_cast<std::uint32_t>(next) ? round - 1 : round) << 32 | xid;
}

// The number that the server assigns after this one. In each round it omits the first three, which are
// reserved, and it does not parse a number that ends in 32 zero bits.
constexpr Xact next_xact(Xact xact) noexcept {
    constexpr std::uint32_t first_of_round = 3;
    const Xact next = xact + 1;
    return static_cast<std::uint32_t>(next) < first_of_round ? (next >> 32) << 32 | first_of_round : next;
}

// A view of numbers owned elsewhere. `in_progress` is ascending, without duplicates, all below xmax.
struct SnapshotView {
    Xact xmax = 0;
    std::span<const Xact> in_progress;

    // Everything below is in the snapshot.
    Xact xmin() const noexcept { return in_progress.empty() ? xmax : in_progress.front(); }
    bool contains(Xact xact) const noexcept {
        return xact < xmax && !std::binary_search(in_progress.begin(), in_progress.end(), xact);
    }
    // Its part before `end`.
    SnapshotView before(Xact end) const noexcept;
};

// The union of two snapshots. `room` receives its numbers: as many as both have in progress.
SnapshotView unite(SnapshotView a, SnapshotView b, std::span<Xact> room) noexcept;
// The same with one more transaction, at most its xmax. `room` as above.
SnapshotView with(SnapshotView snapshot, Xact xact, std::span<Xact> room) noexcept;

// The transactions in `now` that are not in `received`.
class Unreceived {
public:
    Unreceived(SnapshotView received, SnapshotView now) noexcept : received_(received), now_(now) {}

    bool contains(Xact xact) const noexcept { return now_.contains(xact) && !received_.contains(xact); }
    // The first one not before `from`; none if there is no more.
    std::optional<Xact> next(Xact from) const noexcept;

private:
    SnapshotView received_, now_;
};

// A transaction of which the messages up to `last` were received. The position's snapshot lacks it, and has
// every earlier one that was not in progress at that time.
struct Partial {
    Xact xact = 0;
    MessageId last;
    friend bool operator==(const Partial&, const Partial&) = default;
};

struct PositionView {
    SnapshotView received;
    std::optional<Partial> partial;
};

// The position of a reader that has received what either has; no message is lost. Only if both are in the
// middle of different transactions, part of one of them is delivered again. `room` as above.
PositionView unite(const PositionView& a, const PositionView& b, std::span<Xact> room) noexcept;
// Whether `a` has received all that `b` has.
bool covers(const PositionView& a, const PositionView& b) noexcept;

// A message that may be received. This comparison is the order of delivery.
struct Candidate {
    Xact xact = 0;
    MessageId id;
    std::uint64_t place = 0; // the caller's own reference to the message

    friend constexpr auto operator<=>(const Candidate& a, const Candidate& b) noexcept {
        const auto by_xact = a.xact <=> b.xact;
        return by_xact != 0 ? by_xact : a.id <=> b.id;
    }
    friend constexpr bool operator==(const Candidate& a, const Candidate& b) noexcept {
        return a.xact == b.xact && a.id == b.id;
    }
};

// Keeps the first `most` of all that are added, in memory for that many from the resource. Throws what the
// resource throws.
class FirstCandidates {
public:
    FirstCandidates(std::size_t most, std::pmr::memory_resource* memory) : most_(most), heap_(memory) {}

    // Whether it would be among the first of those added so far.
    bool wants(const Candidate& candidate) const noexcept {
        return heap_.size() < most_ || (most_ > 0 && candidate < heap_.front());
    }
    // Adds a wanted one. Returns the one that is no longer wanted, if any.
    std::optional<Candidate> add(const Candidate& candidate);
    // No message of a later transaction than this is wanted any more.
    Xact last_wanted() const noexcept {
        return heap_.size() < most_ ? UINT64_MAX : most_ == 0 ? 0 : heap_.front().xact;
    }
    // In order. Ends the collection.
    std::span<const Candidate> take();

private:
    std::size_t most_;
    std::pmr::vector<Candidate> heap_; // once full: a heap with the last one in front
};

// The position of a reader at `received`, with no partial transaction, after it has received the first `most`
// of `first`: the most + 1 first candidates in order (or all, if fewer) that `now` shows it. `room` receives
// the numbers, as for unite.
PositionView advance(SnapshotView received, SnapshotView now, std::span<const Candidate> first,
                     std::size_t most, std::span<Xact> room) noexcept;

// How far a batch of about `most` messages goes if it takes whole transactions only: `first` are the most + 1
// first candidates in order (or all, if fewer).
struct WholeTransactions {
    std::size_t count = 0; // of the candidates; 0 if even the first transaction has more than `most`
    Xact end = UINT64_MAX; // the batch has all wanted messages of the transactions before this one
};
WholeTransactions whole_transactions(std::span<const Candidate> first, std::size_t most) noexcept;

// The time since which every transaction that a position lacks has been running. Messages get their uuids
// after their transaction's number, so a position lacks none from before, and a reader need not look there.
// It holds one moment in force, and one that comes into force when the position has passed the numbers of
// that time.
struct Floor {
    std::optional<std::int64_t> time; // unknown: messages from any time may be missing
    std::int64_t later_time = 0;      // valid if later_next is not 0
    Xact later_next = 0;              // at later_time all assigned numbers were before this one

    // Call with the position after a look, a moment before that look, and the next number to be assigned,
    // read between the two.
    void raise(SnapshotView received, std::int64_t now, Xact next) noexcept;
};

// Of two that are valid for positions, the better one for their union.
constexpr const Floor& higher(const Floor& a, const Floor& b) noexcept {
    return a.time < b.time ? b : a;
}

} // namespace cloudsat::core
