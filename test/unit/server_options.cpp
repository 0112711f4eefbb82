// How the options of a server are read, and what contradicts what.

#include "core/guardian/server_options.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

using namespace cloudsat::core;

TEST(ServerOptions, Durations) {
    EXPECT_EQ(parse_duration("5s"), 5'000'000);
    EXPECT_EQ(parse_duration(" 5 s "), 5'000'000);
    EXPECT_EQ(parse_duration("5"), 5'000'000);
    EXPECT_EQ(parse_duration("300ms"), 300'000);
    EXPECT_EQ(parse_duration("0.5s"), 500'000);
    EXPECT_EQ(parse_duration("2min"), 120'000'000);
    EXPECT_EQ(parse_duration("1h"), 3'600'000'000);
    EXPECT_EQ(parse_duration("1d"), 86'400'000'000);
    for (const char* bad : {"", " ", "s", "-1s", "5 sec", "5S", "1e3", "inf", "nan", "5s5", "0x5", "5,0s"}) {
        EXPECT_FALSE(parse_duration(bad)) << bad;
    }
    EXPECT_EQ(parse_duration("999999999999999999999d"), INT64_MAX);
}

TEST(ServerOptions, Sizes) {
    EXPECT_EQ(parse_bytes("256MB"), 268'435'456);
    EXPECT_EQ(parse_bytes("64kB"), 65'536);
    EXPECT_EQ(parse_bytes("1.5GB"), 1'610'612'736);
    EXPECT_EQ(parse_bytes("100"), 100);
    for (const char* bad : {"", "MB", "1mb", "1KB", "1 M", "-1"}) {
        EXPECT_FALSE(parse_bytes(bad)) << bad;
    }
}

TEST(ServerOptions, CountsAndBooleans) {
    EXPECT_EQ(parse_count("2000"), 2000);
    EXPECT_EQ(parse_count(" 9223372036854775807 "), INT64_MAX);
    for (const char* bad : {"", "2k", "2.5", "9223372036854775808", "0x10", "+5"}) {
        EXPECT_FALSE(parse_count(bad)) << bad;
    }
    for (const char* yes : {"on", "TRUE", "yes", "1"}) {
        EXPECT_EQ(parse_boolean(yes), true) << yes;
    }
    for (const char* no : {"off", "False", "no", "0"}) {
        EXPECT_EQ(parse_boolean(no), false) << no;
    }
    EXPECT_FALSE(parse_boolean("maybe"));
    EXPECT_FALSE(parse_boolean(""));
}

TEST(ServerOptions, EachRuleIsFoundWhereItStandsAndNowhereElse) {
    for (const OptionRule& rule : option_rules()) {
        for (OptionPlace place :
             {OptionPlace::wrapper, OptionPlace::server, OptionPlace::mapping, OptionPlace::table}) {
            EXPECT_EQ(find_option(place, rule.name), place == rule.place ? &rule : nullptr) << rule.name;
        }
        EXPECT_FALSE(expected(rule.kind).empty());
    }
}

TEST(ServerOptions, BoundsAreKept) {
    ServerOptions options;
    const OptionRule* interval = find_option(OptionPlace::server, "poll_interval");
    ASSERT_NE(interval, nullptr);
    EXPECT_EQ(read_option(*interval, "99ms", options), OptionFault::out_of_range);
    EXPECT_EQ(read_option(*interval, "2d", options), OptionFault::out_of_range);
    EXPECT_EQ(read_option(*interval, "soon", options), OptionFault::malformed);
    EXPECT_EQ(read_option(*interval, "", options), OptionFault::empty);
    EXPECT_EQ(options.poll_interval, ServerOptions{}.poll_interval);
    EXPECT_EQ(read_option(*interval, "100ms", options), OptionFault::none);
    EXPECT_EQ(options.poll_interval, 100'000);
    const OptionRule* size = find_option(OptionPlace::server, "warn_size");
    EXPECT_EQ(read_option(*size, "-1", options), OptionFault::out_of_range);
}

TEST(ServerOptions, DefaultsAreWithinTheirBoundsAndAgree) {
    const ServerOptions options;
    for (const OptionRule& rule : option_rules()) {
        if (rule.number != nullptr && options.*rule.number != off) {
            EXPECT_GE(options.*rule.number, rule.least) << rule.name;
            EXPECT_LE(options.*rule.number, rule.most) << rule.name;
        }
    }
    EXPECT_FALSE(find_conflict(options));
}

TEST(ServerOptions, SizesMustRise) {
    ServerOptions options;
    options.warn_size = 8001;
    ASSERT_TRUE(find_conflict(options));
    EXPECT_EQ(find_conflict(options)->option, "warn_size");
    options.warn_size = options.delete_size; // equal is allowed: warned and deleted at once
    EXPECT_FALSE(find_conflict(options));
    options.max_poll_interval = 1;
    ASSERT_TRUE(find_conflict(options));
    EXPECT_EQ(find_conflict(options)->option, "poll_interval");
}

TEST(ServerOptions, Lists) {
    std::string_view list = "a@b.example , c,, d ";
    std::vector<std::string> items;
    while (const auto item = next_item(list)) {
        items.emplace_back(*item);
    }
    EXPECT_EQ(items, (std::vector<std::string>{"a@b.example", "c", "", "d"}));
    list = {};
    EXPECT_FALSE(next_item(list));
    list = "a,";
    EXPECT_EQ(next_item(list), "a");
    EXPECT_EQ(next_item(list), "") << "a comma at the end is followed by an item that is missing";
    EXPECT_FALSE(next_item(list));
}

TEST(ServerOptions, MappingTextsGoToTheirPlaces) {
    MappingOptions mapping;
    EXPECT_EQ(read_option(*find_option(OptionPlace::mapping, "user"), "guardian", mapping),
              OptionFault::none);
    EXPECT_EQ(read_option(*find_option(OptionPlace::mapping, "password"), "", mapping), OptionFault::empty);
    EXPECT_EQ(mapping.user, "guardian");
    EXPECT_TRUE(mapping.password.empty());
}

TEST(ServerOptions, ArchivingLiesBetweenWarningAndDeletion) {
    ServerOptions options;
    options.amqp_url = "amqp://broker";
    options.archive_size = 2000;
    EXPECT_FALSE(find_conflict(options));
    options.archive_size = 8000;
    EXPECT_FALSE(find_conflict(options));
    for (const std::int64_t wrong : {0, 1999, 8001}) {
        options.archive_size = wrong;
        ASSERT_TRUE(find_conflict(options)) << wrong;
        EXPECT_EQ(find_conflict(options)->option, "archive_size");
    }
    options.archive_size = 4000;
    options.amqp_url = {};
    ASSERT_TRUE(find_conflict(options)) << "no way to take messages";
    options.archive_size = off;
    options.max_archive_size = 0;
    EXPECT_FALSE(find_conflict(options)) << "policies may archive";
}

} // namespace
