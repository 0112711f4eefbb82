// Which channels a transaction rings on when it commits: each once, with its newest message, and none that
// was rung in a savepoint that was rolled back.

#include "core/board/rung_channels.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

using namespace cloudsat::core;

namespace {

Uuid numbered(std::uint32_t number) {
    Uuid uuid;
    for (std::size_t i = 0; i < 4; ++i) {
        uuid.bytes[i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
    }
    return uuid;
}

// As board/doorbell.cpp uses it, with rooms of its own.
class Rung {
public:
    explicit Rung(std::size_t first, std::size_t most) : most_(most) { widen(first); }

    void ring(int level, std::uint64_t hash, std::uint32_t number, bool notification = true) {
        Ring* ring = rung.ring(level, hash);
        while (ring == nullptr && rung.overflown() == 0 && rung.room() < most_) {
            widen(std::min(rung.room() * 2, most_));
            ring = rung.ring(level, hash);
        }
        if (ring == nullptr) {
            rung.overflow(level);
            return;
        }
        ring->uuid = numbered(number);
        if (notification && !ring->notification) {
            ring->notification = true;
            ring->channel = ChannelName();
            ring->channel.push("c" + std::to_string(hash));
        }
    }

    std::map<std::uint64_t, Uuid> all() {
        std::map<std::uint64_t, Uuid> result;
        for (const Ring& ring : rung.all()) {
            EXPECT_TRUE(result.emplace(ring.hash, ring.uuid).second)
                << "channel " << ring.hash << " is there twice";
            EXPECT_EQ(ring.channel.view(), ring.notification ? "c" + std::to_string(ring.hash) : "");
        }
        return result;
    }

    RungChannels rung;

private:
    void widen(std::size_t size) {
        rooms_.emplace_back(size);
        rung.use(rooms_.back());
    }

    std::size_t most_;
    std::vector<std::vector<Ring>> rooms_;
};

TEST(RungChannels, IsEmptyAtFirstAndAfterClear) {
    Rung one(16, 16);
    EXPECT_TRUE(one.rung.empty());
    EXPECT_TRUE(one.rung.all().empty());
    one.ring(1, 7, 1);
    EXPECT_FALSE(one.rung.empty());
    one.rung.clear();
    EXPECT_TRUE(one.rung.empty());
}

TEST(RungChannels, HasNoPlaceInNoRoom) {
    RungChannels none;
    EXPECT_EQ(none.ring(1, 7), nullptr);
}

TEST(RungChannels, KeepsTheNewestMessageOfAChannel) {
    Rung one(16, 16);
    for (std::uint32_t i = 0; i < 100'000; ++i) {
        one.ring(1, i % 3, i);
    }
    EXPECT_EQ(one.all(), (std::map<std::uint64_t, Uuid>{
                             {0, numbered(99'999)}, {1, numbered(99'997)}, {2, numbered(99'998)}}));
    EXPECT_EQ(one.rung.room(), 16U);
}

TEST(RungChannels, RemembersTheOlderMessageWhenASavepointIsRolledBack) {
    Rung one(16, 16);
    one.ring(1, 7, 1);
    one.ring(2, 7, 2);
    one.ring(3, 8, 3);
    one.rung.keep(3);
    one.rung.forget(2);
    EXPECT_EQ(one.all(), (std::map<std::uint64_t, Uuid>{{7, numbered(1)}}));
}

TEST(RungChannels, KeepsTheChannelsNameWhenALaterRingNeedsNone) {
    Rung one(16, 16);
    one.ring(1, 7, 1, true);
    one.ring(2, 7, 2, false);
    one.rung.keep(2);
    EXPECT_EQ(one.all(), (std::map<std::uint64_t, Uuid>{{7, numbered(2)}}));
    EXPECT_TRUE(one.rung.all()[0].notification);
}

TEST(RungChannels, SaysWhenThereWereTooMany) {
    Rung one(16, 64);
    for (std::uint32_t i = 0; i < 1000; ++i) {
        one.ring(2, i, i);
    }
    EXPECT_GT(one.rung.overflown(), 900U);
    EXPECT_GE(one.all().size(), 48U);
    one.rung.keep(2);
    EXPECT_FALSE(one.rung.empty());
}

TEST(RungChannels, ForgetsThatThereWereTooManyInWhatIsRolledBack) {
    Rung one(16, 64);
    one.ring(1, 5000, 1);
    for (std::uint32_t i = 0; i < 1000; ++i) {
        one.ring(3, i, i + 2);
    }
    one.rung.keep(3);
    one.rung.forget(2);
    EXPECT_EQ(one.rung.overflown(), 0U);
    EXPECT_EQ(one.all(), (std::map<std::uint64_t, Uuid>{{5000, numbered(1)}}));
    one.ring(1, 5001, 2000);
    EXPECT_EQ(one.all().size(), 2U);
}

// Against a stack of maps, with savepoints that nest and end in any way.
TEST(RungChannels, AgreesWithAStackOfMaps) {
    std::mt19937 random(20261121);
    for (int round = 0; round < 300; ++round) {
        Rung one(4 + random() % 13, 4096);
        std::vector<std::map<std::uint64_t, Uuid>> model(1);
        const std::uint64_t channels = 1 + random() % 60;
        for (std::uint32_t step = 0; step < 2000; ++step) {
            const auto level = static_cast<int>(model.size());
            const auto what = random() % 100;
            if (what < 90) {
                const std::uint64_t channel = random() % channels;
                one.ring(level, channel, step);
                model.back()[channel] = numbered(step);
            } else if (what < 94 && level < 8) {
                model.emplace_back();
            } else if (level > 1) {
                const std::map<std::uint64_t, Uuid> ended = model.back();
                model.pop_back();
                if (what < 97) {
                    one.rung.forget(level);
                } else {
                    one.rung.keep(level);
                    for (const auto& [channel, uuid] : ended) {
                        model.back()[channel] = uuid;
                    }
                }
            }
        }
        for (; model.size() > 1; model.pop_back()) { // COMMIT ends the savepoints that are open
            one.rung.keep(static_cast<int>(model.size()));
            for (const auto& [channel, uuid] : model.back()) {
                model[model.size() - 2][channel] = uuid;
            }
        }
        ASSERT_EQ(one.all(), model[0]) << "round " << round;
        ASSERT_EQ(one.rung.overflown(), 0U);
    }
}

} // namespace
