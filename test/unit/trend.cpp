// How a size goes, from a history that is written on change.

#include "core/guardian/trend.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace {

using namespace cloudsat::core;

constexpr Micros second = micros_per_second;
constexpr Micros now = 1'000'000 * second;
constexpr Micros window = 600 * second;

std::optional<Trend> trend(const std::vector<HistoryPoint>& points) {
    return trend_of(points, now - window, now);
}

TEST(Trend, AnEmptyOrShortHistoryHasNone) {
    EXPECT_FALSE(trend({}));
    EXPECT_FALSE(trend({{now - 29 * second, 5}}));
    EXPECT_TRUE(trend({{now - 30 * second, 5}}));
    EXPECT_FALSE(trend({{now + second, 5}})); // a clock that was set back
}

TEST(Trend, ANumberThatNeverChangedStandsStill) {
    const auto still = trend({{now - 7 * window, 1'000'000'000}});
    ASSERT_TRUE(still);
    EXPECT_EQ(still->growth, 0);
    EXPECT_FALSE(still->steady);
    EXPECT_EQ(still->span, window);
}

TEST(Trend, OfSteadyGrowthIsItsRate) {
    std::vector<HistoryPoint> points;
    for (int i = 0; i <= 200; ++i) { // one second in five: 20 messages, 240 a minute
        points.push_back({now - window - 400 * second + i * 5 * second, 1000 + i * 20});
    }
    const auto up = trend(points);
    ASSERT_TRUE(up);
    EXPECT_NEAR(up->growth, 240, 3);
    EXPECT_TRUE(up->steady);
    for (HistoryPoint& point : points) {
        point.size = -point.size;
    }
    EXPECT_NEAR(trend(points)->growth, -240, 3);
}

TEST(Trend, OfAYoungQueueIsFromItsFirstSample) {
    const auto young = trend({{now - 60 * second, 0}, {now - 30 * second, 100}});
    ASSERT_TRUE(young);
    EXPECT_EQ(young->span, 60 * second);
    EXPECT_NEAR(young->growth, 150, 1); // the line of least squares through a step in the middle: 1.5 of it
}

TEST(Trend, WhatSwingsIsNotSteady) {
    std::vector<HistoryPoint> points;
    for (int i = 0; i < 120; ++i) {
        points.push_back({now - window + i * 5 * second, i % 2 == 0 ? 0 : 10'000});
    }
    const auto swinging = trend(points);
    ASSERT_TRUE(swinging);
    EXPECT_FALSE(swinging->steady);
    EXPECT_LT(std::abs(swinging->growth), 60);
}

TEST(Trend, HugeNumbersAndSamplesOutOfOrderMakeNoNonsense) {
    const auto huge = trend({{now - window, 0}, {now - window / 2, INT64_MAX}});
    ASSERT_TRUE(huge);
    EXPECT_TRUE(std::isfinite(huge->growth));
    const auto odd = trend({{now - 100 * second, 1}, {now - 300 * second, 9}, {now - 50 * second, 2}});
    EXPECT_TRUE(!odd || std::isfinite(odd->growth));
}

TEST(TimeTo, IsWhenTheLimitIsReached) {
    EXPECT_EQ(time_to(2000, 1000, 100), 600 * second);
    EXPECT_EQ(time_to(2000, 2000, 100), 0);
    EXPECT_EQ(time_to(2000, 2001, -5), 0);
    EXPECT_EQ(time_to(2000, 1000, 0), std::nullopt);
    EXPECT_EQ(time_to(2000, 1000, -1), std::nullopt);
    EXPECT_EQ(time_to(2000, 1000, std::nan("")), std::nullopt);
    EXPECT_EQ(time_to(INT64_MAX, 0, 1), std::nullopt); // in seventeen million million years
}

} // namespace
