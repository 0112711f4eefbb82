// UUIDv7 by RFC 9562: layout, order under every clock, bounds of an instant, and who may use which
// randomness.

#include "core/board/uuid7.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

using namespace cloudsat::core;

namespace {

// a clock and a random source that a test sets
std::int64_t now_is = 0;
std::int64_t clock_now() noexcept {
    return now_is;
}

int draws = 0;
bool random_works = true;
std::uint8_t next_byte = 0;
bool count_up(std::span<std::uint8_t> bytes) noexcept {
    ++draws;
    if (!random_works) {
        return false;
    }
    std::generate(bytes.begin(), bytes.end(), [] { return next_byte++; });
    return true;
}

class Uuid7 : public testing::Test {
protected:
    void SetUp() override {
        now_is = 1'645'557'742'000'000; // the example of RFC 9562, A.6
        draws = 0;
        random_works = true;
        next_byte = 0;
    }
    UuidSource source{clock_now, count_up};
    Uuid next(std::int64_t process = 1) {
        auto made = source.next(process);
        EXPECT_TRUE(made);
        return made ? made.value() : Uuid{};
    }
};

std::string text(const Uuid& uuid) {
    const UuidText chars = print(uuid);
    return {chars.begin(), chars.end()};
}

Uuid parse(std::string_view hex) {
    Uuid uuid;
    std::size_t digit = 0;
    for (char c : hex) {
        if (c != '-') {
            const int value = c <= '9' ? c - '0' : c - 'a' + 10;
            uuid.bytes[digit / 2] = static_cast<std::uint8_t>(uuid.bytes[digit / 2] * 16 + value);
            ++digit;
        }
    }
    return uuid;
}

} // namespace

TEST_F(Uuid7, LooksLikeTheExampleOfTheStandard) {
    // 017F22E2-79B0-7CC3-98C4-DC0C0C07398F is of that millisecond; ours has its fraction instead of CC3
    EXPECT_EQ(text(next()), "017f22e2-79b0-7000-8001-020304050607");
    now_is += 500; // half a millisecond is half of 4096
    EXPECT_EQ(text(next()), "017f22e2-79b0-7800-8809-0a0b0c0d0e0f");
    EXPECT_EQ(uuid_time(parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")), 1'645'557'742'000'797);
}

TEST_F(Uuid7, HasVersionAndVariantWhateverTheRandomness) {
    next_byte = 0xff;
    for (int i = 0; i < 1000; ++i, next_byte = static_cast<std::uint8_t>(next_byte + 37)) {
        now_is += i * 7;
        const Uuid uuid = next();
        EXPECT_EQ(uuid.bytes[6] >> 4, 7);
        EXPECT_EQ(uuid.bytes[8] >> 6, 0b10);
    }
}

TEST_F(Uuid7, CarriesTheClock) {
    for (std::int64_t step : {1L, 1L, 998L, 1L, 999'000L, 86'400'000'000L}) {
        now_is += step;
        EXPECT_EQ(uuid_time(next()), now_is);
    }
}

TEST_F(Uuid7, RisesStrictlyWhileTheClockStandsStepsBackAndJumps) {
    std::vector<Uuid> made;
    for (int i = 0; i < 20'000; ++i) {
        if (i == 5'000) {
            now_is -= 3'600'000'000; // an hour back
        } else if (i == 10'000) {
            now_is += 7'200'000'000;
        } else if (i > 15'000) {
            now_is += i % 3 - 1; // trembles
        }
        made.push_back(next());
    }
    EXPECT_TRUE(std::is_sorted(made.begin(), made.end(), std::less_equal<>()))
        << "each is greater than the one before";
    // while the clock stands still the time runs ahead by a 4096th of a millisecond for each
    EXPECT_EQ(uuid_time(made[4'999]).value() - uuid_time(made[0]).value(), 4'999 * 1000 / 4096);
}

TEST_F(Uuid7, DrawsRandomnessInBlocks) {
    for (int i = 0; i < 64; ++i) {
        next();
    }
    EXPECT_EQ(draws, 1);
    next();
    EXPECT_EQ(draws, 2);
}

TEST_F(Uuid7, UsesEachRandomByteOnce) {
    std::set<std::string> seen;
    for (int i = 0; i < 32; ++i) { // 256 different bytes
        seen.insert(text(next()).substr(21));
    }
    EXPECT_EQ(seen.size(), 32U);
}

TEST_F(Uuid7, NeverSharesRandomnessWithAFork) {
    next(1);
    UuidSource forked = source; // the child's copy of memory
    auto in_child = forked.next(2);
    ASSERT_TRUE(in_child);
    const Uuid in_parent = next(1);
    EXPECT_EQ(draws, 2);
    EXPECT_NE(text(in_child.value()).substr(19), text(in_parent).substr(19));
}

TEST_F(Uuid7, FailsWithoutRandomnessAndRecovers) {
    random_works = false;
    const auto failed = source.next(1);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error(), UuidError::no_randomness);
    random_works = true;
    next();
}

TEST_F(Uuid7, RefusesAClockThatItCannotHold) {
    for (std::int64_t bad : {std::int64_t{-1}, max_uuid_time + 1, INT64_MAX, INT64_MIN}) {
        now_is = bad;
        const auto failed = source.next(1);
        ASSERT_FALSE(failed);
        EXPECT_EQ(failed.error(), UuidError::clock_out_of_range);
    }
    now_is = 0;
    EXPECT_EQ(uuid_time(next()), 0);
    now_is = max_uuid_time;
    EXPECT_EQ(uuid_time(next()), max_uuid_time);
    for (int i = 0; i < 4; ++i) {
        if (!source.next(1)) {
            return; // the last microsecond has four or five ticks
        }
    }
    EXPECT_FALSE(source.next(1));
}

TEST_F(Uuid7, BoundsOfAnInstantEncloseItAndNothingElse) {
    std::vector<std::int64_t> times = {0, 1, 999, 1000, 1001, 1'645'557'742'000'000, max_uuid_time - 1};
    for (std::int64_t i = 0; i < 5'000; ++i) {
        times.push_back(1'767'323'045'678'000 + i);
    }
    for (std::int64_t time : times) {
        const auto floor = uuid_floor(time);
        const auto ceil = uuid_ceil(time);
        ASSERT_TRUE(floor && ceil);
        EXPECT_EQ(uuid_time(*floor), time);
        EXPECT_EQ(uuid_time(*ceil), time);
        EXPECT_LT(*floor, *ceil);
        EXPECT_LT(*ceil, *uuid_floor(time + 1));
        UuidSource fresh(clock_now, count_up);
        now_is = time;
        const Uuid made = fresh.next(1).value();
        EXPECT_LE(*floor, made);
        EXPECT_LE(made, *ceil);
    }
    EXPECT_EQ(text(*uuid_floor(0)), "00000000-0000-7000-8000-000000000000");
    EXPECT_EQ(text(*uuid_ceil(max_uuid_time)), "ffffffff-ffff-7fff-bfff-ffffffffffff");
}

TEST_F(Uuid7, BoundsEndWhereTheFormatEnds) {
    for (std::int64_t bad : {std::int64_t{-1}, max_uuid_time + 1, INT64_MAX, INT64_MIN}) {
        EXPECT_FALSE(uuid_floor(bad));
        EXPECT_FALSE(uuid_ceil(bad));
    }
}

TEST_F(Uuid7, OtherUuidsCarryNoTime) {
    EXPECT_FALSE(uuid_time(Uuid{}));
    EXPECT_FALSE(uuid_time(parse("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"))); // version 1
    EXPECT_FALSE(uuid_time(parse("919108f7-52d1-4320-9bac-f847db4148a8"))); // version 4
    EXPECT_FALSE(uuid_time(parse("017f22e2-79b0-7cc3-58c4-dc0c0c07398f"))); // another variant
}
