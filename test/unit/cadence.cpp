// The cadence in virtual time: no clock is asked.

#include "core/guardian/cadence.hpp"

#include <gtest/gtest.h>

namespace {

using namespace cloudsat::core;
constexpr Micros second = micros_per_second;
constexpr Cadence usual{};

TEST(Cadence, GoodPollsKeepTheInterval) {
    Micros now = 0;
    for (int i = 1; i <= 100; ++i) {
        now = next_poll(usual, now, now + second / 10, 0, 0.5);
        EXPECT_EQ(now, i * 5 * second);
    }
}

TEST(Cadence, ASlowBrokerIsGivenRest) {
    EXPECT_EQ(next_poll(usual, 0, 20 * second, 0, 0.5), 25 * second);
    EXPECT_EQ(next_poll(usual, 100, 50, 0, 0.5), 100 + 5 * second); // a clock that stepped back
}

TEST(Cadence, FailuresDoubleTheWaitUpToTheLongest) {
    const Micros expected[] = {5, 10, 20, 40, 80, 160, 300, 300};
    int failures = 0;
    for (Micros seconds : expected) {
        EXPECT_EQ(wait_after(usual, ++failures, 0), seconds * second);
    }
    EXPECT_EQ(wait_after(usual, 2'000'000'000, 0), 300 * second);
}

TEST(Cadence, JitterTakesUpToAQuarterOff) {
    EXPECT_EQ(wait_after(usual, 1, 0.0), 5 * second);
    EXPECT_EQ(wait_after(usual, 100, 1.0), 225 * second);
    EXPECT_EQ(wait_after(usual, 100, 7.0), 225 * second);
    for (double random = 0; random < 1; random += 0.01) {
        const Micros wait = wait_after(usual, 3, random);
        EXPECT_GE(wait, 15 * second);
        EXPECT_LE(wait, 20 * second);
    }
}

TEST(Cadence, ATimeoutIsNoRest) {
    EXPECT_EQ(next_poll(usual, 0, 60 * second, 1, 0), 65 * second);
}

TEST(Cadence, ALongestBelowTheIntervalIsTheInterval) {
    EXPECT_EQ(wait_after({.interval = 10 * second, .max_interval = second}, 5, 0), 10 * second);
}

TEST(Cadence, ADayWithADeadBrokerTakesFewPolls) {
    Micros now = 0;
    int polls = 0;
    while (now < 24 * 3600 * second) {
        ++polls;
        now = next_poll(usual, now, now + 2 * second, polls, 0.5);
    }
    EXPECT_LT(polls, 24 * 3600 / 250 + 10);
}

TEST(Cadence, RetriesOfAnActionDoubleUpToAnHour) {
    EXPECT_EQ(retry_wait(0), 30 * second);
    EXPECT_EQ(retry_wait(1), 30 * second);
    EXPECT_EQ(retry_wait(2), 60 * second);
    EXPECT_EQ(retry_wait(50), 3600 * second);
}

} // namespace
