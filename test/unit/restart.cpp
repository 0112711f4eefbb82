// When a process that ended is started again: at once, then ever more rarely, and at once again after a
// settled life.

#include "core/base/restart.hpp"

#include <gtest/gtest.h>

using cloudsat::core::Restart;

namespace {

constexpr auto second = Restart::second;

TEST(Restart, BeginsAtOnce) {
    EXPECT_TRUE(Restart().due(0));
}

TEST(Restart, WaitsTwiceAsLongEachTimeUpToAMinute) {
    Restart restart;
    std::int64_t now = 1000 * second;
    for (const std::int64_t wait : {1, 2, 4, 8, 16, 32, 60, 60, 60}) {
        restart.started(now);
        EXPECT_FALSE(restart.due(now + wait * second - 1)) << wait;
        EXPECT_TRUE(restart.due(now + wait * second)) << wait;
        now += wait * second;
    }
}

TEST(Restart, ForgivesWhoLivedForAWhile) {
    Restart restart;
    for (int i = 0; i < 10; ++i) {
        restart.started(0);
    }
    restart.alive(Restart::settled - 1, 0);
    EXPECT_FALSE(restart.due(0));
    restart.alive(Restart::settled, 0);
    EXPECT_TRUE(restart.due(0));
    restart.started(0);
    EXPECT_TRUE(restart.due(second));
}

} // namespace
