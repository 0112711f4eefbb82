// The arithmetic of streams: each operation against sets of numbers, and all of them together in a model of
// transactions that begin, write, commit and abort in any order, and readers that take batches of any size
// and sometimes roll back: every committed message comes once.

#include "core/board/stream_position.hpp"

#include <map>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace cloudsat::core {
namespace {

// A snapshot that owns its numbers.
struct Snapshot {
    Xact xmax = 0;
    std::vector<Xact> in_progress;

    Snapshot() = default;
    Snapshot(Xact end, std::vector<Xact> open) : xmax(end), in_progress(std::move(open)) {}
    explicit Snapshot(SnapshotView view)
        : xmax(view.xmax), in_progress(view.in_progress.begin(), view.in_progress.end()) {}
    SnapshotView view() const { return {xmax, in_progress}; }
    friend bool operator==(const Snapshot&, const Snapshot&) = default;
    friend void PrintTo(const Snapshot& snapshot, std::ostream* out) {
        *out << snapshot.xmax << ":";
        for (Xact xact : snapshot.in_progress)
            *out << " " << xact;
    }
};

Snapshot random_snapshot(std::mt19937& random, Xact limit) {
    Snapshot snapshot;
    snapshot.xmax = 3 + random() % limit;
    for (Xact xact = 3; xact < snapshot.xmax; ++xact)
        if (random() % 3 == 0)
            snapshot.in_progress.push_back(xact);
    return snapshot;
}

std::vector<Xact> room(const Snapshot& a, const Snapshot& b = {}) {
    return std::vector<Xact>(a.in_progress.size() + b.in_progress.size());
}

MessageId id(std::uint64_t number) {
    return {number, ~number};
}

TEST(BoardClock, EraStandsInFront) {
    EXPECT_EQ(on_board_clock(0, 12345), 12345U);
    EXPECT_EQ(on_board_clock(1, 3), (Xact{1} << 48) + 3);
    EXPECT_GT(on_board_clock(1, 0), on_board_clock(0, (Xact{1} << 48) - 1));
    EXPECT_GT(static_cast<std::int64_t>(on_board_clock(max_era, (Xact{1} << 48) - 1)), 0);
}

std::vector<Xact> numbers_of(const std::vector<Era>& eras, std::uint64_t full_xid) {
    std::vector<Xact> numbers;
    each_number(eras, full_xid, [&numbers](Xact number) { numbers.push_back(number); });
    return numbers;
}

TEST(BoardClock, ATransactionFromBeforeAnEraMayBelongToAnEarlierOne) {
    const std::vector<Era> eras{{3, 0}, {4, 100}, {6, 200}};
    EXPECT_EQ(numbers_of(eras, 200), (std::vector{on_board_clock(6, 200)}));
    EXPECT_EQ(numbers_of(eras, 199), (std::vector{on_board_clock(6, 199), on_board_clock(4, 199)}));
    EXPECT_EQ(numbers_of(eras, 100), (std::vector{on_board_clock(6, 100), on_board_clock(4, 100)}));
    EXPECT_EQ(numbers_of(eras, 99),
              (std::vector{on_board_clock(6, 99), on_board_clock(4, 99), on_board_clock(3, 99)}));
    EXPECT_EQ(numbers_of({{0, UINT64_MAX}}, 7), (std::vector{Xact{7}}));
}

TEST(BoardClock, WidensRelativeToTheNext) {
    EXPECT_EQ(widen(5, 10), 5U);
    EXPECT_EQ(widen(10, 10), 10U);
    const std::uint64_t round = std::uint64_t{1} << 32;
    EXPECT_EQ(widen(5, 3 * round + 10), 3 * round + 5);
    EXPECT_EQ(widen(0xFFFFFFF0, 3 * round + 10), 2 * round + 0xFFFFFFF0);
}

TEST(BoardClock, NextSkipsWhatTheServerSkips) {
    const std::uint64_t round = std::uint64_t{1} << 32;
    EXPECT_EQ(next_xact(5), 6U);
    EXPECT_EQ(next_xact(round - 1), round + 3);
    EXPECT_EQ(next_xact(on_board_clock(2, round - 1)), on_board_clock(2, round + 3));
    const std::vector<Xact> open{round - 2};
    std::vector<Xact> numbers(1);
    EXPECT_EQ(Snapshot(with({round - 1, open}, round - 1, numbers)), Snapshot(round + 3, {round - 2}));
}

TEST(Snapshot, Contains) {
    const Snapshot snapshot(10, {3, 7});
    std::set<Xact> in;
    for (Xact xact = 0; xact < 20; ++xact)
        if (snapshot.view().contains(xact))
            in.insert(xact);
    EXPECT_EQ(in, (std::set<Xact>{0, 1, 2, 4, 5, 6, 8, 9}));
    EXPECT_EQ(snapshot.view().xmin(), 3U);
    EXPECT_EQ(Snapshot(10, {}).view().xmin(), 10U);
}

TEST(Snapshot, OperationsAreThoseOfSets) {
    std::mt19937 random(1);
    for (int round = 0; round < 5000; ++round) {
        const Snapshot a = random_snapshot(random, 20);
        const Snapshot b = random_snapshot(random, 20);
        const Xact end = random() % 22;
        std::vector<Xact> numbers = room(a, b);
        const Snapshot both(unite(a.view(), b.view(), numbers));
        const Snapshot cut(a.view().before(end));
        std::vector<Xact> others = room(a);
        const Xact one = 3 + random() % (std::max<Xact>(a.xmax, 3) - 2);
        const Snapshot more(with(a.view(), one, others));
        const Unreceived unreceived(a.view(), b.view());
        for (Xact xact = 0; xact < 25; ++xact) {
            const bool in_a = a.view().contains(xact);
            const bool in_b = b.view().contains(xact);
            ASSERT_EQ(both.view().contains(xact), in_a || in_b);
            ASSERT_EQ(cut.view().contains(xact), in_a && xact < end);
            ASSERT_EQ(more.view().contains(xact), in_a || xact == one);
            ASSERT_EQ(unreceived.contains(xact), in_b && !in_a);
            std::optional<Xact> next;
            for (Xact later = xact; later < 25 && !next; ++later)
                if (unreceived.contains(later))
                    next = later;
            ASSERT_EQ(unreceived.next(xact), next);
        }
        for (const Snapshot& made : {both, cut, more}) {
            ASSERT_TRUE(
                std::is_sorted(made.in_progress.begin(), made.in_progress.end(), std::less_equal<>()));
            ASSERT_TRUE(made.in_progress.empty() || made.in_progress.back() < made.xmax);
        }
    }
}

TEST(FirstCandidates, KeepsTheFirst) {
    std::mt19937 random(2);
    for (std::size_t most : {0U, 1U, 2U, 7U, 100U}) {
        FirstCandidates first(most, std::pmr::get_default_resource());
        std::vector<Candidate> all;
        for (int i = 0; i < 60; ++i) {
            const Candidate candidate{random() % 10, id(random() % 100'000), static_cast<std::uint64_t>(i)};
            EXPECT_EQ(first.last_wanted() == UINT64_MAX, all.size() < most);
            std::sort(all.begin(), all.end());
            ASSERT_EQ(first.wants(candidate), all.size() < most || (most > 0 && candidate < all[most - 1]));
            if (first.wants(candidate)) {
                const std::optional<Candidate> dropped = first.add(candidate);
                ASSERT_EQ(dropped, all.size() < most ? std::nullopt : std::optional(all[most - 1]));
            }
            all.push_back(candidate);
        }
        std::sort(all.begin(), all.end());
        all.resize(std::min(most, all.size()));
        const std::span<const Candidate> taken = first.take();
        EXPECT_TRUE(std::ranges::equal(taken, all)) << most;
    }
}

TEST(Advance, StopsBeforeTheFirstThatStaysBehind) {
    const Snapshot received(5, {2});
    const Snapshot now(20, {12, 15});
    const std::vector<Candidate> first{{2, id(1), 0}, {8, id(2), 0}, {13, id(3), 0}, {13, id(4), 0}};
    std::vector<Xact> numbers = room(received, now);
    const auto after = [&](std::size_t count, std::size_t most) {
        return advance(received.view(), now.view(), std::span(first).first(count), most, numbers);
    };
    PositionView all = after(4, 4);
    EXPECT_EQ(Snapshot(all.received), Snapshot(20, {12, 15}));
    EXPECT_FALSE(all.partial);
    PositionView two = after(3, 2);
    EXPECT_EQ(Snapshot(two.received), Snapshot(13, {12}));
    EXPECT_FALSE(two.partial);
    PositionView three = after(4, 3);
    EXPECT_EQ(Snapshot(three.received), Snapshot(13, {12}));
    EXPECT_EQ(three.partial, (Partial{13, id(3)}));
    PositionView none = after(1, 0);
    EXPECT_EQ(Snapshot(none.received), received);
    EXPECT_FALSE(none.partial);
}

TEST(Floor, RisesOnlyPastWhatWasGivenOut) {
    Floor floor;
    floor.raise(Snapshot(10, {4}).view(), 100, 12); // 4 has been running since who knows when
    EXPECT_FALSE(floor.time);
    floor.raise(Snapshot(14, {10}).view(), 200,
                14); // 10 and 11 had their numbers by 100, and the latter may be open
    EXPECT_FALSE(floor.time);
    floor.raise(Snapshot(16, {12}).view(), 300, 16);
    EXPECT_EQ(floor.time, 100);
    floor.raise(Snapshot(18, {16}).view(), 400, 18); // all that were given out by 300 are received
    EXPECT_EQ(floor.time, 300);
    floor.raise(Snapshot(20, {}).view(), 500, 20);
    EXPECT_EQ(floor.time, 500);
}

// --- the model
// ------------------------------------------------------------------------------------------------

struct Row {
    Xact xact;
    std::uint64_t number; // ascends with time, across transactions
};

class Board {
public:
    Xact begin() {
        open_.insert(next_);
        return next_++;
    }
    void write(Xact xact) { rows_.push_back({xact, ++time_}); }
    void commit(Xact xact) {
        open_.erase(xact);
        committed_.insert(xact);
        last_ended_ = std::max(last_ended_, xact);
    }
    void abort(Xact xact) {
        open_.erase(xact);
        last_ended_ = std::max(last_ended_, xact);
    }
    const std::set<Xact>& open() const { return open_; }
    Xact next() const { return next_; }
    std::int64_t time() { return static_cast<std::int64_t>(++time_); }

    // As the server takes one: xmax follows the last that ended, not the last that began
    Snapshot snapshot() const {
        Snapshot snapshot(last_ended_ + 1, {});
        for (Xact xact : open_)
            if (xact < snapshot.xmax)
                snapshot.in_progress.push_back(xact);
        return snapshot;
    }
    template <class F> void for_each_visible(const Snapshot& snapshot, F visit) const {
        for (const Row& row : rows_)
            if (committed_.contains(row.xact) && snapshot.view().contains(row.xact))
                visit(row);
    }
    const std::vector<Row>& rows() const { return rows_; }
    bool is_committed(Xact xact) const { return committed_.contains(xact); }

private:
    Xact next_ = 3;
    Xact last_ended_ = 2;
    std::uint64_t time_ = 0;
    std::set<Xact> open_, committed_;
    std::vector<Row> rows_;
};

class Reader {
public:
    explicit Reader(Board& board) : board_(board), received_(board.snapshot()) {
        const std::int64_t now = board.time();
        floor_.raise(received_.view(), now, board.next());
    }

    // As cloudsat.receive does: what is left of the partial transaction, then others
    std::vector<std::uint64_t> receive(std::size_t most) {
        const std::int64_t time = board_.time();
        const Xact next = board_.next();
        const Snapshot now = board_.snapshot();
        std::vector<std::uint64_t> taken;
        if (!partial_ || take_rest(now, most, taken))
            take_others(now, most, taken);
        floor_.raise(received_.view(), time, next);
        return taken;
    }

    bool has_received(const Row& row) const {
        return received_.view().contains(row.xact) ||
               (partial_ && partial_->xact == row.xact && id(row.number) <= partial_->last);
    }
    const Floor& floor() const { return floor_; }

    struct State {
        Snapshot received;
        std::optional<Partial> partial;
        Floor floor;
    };
    State state() const { return {received_, partial_, floor_}; }
    PositionView position() const { return {received_.view(), partial_}; }
    // As another one with the same nick goes on from the newest bookmark
    void join(const Reader& other) {
        std::vector<Xact> numbers = room(received_, other.received_);
        const PositionView both = unite(position(), other.position(), numbers);
        const Snapshot joined(both.received);
        partial_ = both.partial;
        received_ = joined;
        floor_ = higher(floor_, other.floor_);
    }
    void restore(const State& state) {
        received_ = state.received;
        partial_ = state.partial;
        floor_ = state.floor;
    }

private:
    bool take_rest(const Snapshot& now, std::size_t most, std::vector<std::uint64_t>& taken) {
        std::vector<Candidate> rest;
        board_.for_each_visible(now, [&](const Row& row) {
            if (row.xact == partial_->xact && partial_->last < id(row.number))
                rest.push_back({row.xact, id(row.number), row.number});
        });
        std::sort(rest.begin(), rest.end());
        const bool is_whole = rest.size() <= most;
        rest.resize(std::min(most, rest.size()));
        for (const Candidate& candidate : rest)
            taken.push_back(candidate.place);
        if (!is_whole)
            partial_->last = rest.back().id;
        return is_whole;
    }

    void take_others(const Snapshot& now, std::size_t most, std::vector<std::uint64_t>& taken) {
        std::vector<Xact> numbers = room(received_);
        if (partial_)
            received_ = Snapshot(with(received_.view(), partial_->xact, numbers));
        partial_.reset();
        const std::size_t left = most - taken.size();
        if (left == 0)
            return;
        const Unreceived wanted(received_.view(), now.view());
        FirstCandidates first(left + 1, std::pmr::get_default_resource());
        board_.for_each_visible(now, [&](const Row& row) {
            if (const Candidate one{row.xact, id(row.number), row.number};
                wanted.contains(row.xact) && first.wants(one))
                first.add(one);
        });
        const std::span<const Candidate> found = first.take();
        for (const Candidate& candidate : found.first(std::min(left, found.size())))
            taken.push_back(candidate.place);
        std::vector<Xact> more = room(received_, now);
        const PositionView after = advance(received_.view(), now.view(), found, left, more);
        Snapshot moved(after.received); // the numbers may be those of received_
        partial_ = after.partial;
        received_ = moved;
    }

    Board& board_;
    Snapshot received_;
    std::optional<Partial> partial_;
    Floor floor_;
};

TEST(Stream, EveryCommittedMessageOnce) {
    for (unsigned seed = 0; seed < 300; ++seed) {
        std::mt19937 random(seed);
        Board board;
        for (auto i = random() % 4; i-- > 0;)
            board.begin();
        const std::size_t before = board.rows().size();
        Reader reader(board);
        const std::set<Xact> open_at_start = board.open();
        std::map<std::uint64_t, int> times;
        const auto any = [&] {
            auto at = board.open().begin();
            std::advance(at, static_cast<long>(random() % board.open().size()));
            return *at;
        };
        for (int step = 0; step < 400; ++step) {
            switch (random() % 8) {
            case 0:
            case 1:
                board.begin();
                break;
            case 2:
            case 3:
                if (!board.open().empty()) {
                    const Xact xact = any();
                    for (auto n = random() % 5 == 0 ? random() % 40 : 1; n-- > 0;)
                        board.write(xact);
                }
                break;
            case 4:
                if (!board.open().empty())
                    board.commit(any());
                break;
            case 5:
                if (!board.open().empty() && random() % 3 == 0)
                    board.abort(any());
                break;
            default: {
                const Reader::State state = reader.state();
                const std::vector<std::uint64_t> taken = reader.receive(1 + random() % 12);
                if (random() % 4 == 0) {
                    reader.restore(state);
                } else {
                    for (std::uint64_t number : taken)
                        ++times[number];
                }
                for (const Row& row : board.rows()) {
                    if (board.is_committed(row.xact)) {
                        ASSERT_EQ(times[row.number], reader.has_received(row)) << "seed " << seed;
                    }
                    if (!reader.has_received(row) && reader.floor().time) {
                        ASSERT_GE(static_cast<std::int64_t>(row.number), *reader.floor().time)
                            << "seed " << seed;
                    }
                }
            }
            }
        }
        while (!board.open().empty())
            random() % 3 == 0 ? board.abort(any()) : board.commit(any());
        for (;;) {
            const std::vector<std::uint64_t> taken = reader.receive(5);
            if (taken.empty())
                break;
            for (std::uint64_t number : taken)
                ++times[number];
        }
        for (std::size_t i = before; i < board.rows().size(); ++i) {
            const Row& row = board.rows()[i];
            ASSERT_EQ(times[row.number], board.is_committed(row.xact))
                << "seed " << seed << ", xact " << row.xact;
        }
    }
}

// Two connections of one nick, each of which joins the other's position now and then.
class TwoReaders {
public:
    explicit TwoReaders(unsigned seed) : random_(seed), readers_{Reader(board_), Reader(board_)} {}

    void run(int steps) {
        while (steps-- > 0) {
            step();
            check();
        }
        while (!board_.open().empty())
            board_.commit(any());
        readers_[0].join(readers_[1]);
        while (receive(readers_[0]) > 0)
            ;
        for (const Row& row : board_.rows()) { // nothing is lost to the nick
            ASSERT_TRUE(received_.contains(row.number) || !board_.is_committed(row.xact));
        }
    }

private:
    Xact any() {
        auto at = board_.open().begin();
        std::advance(at, static_cast<long>(random_() % board_.open().size()));
        return *at;
    }
    std::size_t receive(Reader& reader) {
        const std::vector<std::uint64_t> taken = reader.receive(1 + random_() % 7);
        received_.insert(taken.begin(), taken.end());
        return taken.size();
    }
    void step() {
        const auto what = random_() % 9;
        if (what < 2 || board_.open().empty()) {
            board_.begin();
        } else if (what < 4) {
            const Xact xact = any();
            for (auto n = 1 + random_() % 20; n-- > 0;)
                board_.write(xact);
        } else if (what < 5) {
            random_() % 4 == 0 ? board_.abort(any()) : board_.commit(any());
        } else {
            receive(readers_[random_() % 2]);
        }
    }
    // What either has, the union has, and no more; one of them may then go on from there.
    void check() {
        Reader& a = readers_[random_() % 2];
        const Reader& b = readers_[random_() % 2];
        Reader both = a;
        both.join(b);
        const std::optional<Partial> pa = a.state().partial;
        const std::optional<Partial> pb = b.state().partial;
        const bool is_exact = !pa || !pb || pa->xact == pb->xact ||
                              b.position().received.contains(pa->xact) ||
                              a.position().received.contains(pb->xact);
        bool a_has_all = true;
        for (const Row& row : board_.rows()) {
            if (!board_.is_committed(row.xact))
                continue;
            const bool either = a.has_received(row) || b.has_received(row);
            ASSERT_TRUE(either || !both.has_received(row));
            ASSERT_TRUE(both.has_received(row) || !either || !is_exact);
            a_has_all = a_has_all && (a.has_received(row) || !b.has_received(row));
            if (!both.has_received(row) && both.floor().time) {
                ASSERT_GE(static_cast<std::int64_t>(row.number), *both.floor().time);
            }
        }
        ASSERT_TRUE(a_has_all || !covers(a.position(), b.position()));
        ASSERT_TRUE(covers(a.position(), a.position()));
        ASSERT_TRUE(covers(both.position(), b.position()) || !is_exact);
        if (is_exact) {
            ASSERT_EQ(covers(b.position(), both.position()), covers(b.position(), a.position()));
        }
        if (random_() % 5 == 0)
            a.join(b);
    }

    std::mt19937 random_;
    Board board_;
    Reader readers_[2];
    std::set<std::uint64_t> received_;
};

TEST(Stream, OneOfTwoConnectionsGoesOnWhereEitherWas) {
    for (unsigned seed = 0; seed < 200; ++seed) {
        TwoReaders two(seed);
        two.run(150);
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    }
}

std::vector<Candidate> candidates(std::initializer_list<Xact> xacts) {
    std::vector<Candidate> all;
    for (const Xact xact : xacts) {
        all.push_back({xact, id(all.size()), 0});
    }
    return all;
}

TEST(WholeTransactions, EndBeforeTheFirstThatDoesNotFit) {
    EXPECT_EQ(whole_transactions({}, 2).end, UINT64_MAX);
    const WholeTransactions all = whole_transactions(candidates({5, 5, 6}), 3);
    EXPECT_EQ(all.count, 3U);
    EXPECT_EQ(all.end, UINT64_MAX);
    const WholeTransactions some = whole_transactions(candidates({5, 5, 6, 6}), 3);
    EXPECT_EQ(some.count, 2U);
    EXPECT_EQ(some.end, 6U);
    const WholeTransactions exact = whole_transactions(candidates({5, 5, 6}), 2);
    EXPECT_EQ(exact.count, 2U);
    EXPECT_EQ(exact.end, 6U);
    const WholeTransactions large = whole_transactions(candidates({5, 5, 5}), 2);
    EXPECT_EQ(large.count, 0U) << "none fits: the caller takes the first transaction as a whole";
    EXPECT_EQ(large.end, 6U);
}

TEST(Position, CoversWhatIsLess) {
    const Snapshot older(10, {5, 7});
    const Snapshot newer(12, {7});
    const PositionView a{newer.view(), std::nullopt};
    const PositionView b{older.view(), std::nullopt};
    EXPECT_TRUE(covers(a, b));
    EXPECT_FALSE(covers(b, a));
    const PositionView one{older.view(), Partial{5, id(1)}};
    const PositionView two{older.view(), Partial{5, id(2)}};
    EXPECT_TRUE(covers(two, one));
    EXPECT_FALSE(covers(one, two));
    EXPECT_TRUE(covers(a, two));
    EXPECT_FALSE(covers(b, one));
    std::vector<Xact> numbers = room(older, newer);
    EXPECT_EQ(unite(one, two, numbers).partial, (Partial{5, id(2)}));
    EXPECT_FALSE(unite(one, a, numbers).partial);
    const PositionView other{older.view(), Partial{7, id(9)}};
    EXPECT_EQ(unite(one, other, numbers).partial, (Partial{5, id(1)}));
}

} // namespace
} // namespace cloudsat::core
