// When a broker counts as unguarded, and who of several guards watches; how many guards a database may have.
// In virtual time.

#include "core/guardian/oversight.hpp"
#include "core/guardian/fair_share.hpp"
#include "core/guardian/precedence.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace cloudsat::core;
using News = Oversight::News;
constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t interval = 5 * second;
constexpr std::int64_t timeout = 60 * second;

News look(Oversight& oversight, const GuardSeen& guard, std::int64_t now) {
    return oversight.look(guard, now, interval, timeout);
}

TEST(Oversight, ThreeIntervalsWithoutAGuardAreToldOnce) {
    Oversight oversight;
    EXPECT_EQ(look(oversight, {}, 100 * second), News::none);
    EXPECT_EQ(look(oversight, {}, 115 * second), News::none);
    EXPECT_EQ(look(oversight, {}, 116 * second), News::unguarded);
    EXPECT_EQ(look(oversight, {}, 200 * second), News::none);
    EXPECT_EQ(look(oversight, {.is_there = true, .next_poll = 205 * second}, 201 * second), News::guarded);
    EXPECT_FALSE(oversight.is_unguarded());
}

TEST(Oversight, AFailingGuardIsNoGuard) {
    Oversight oversight;
    GuardSeen guard{.is_there = true, .next_poll = 105 * second};
    EXPECT_EQ(look(oversight, guard, 100 * second), News::none);
    guard.since = 110 * second;
    EXPECT_EQ(look(oversight, guard, 120 * second), News::none);
    EXPECT_EQ(look(oversight, guard, 121 * second), News::unguarded);
    guard.is_busy = true; // another process tries, in vain
    EXPECT_EQ(look(oversight, guard, 122 * second), News::none);
    EXPECT_TRUE(oversight.is_unguarded());
}

TEST(Oversight, ABackOffAndALongRoundAreNoFailure) {
    Oversight oversight;
    EXPECT_EQ(look(oversight, {.is_there = true, .next_poll = 400 * second}, 100 * second), News::none);
    EXPECT_EQ(look(oversight, {.is_there = true, .next_poll = 400 * second}, 415 * second), News::none);
    const GuardSeen busy{.is_there = true, .is_busy = true, .since = 415 * second, .next_poll = 400 * second};
    EXPECT_EQ(look(oversight, busy, 500 * second), News::none);
    EXPECT_EQ(look(oversight, busy, 1031 * second), News::unguarded); // ten timeouts and three intervals
}

TEST(Oversight, WhoStandsByForAWatcherIsWell) {
    Oversight oversight;
    EXPECT_EQ(look(oversight, {.is_there = true}, 100 * second), News::none);
    EXPECT_EQ(look(oversight, {.is_there = true}, 116 * second), News::unguarded);
    EXPECT_EQ(look(oversight, {.is_there = true, .others_watch = true}, 117 * second), News::guarded);
    EXPECT_EQ(look(oversight, {.is_there = true, .others_watch = true}, 999 * second), News::none);
}

TEST(Precedence, WhoMayActThenWhoWatchesThenWhoWatchedLast) {
    const Contender original{.broker = 1, .may_act = true, .last_watched = 10, .database = 5};
    const Contender copy{
        .broker = 1, .may_act = false, .is_watching = true, .last_watched = 20, .database = 6};
    EXPECT_TRUE(goes_before(original, copy));
    EXPECT_FALSE(goes_before(copy, original));
    Contender confirmed = copy;
    confirmed.may_act = true;
    EXPECT_TRUE(goes_before(confirmed, original)); // equals do not take turns
    confirmed.is_watching = false;
    EXPECT_TRUE(goes_before(confirmed, original));
    confirmed.last_watched = 10;
    EXPECT_TRUE(goes_before(original, confirmed));
}

TEST(Precedence, IsAnOrder) {
    std::vector<Contender> all;
    for (unsigned i = 0; i < 64; ++i) {
        all.push_back({.broker = 1,
                       .may_act = (i & 1U) != 0,
                       .is_watching = (i & 2U) != 0,
                       .last_watched = i >> 2U & 1U,
                       .database = i >> 3U & 1U,
                       .server = i >> 4U});
    }
    for (const Contender& a : all) {
        EXPECT_FALSE(goes_before(a, a));
        for (const Contender& b : all) {
            EXPECT_EQ(goes_before(a, b) || goes_before(b, a), &a != &b);
            for (const Contender& c : all) {
                EXPECT_TRUE(!goes_before(a, b) || !goes_before(b, c) || goes_before(a, c));
            }
        }
    }
}

TEST(Precedence, PartsOfABrokerConflictWithTheWhole) {
    EXPECT_TRUE(conflict({.broker = 1}, {.broker = 1, .part = 2}));
    EXPECT_TRUE(conflict({.broker = 1, .part = 2}, {.broker = 1, .part = 2}));
    EXPECT_FALSE(conflict({.broker = 1, .part = 2}, {.broker = 1, .part = 3}));
    EXPECT_FALSE(conflict({.broker = 1}, {.broker = 2}));
    EXPECT_FALSE(conflict({}, {}));
}

TEST(FairShare, NobodyIsShutOut) {
    const std::vector<int> one{1};
    const std::vector<int> many{10, 1, 0};
    EXPECT_EQ(places_for_guards(10, 2), 4);
    EXPECT_EQ(places_for_guards(2, 5), 0);
    EXPECT_EQ(fair_share(4, 6, one), 3);
    EXPECT_EQ(fair_share(4, 6, {}), 4);
    EXPECT_EQ(fair_share(4, 2, one), 2);
    EXPECT_EQ(fair_share(9, 10, many), 4); // 4 + 4 + 1
    EXPECT_EQ(fair_share(0, 6, one), 1);
    EXPECT_EQ(fair_share(4, 0, one), 0);
}

} // namespace
