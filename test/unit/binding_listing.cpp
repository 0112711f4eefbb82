// Bindings, and the broker's small documents.
#include "core/wire/binding_listing.hpp"
#include "core/wire/broker_documents.hpp"

#include <gtest/gtest.h>
#include <memory_resource>
#include <string>

namespace {

using namespace cloudsat::core;

class BindingListingTest : public testing::Test {
protected:
    std::pmr::monotonic_buffer_resource arena_;
};
using BrokerDocumentsTest = BindingListingTest;

constexpr std::string_view bindings =
    R"([{"source":"","vhost":"/","destination":"case","destination_type":"queue","routing_key":"case","arguments":{},)"
    R"("properties_key":"case"},{"source":"amq.topic","vhost":"/","destination":"case","destination_type":"queue",)"
    R"("routing_key":"r.*","arguments":{"b":[1,null,{"c":true}]},"properties_key":"r.%2A~x"},)"
    R"({"source":"amq.topic","vhost":"/","destination":"n","destination_type":"queue","routing_key":"a\u0000b",)"
    R"("arguments":{},"properties_key":"x"}])";

TEST_F(BindingListingTest, SkipsTheDefaultExchangeUnlessAsked) {
    const auto some = read_binding_listing({bindings}, &arena_);
    ASSERT_TRUE(some);
    ASSERT_EQ(some.value().rows.size(), 2u);
    EXPECT_EQ(some.value().unusable, 0u);
    EXPECT_EQ(some.value().rows[1].routing_key, "a%00b (percent-encoded)");
    const auto& row = some.value().rows[0];
    EXPECT_EQ(row.source, "amq.topic");
    EXPECT_EQ(row.vhost, "/");
    EXPECT_EQ(row.destination, "case");
    EXPECT_EQ(row.destination_type, "queue");
    EXPECT_EQ(row.routing_key, "r.*");
    EXPECT_EQ(row.arguments, R"({"b":[1,null,{"c":true}]})");

    const auto all = read_binding_listing({bindings}, &arena_, DefaultExchange::keep);
    ASSERT_TRUE(all);
    EXPECT_EQ(all.value().rows.size(), 3u);
    EXPECT_EQ(all.value().rows[0].source, "");
}

TEST_F(BindingListingTest, NothingComesOfABrokenDocument) {
    for (std::size_t size = 0; size < bindings.size(); ++size)
        EXPECT_FALSE(read_binding_listing({bindings.substr(0, size)}, &arena_)) << size;
    for (const auto* text :
         {"{}", "[1]", "[{}]", R"([{"source":"x","destination":"q","destination_type":"queue"}])",
          R"([{"source":null,"destination":"q","destination_type":"queue","routing_key":""}])"}) {
        const auto result = read_binding_listing({text}, &arena_);
        ASSERT_FALSE(result) << text;
        EXPECT_EQ(result.error().kind, FaultKind::wrong_shape) << text;
    }
}

TEST_F(BrokerDocumentsTest, Vhosts) {
    const auto result = read_vhost_listing(
        {R"([{"cluster_state":{"a@h":"running","b@h":"stopped"},"name":"/"},{"name":"a/b"},{"name":"n\u0000"}])"},
        &arena_);
    ASSERT_TRUE(result);
    ASSERT_EQ(result.value().rows.size(), 3u);
    EXPECT_EQ(result.value().unusable, 0u);
    EXPECT_EQ(result.value().rows[2].name, "n%00 (percent-encoded)");
    EXPECT_EQ(result.value().rows[0].name, "/");
    EXPECT_EQ(result.value().rows[0].nodes, 2u);
    EXPECT_EQ(result.value().rows[0].running, 1u);
    EXPECT_EQ(result.value().rows[1].name, "a/b");
    EXPECT_EQ(result.value().rows[1].nodes, 0u);
    EXPECT_FALSE(read_vhost_listing({"[{}]"}, &arena_));
    EXPECT_FALSE(read_vhost_listing({"[3]"}, &arena_));
    EXPECT_FALSE(read_vhost_listing({"[{\"name\":\"/\"}"}, &arena_));
}

TEST_F(BrokerDocumentsTest, ReasonsAreReadLeniently) {
    const auto reason = [&](std::string_view body) { return std::string(read_reason(body, &arena_)); };
    EXPECT_EQ(reason(R"({"error":"bad_request","reason":"queue 'e1' in vhost 't' not empty"})"),
              "queue 'e1' in vhost 't' not empty");
    EXPECT_EQ(reason(R"({"error":"bad_request","reason":["not_base64","***"]})"), "bad_request");
    EXPECT_EQ(reason(R"({"reason":7})"), "");
    EXPECT_EQ(reason(R"({"reason":"a\r\nb\u0000c\u0085d"})"), "a  b c d");
    EXPECT_EQ(reason("<html>"), "");
    EXPECT_EQ(reason(""), "");
    EXPECT_EQ(reason("[]"), "");
    EXPECT_EQ(reason(std::string(70000, ' ') + "{}"), "");
}

TEST_F(BrokerDocumentsTest, OneLineIsCleanAndCutBetweenCharacters) {
    const auto line = [&](std::string_view text, std::size_t max) {
        return std::string(one_line(text, max, &arena_));
    };
    EXPECT_EQ(line("", 10), "");
    EXPECT_EQ(line("a\tb\x7f", 10), "a b ");
    EXPECT_EQ(line("ééé", 5), "éé");
    EXPECT_EQ(line("€", 2), "");
    EXPECT_EQ(line("a\xff\xc3", 10), "a??");
    EXPECT_EQ(line("\xe2\x82", 10), "??");
    EXPECT_EQ(line("\xf0\x9f\x9a\x80!", 10), "\xf0\x9f\x9a\x80!");
}

} // namespace
