// What is foretold is what the judge does then, at every size: there is no second set of rules.

#include "core/guardian/prospect.hpp"

#include <gtest/gtest.h>

#include <random>

namespace {

using namespace cloudsat::core;

constexpr Micros second = micros_per_second;
constexpr Micros now = 1'000'000 * second;

// A queue in any standing, under any limits, seen in any way.
struct Case {
    Standing standing;
    Sample sample;
    Limits limits;
    Owner owner = Owner::none;
    Circumstances circumstances;
};

class Dice {
public:
    explicit Dice(unsigned seed) : random_(seed) {}
    std::int64_t upto(std::int64_t most) {
        return std::uniform_int_distribution<std::int64_t>(0, most)(random_);
    }
    bool one_in(int n) { return upto(n - 1) == 0; }
    template <class T> T one_of(std::initializer_list<T> list) {
        return *(list.begin() + upto(static_cast<std::int64_t>(list.size()) - 1));
    }

    Case roll() {
        Case c;
        c.limits.warn_size = one_in(10) ? 0 : upto(40);
        c.limits.delete_size = one_in(20) ? INT64_MAX : c.limits.warn_size + upto(40);
        if (one_in(2)) {
            const std::int64_t room = std::min<std::int64_t>(c.limits.delete_size - c.limits.warn_size, 40);
            c.limits.archive_size = c.limits.warn_size + upto(room);
        }
        if (one_in(2)) {
            c.limits.max_archive_size = upto(3);
        }
        c.limits.delete_delay = one_of<Micros>({0, 0, second, 60 * second});
        c.limits.unbounded = one_in(8);
        c.limits.exempt = one_in(12);
        c.limits.basis = one_of({Basis::total, Basis::ready});
        c.owner = one_of({Owner::none, Owner::person, Owner::person, Owner::reserved});
        c.standing.level = one_of({Level::normal, Level::normal, Level::warned, Level::archiving});
        c.standing.pending = one_of({Level::normal, Level::warned, Level::archiving, Level::deleted});
        c.standing.would_delete = one_in(3);
        c.standing.intended = one_in(15);
        c.standing.belayed = one_in(6);
        c.standing.archive = one_of({Archive::none, Archive::on, Archive::full, Archive::withheld});
        c.standing.archive_failures =
            one_of({0, 0, 1, archive_failures_for_good - 1, archive_failures_for_good});
        c.standing.acted_at = one_of<Micros>({0, 0, now - 5 * second, now - 10 * second, now - 11 * second});
        c.standing.delay_from = one_of<Micros>({0, now, now - 30 * second, now - 60 * second});
        c.standing.retry_after = one_of<Micros>({0, 0, now, now + second, INT64_MAX});
        c.sample.liveness = one_of({Liveness::unknown, Liveness::live, Liveness::live, Liveness::dead});
        c.sample.stream = one_in(8);
        if (!one_in(4)) {
            c.sample.archived = upto(3);
        }
        c.circumstances.now = now;
        c.circumstances.up_since = one_of<Micros>({0, 0, now - 14 * second, now - 15 * second});
        c.circumstances.enforce = one_in(2);
        c.circumstances.may_delete = !one_in(8);
        return c;
    }

private:
    std::mt19937 random_;
};

const Outlook& at(const Prospect& prospect, std::int64_t size) {
    const Range* found = nullptr;
    for (const Range& range : prospect.ranges()) {
        if (range.from <= size) {
            found = &range;
        }
    }
    return found->outlook;
}

TEST(Prospect, ForetellsWhatTwoPollsAtThatSizeDo) {
    Dice dice(4);
    int told = 0;
    for (int i = 0; i < 5'000; ++i) {
        const Case c = dice.roll();
        const Prospect foretold = prospect(c.standing, c.sample, c.limits, c.owner, c.circumstances);
        ASSERT_EQ(foretold.list[0].from, 0);
        for (std::int64_t size = 0; size <= 85; ++size) {
            // what really happens: the judge, twice, as step() calls it
            Sample sample = c.sample;
            (c.limits.basis == Basis::ready ? sample.ready : sample.messages) = size;
            const Verdict one = judge(c.standing, sample, c.limits, c.owner, c.circumstances);
            const Verdict two = judge(one.next, sample, c.limits, c.owner, c.circumstances);
            const Outlook& outlook = at(foretold, size);
            ASSERT_EQ(outlook.warned, one.warned || two.warned) << i << ' ' << size;
            ASSERT_EQ(outlook.deletable, one.deletable || two.deletable) << i << ' ' << size;
            ASSERT_EQ(outlook.recovered, one.recovered || two.recovered) << i << ' ' << size;
            ASSERT_EQ(outlook.archive_wanted, one.archive_wanted || two.archive_wanted) << i << ' ' << size;
            ASSERT_EQ(outlook.archive_ended, one.archive_ended || two.archive_ended) << i << ' ' << size;
            ASSERT_EQ(outlook.would_delete, one.would_delete || two.would_delete) << i << ' ' << size;
            ASSERT_EQ(outlook.delete_intended, one.delete_intended || two.delete_intended)
                << i << ' ' << size;
            told += one.blocker == Blocker::none ? 1 : 0;
        }
    }
    EXPECT_GT(told, 25'000); // and not only of queues that are left alone
}

// Whatever a size calls for and does not bring has a reason, and a reason is given for nothing else.
TEST(Prospect, AReasonIsGivenForWhatDoesNotHappen) {
    Dice dice(5);
    for (int i = 0; i < 5'000; ++i) {
        const Case c = dice.roll();
        const Prospect foretold = prospect(c.standing, c.sample, c.limits, c.owner, c.circumstances);
        for (std::int64_t size = 0; size <= 85; ++size) {
            const Outlook& outlook = at(foretold, size);
            if (outlook.blocker != Blocker::none) {
                ASSERT_FALSE(outlook.warned || outlook.would_delete || outlook.delete_intended);
                ASSERT_FALSE(reason_of(outlook.blocker).empty());
                continue;
            }
            if (size > c.limits.delete_size) {
                ASSERT_TRUE(outlook.delete_intended || outlook.delete_blocker != Blocker::none)
                    << i << ' ' << size;
                ASSERT_FALSE(outlook.delete_intended && outlook.delete_blocker != Blocker::none)
                    << i << ' ' << size;
            } else {
                ASSERT_EQ(outlook.delete_blocker, Blocker::none) << i << ' ' << size;
            }
            const bool too_much = c.limits.archive_size && size > *c.limits.archive_size;
            const bool archiving = outlook.archive_wanted || c.standing.archive == Archive::on;
            if (too_much) {
                ASSERT_TRUE(archiving || outlook.archive_blocker != Blocker::none) << i << ' ' << size;
            } else {
                ASSERT_EQ(outlook.archive_blocker, Blocker::none) << i << ' ' << size;
            }
        }
    }
}

TEST(Prospect, OfAQueueThatNobodyKnowsYet) {
    const Limits limits{.warn_size = 2000, .delete_size = 8000, .archive_size = 4000};
    const Sample sample{.messages = {}, .ready = {}, .liveness = Liveness::live};
    const Prospect off = prospect({}, sample, limits, Owner::person, {.now = now});
    ASSERT_EQ(off.count, 4U);
    EXPECT_EQ(off.list[0].outlook, Outlook{});
    EXPECT_EQ(off.list[1].from, 2001);
    EXPECT_TRUE(off.list[1].outlook.warned);
    EXPECT_EQ(off.list[2].from, 4001);
    EXPECT_EQ(off.list[2].outlook.archive_blocker, Blocker::not_enforced);
    EXPECT_EQ(off.list[3].from, 8001);
    EXPECT_TRUE(off.list[3].outlook.would_delete);
    EXPECT_EQ(off.list[3].outlook.delete_blocker, Blocker::not_enforced);

    const Prospect on = prospect({}, sample, limits, Owner::person, {.now = now, .enforce = true});
    ASSERT_EQ(on.count, 4U);
    EXPECT_TRUE(on.list[2].outlook.archive_wanted);
    EXPECT_TRUE(on.list[3].outlook.archive_wanted);
    EXPECT_EQ(on.list[3].outlook.delete_blocker, Blocker::archive_first);
}

} // namespace
