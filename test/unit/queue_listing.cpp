// The queue listing: what a real broker lists, what it might, and what must never be taken for a listing.
#include "core/wire/queue_listing.hpp"

#include <gtest/gtest.h>
#include <memory_resource>
#include <simdjson.h>
#include <string>

namespace {

using namespace cloudsat::core;

class QueueListingTest : public testing::Test {
protected:
    Result<QueueListing, DecodeFault> read(std::string_view text) {
        return read_queue_listing({text}, &arena_);
    }

    QueueListing good(std::string_view text) {
        const auto result = read(text);
        EXPECT_TRUE(result) << text;
        return result ? result.value() : QueueListing{};
    }

    FaultKind fault(std::string_view text) {
        const auto result = read(text);
        return result ? FaultKind::none : result.error().kind;
    }

    std::pmr::monotonic_buffer_resource arena_;
};

// As RabbitMQ 3.10.8 answered, node names shortened.
constexpr std::string_view totals =
    R"([{"arguments":{},"auto_delete":false,"durable":true,"exclusive":false,"messages":0,"messages_ready":0,)"
    R"("messages_unacknowledged":0,"name":"a\"b\\cdé\u0000x","node":"r@h","state":"running","type":"classic","vhost":"/"},)"
    R"({"arguments":{"x-dead-letter-exchange":"q\"o\\te","x-max-length":50000},"auto_delete":false,"durable":true,)"
    R"("exclusive":false,"messages":7,"messages_ready":4,"messages_unacknowledged":3,"name":"queue/alice/tasks",)"
    R"("node":"r@h","state":"running","type":"classic","vhost":"/"},)"
    R"({"arguments":{"x-queue-type":"quorum"},"auto_delete":false,"durable":true,"exclusive":null,"leader":"r@h",)"
    R"("members":["r@h"],"messages":0,"messages_ready":0,"messages_unacknowledged":0,"name":"quo","online":["r@h"],)"
    R"("online":["r@h"],"state":"running","type":"quorum","vhost":"/"},)"
    R"({"arguments":{"x-queue-type":"stream"},"auto_delete":false,"durable":true,"exclusive":null,"name":"str",)"
    R"("state":"running","totals":null,"type":"stream","type_specific":null,"vhost":"/"}])";

TEST_F(QueueListingTest, ReadsTotalsOfARealBroker) {
    const auto listing = good(totals);
    ASSERT_EQ(listing.rows.size(), 4u);
    EXPECT_EQ(listing.unusable, 0u);
    EXPECT_EQ(listing.rows[0].name, "a\"b\\cdé%00x (percent-encoded)") << "the name with a NUL";
    const auto& alice = listing.rows[1];
    EXPECT_EQ(alice.name, "queue/alice/tasks");
    EXPECT_EQ(alice.vhost, "/");
    EXPECT_EQ(alice.type, "classic");
    EXPECT_EQ(alice.state, "running");
    EXPECT_EQ(alice.durable, true);
    EXPECT_EQ(alice.exclusive, false);
    EXPECT_EQ(alice.auto_delete, false);
    EXPECT_EQ(alice.messages, 7);
    EXPECT_EQ(alice.ready, 4);
    EXPECT_EQ(alice.unacknowledged, 3);
    EXPECT_EQ(alice.consumers, std::nullopt);
    EXPECT_EQ(alice.memory, std::nullopt);
    EXPECT_EQ(alice.arguments, R"({"x-dead-letter-exchange":"q\"o\\te","x-max-length":50000})");
    EXPECT_EQ(listing.rows[2].exclusive, std::nullopt) << "null in the totals of a quorum queue";
    const auto& stream = listing.rows[3];
    EXPECT_EQ(stream.type, "stream");
    EXPECT_EQ(stream.messages, std::nullopt) << "a stream has no messages under totals";
}

TEST_F(QueueListingTest, TextsOutliveTheDocumentAndEndInNul) {
    QueueListing listing;
    {
        std::string document = R"([{"name":"q","state":"running","arguments":{"a":1}}])";
        listing = good(document);
        document.assign(document.size(), 'x');
    }
    EXPECT_EQ(listing.rows[0].name, "q");
    EXPECT_STREQ(listing.rows[0].name.data(), "q");
    EXPECT_STREQ(listing.rows[0].state.data(), "running");
    EXPECT_STREQ(listing.rows[0].arguments.data(), R"({"a":1})");
}

TEST_F(QueueListingTest, ReadsStatisticsAndPages) {
    const auto full =
        good(R"([{"name":"q","consumers":2,"memory":55408,"messages":1,"messages_details":{"rate":0.0}}])");
    EXPECT_EQ(full.rows[0].consumers, 2);
    EXPECT_EQ(full.rows[0].memory, 55408);
    const auto page =
        good(R"({"filtered_count":1,"item_count":1,"items":[{"messages":1,"name":"case"}],"page":1,)"
             R"("page_count":1,"page_size":5,"total_count":6})");
    ASSERT_EQ(page.rows.size(), 1u);
    EXPECT_EQ(page.rows[0].name, "case");
    EXPECT_EQ(good(R"({"items":[]})").rows.size(), 0u);
    EXPECT_EQ(good(" [ ] \n").rows.size(), 0u);
}

TEST_F(QueueListingTest, WhatIsNoCountIsAbsentAndNeverZero) {
    for (const auto* value :
         {"null", "-1", "1.0", "1e3", "\"5\"", "[]", "{}", "true", "9223372036854775808"}) {
        const auto listing = good(std::string(R"([{"name":"q","messages":)") + value + "}]");
        ASSERT_EQ(listing.rows.size(), 1u) << value;
        EXPECT_EQ(listing.rows[0].messages, std::nullopt) << value;
    }
    EXPECT_EQ(good(R"([{"name":"q"}])").rows[0].messages, std::nullopt);
    EXPECT_EQ(good(R"([{"name":"q","messages":0}])").rows[0].messages, 0);
    EXPECT_EQ(good(R"([{"name":"q","messages":9223372036854775807}])").rows[0].messages, INT64_MAX);
}

TEST_F(QueueListingTest, OfDuplicateKeysTheLastCounts) {
    const auto row =
        good(R"([{"name":"a","name":"b","messages":1,"messages":null,"durable":true,"durable":false}])")
            .rows[0];
    EXPECT_EQ(row.name, "b");
    EXPECT_EQ(row.messages, std::nullopt);
    EXPECT_EQ(row.durable, false);
}

TEST_F(QueueListingTest, ReadsErlangNamesOfTypes) {
    EXPECT_EQ(good(R"([{"name":"q","type":"rabbit_classic_queue"}])").rows[0].type, "classic");
    EXPECT_EQ(good(R"([{"name":"q","type":"rabbit_quorum_queue"}])").rows[0].type, "quorum");
    EXPECT_EQ(good(R"([{"name":"q","type":"rabbit_mqtt_qos0_queue"}])").rows[0].type,
              "rabbit_mqtt_qos0_queue");
    EXPECT_EQ(good(R"([{"name":"q","type":7,"state":null}])").rows[0].type, "");
}

TEST_F(QueueListingTest, WhatIsNoNameIsCountedAndLeftOut) {
    const std::string longest(255, 'n'), longer(256, 'n');
    EXPECT_EQ(good(R"([{"name":")" + longest + R"("}])").rows.size(), 1u);
    for (const auto& name : {longer, std::string()}) {
        const auto listing = good(R"([{"name":"x"},{"name":")" + name + R"("},{"name":"y"}])");
        EXPECT_EQ(listing.unusable, 1u) << name;
        ASSERT_EQ(listing.rows.size(), 2u) << name;
        EXPECT_EQ(listing.rows[1].name, "y");
    }
    // 127 two-byte characters and one more byte: the limit counts bytes.
    std::string wide;
    for (int i = 0; i < 127; ++i)
        wide += "é";
    EXPECT_EQ(good(R"([{"name":")" + wide + R"(n"}])").rows[0].name, wide + "n");
    EXPECT_EQ(good(R"([{"name":"a\nb\"c'"}])").rows[0].name, "a\nb\"c'");
}

TEST_F(QueueListingTest, ArgumentsAreFitForJsonb) {
    const auto arguments = [&](std::string_view text) {
        return std::string(good(R"([{"name":"q","arguments":)" + std::string(text) + "}]").rows[0].arguments);
    };
    EXPECT_EQ(arguments("{}"), "{}");
    EXPECT_EQ(arguments("{ \"a\" : [ 1 , -2 , 1.5 , true , null , {} ] }"),
              R"({"a":[1,-2,1.5,true,null,{}]})");
    EXPECT_EQ(arguments(R"({"a\u0000":"b\u0000\n\u001f\u007f€"})"), "{\"a�\":\"b�\\u000a\\u001f\x7f€\"}");
    EXPECT_EQ(arguments("{\"n\":18446744073709551615}"), "{\"n\":18446744073709551615}");
    EXPECT_EQ(arguments("{\"n\":[-0.0,1e2,1180591620717411303424.0]}"),
              "{\"n\":[-0.0,100.0,1180591620717411303424.0]}");
    EXPECT_EQ(arguments("[]"), "") << "RabbitMQ's arguments are an object";
    EXPECT_EQ(arguments("null"), "");
}

TEST_F(QueueListingTest, HostileDepthHurtsOnlyItsOwnRow) {
    const std::size_t depth = 25000;
    const auto nested = std::string(depth, '[') + std::string(depth, ']');
    const auto listing =
        good(R"([{"name":"deep","arguments":{"a":)" + nested + R"(}},{"name":"q","messages":1}])");
    ASSERT_EQ(listing.rows.size(), 2u);
    EXPECT_EQ(listing.rows[1].messages, 1);
    const auto text = listing.rows[0].arguments;
    EXPECT_LT(text.size(), 200u);
    EXPECT_NE(text.find("[null]"), std::string_view::npos);
}

TEST_F(QueueListingTest, NothingComesOfABrokenDocument) {
    for (std::size_t size = 0; size < totals.size(); ++size)
        EXPECT_EQ(fault(totals.substr(0, size)), FaultKind::not_json) << size;
    for (const auto* text : {
             "",
             " ",
             "<html></html>",
             "[",
             "[{\"name\":\"a\"}",
             "[{\"name\":\"a\"},]",
             "[{\"name\":\"a\"}]]",
             "[{\"name\":\"a\"}] x",
             "[{\"name\":\"a\"}{\"name\":\"b\"}]",
             "[{\"name\":\"a\",\"node\":tru}]",
             "[{\"name\":\"a\" \"b\":1}]",
             "[{\"name\":\"a\",\"x\":01}]",
             "[{\"name\":\"\xff\"}]",
             "[{\"name\":\"a\nb\"}]",
             "{\"items\":[}",
         })
        EXPECT_EQ(fault(text), FaultKind::not_json) << text;
}

TEST_F(QueueListingTest, OtherDocumentsAreNoListing) {
    for (const auto* text :
         {"{}", "null", "true", "5", "\"x\"", "{\"error\":\"x\"}", "{\"items\":{}}", "[1]", "[[]]", "[null]",
          "[{}]", "[{\"name\":null}]", "[{\"name\":5}]", "[{\"name\":\"a\"},{\"vhost\":\"/\"}]"})
        EXPECT_EQ(fault(text), FaultKind::wrong_shape) << text;
}

TEST_F(QueueListingTest, ParsesInPlaceWherePaddingAllows) {
    std::string document = R"([{"name":"q","messages":3}])";
    const auto size = document.size();
    document.resize(size + json_padding);
    const auto result =
        read_queue_listing({std::string_view(document).substr(0, size), json_padding}, &arena_);
    ASSERT_TRUE(result);
    EXPECT_EQ(result.value().rows[0].messages, 3);
}

TEST_F(QueueListingTest, ReadsAHundredThousandRows) {
    std::string document = "[";
    for (int i = 0; i < 100000; ++i)
        document += (i ? ",{\"name\":\"q" : "{\"name\":\"q") + std::to_string(i) +
                    "\",\"messages\":" + std::to_string(i) + "}";
    document += "]";
    const auto listing = good(document);
    ASSERT_EQ(listing.rows.size(), 100000u);
    EXPECT_EQ(listing.rows[99999].messages, 99999);
    EXPECT_EQ(listing.rows[99999].name, "q99999");
}

// A list is cut into rows by hand, and each row is parsed by simdjson; about the whole, simdjson must agree.
// Every document that one byte makes of a good one, and every beginning of it.
TEST_F(QueueListingTest, TakesAListExactlyWhenItIsOneAsAWhole) {
    const std::string good = R"( [{"name":"a\"],[\\"} , {"name":"b","arguments":{"x":[1,{"y":"]"}]}},)"
                             R"({"name":"c","messages":1e2}] )";
    const auto agree = [&](const std::string& text) {
        simdjson::dom::parser parser;
        const auto kind = fault(text); // of several faults the first
        if (parser.parse(text).error() == simdjson::SUCCESS)
            EXPECT_NE(kind, FaultKind::not_json) << text;
        else
            EXPECT_NE(kind, FaultKind::none) << text;
    };
    agree(good);
    EXPECT_EQ(fault(good), FaultKind::none);
    for (std::size_t at = 0; at < good.size(); ++at) {
        agree(good.substr(0, at));
        agree(good.substr(at));
        for (const char c : std::string_view("[]{},:\"\\ a1\n\0", 13)) {
            std::string changed = good;
            changed[at] = c;
            agree(changed);
            changed = good;
            changed.insert(at, 1, c);
            agree(changed);
        }
        std::string shorter = good;
        agree(shorter.erase(at, 1));
    }
    for (const char* text :
         {"[,]", "[{\"name\":\"a\"},]", "[,{\"name\":\"a\"}]", "[{\"name\":\"a\"}}", "[]]", "[] x",
          "[{\"name\":\"a\"} {\"name\":\"b\"}]", "[", "[ ", "]", "[{\"name\":\"a\"}", "[\"]"})
        EXPECT_EQ(fault(text), FaultKind::not_json) << text;
}

TEST_F(QueueListingTest, RowByRowIsTheSameAndNothingComesOfABadDocument) {
    const auto all = good(totals);
    std::size_t n = 0;
    const auto use = [&](const QueueRow& row) {
        ASSERT_LT(n, all.rows.size());
        EXPECT_EQ(row.name, all.rows[n].name);
        EXPECT_EQ(row.vhost, all.rows[n].vhost);
        EXPECT_EQ(row.type, all.rows[n].type);
        EXPECT_EQ(row.state, all.rows[n].state);
        EXPECT_EQ(row.arguments, all.rows[n].arguments);
        EXPECT_EQ(row.messages, all.rows[n].messages);
        ++n;
    };
    const auto unusable = for_each_queue({totals}, use);
    ASSERT_TRUE(unusable);
    EXPECT_EQ(unusable.value(), all.unusable);
    EXPECT_EQ(n, all.rows.size());
    n = 0;
    for (std::size_t size = 0; size < totals.size(); ++size)
        EXPECT_FALSE(for_each_queue({totals.substr(0, size)}, use)) << size;
    EXPECT_EQ(n, 0u);
}

} // namespace
