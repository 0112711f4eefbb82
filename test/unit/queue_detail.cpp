// A queue's own document, and where the archive stands back.
#include "core/guardian/queue_detail.hpp"

#include <gtest/gtest.h>
#include <memory_resource>
#include <string>

namespace {

using namespace cloudsat::core;

class QueueDetailTest : public testing::Test {
protected:
    QueueDetail read(const std::string& json) {
        const auto detail = read_queue_detail({json, 0}, &arena_);
        EXPECT_TRUE(detail) << json;
        return detail ? detail.value() : QueueDetail{};
    }
    // What there is to say against a queue with these fields beside the usual ones.
    std::string reason(const std::string& fields) {
        return std::string(reason_to_stand_back(read(R"({"name":"q","consumer_details":[])" + fields + "}")));
    }

    std::pmr::monotonic_buffer_resource arena_;
};

TEST_F(QueueDetailTest, PrioritiesNeedAPolicy) {
    const QueueDetail detail =
        read(R"({"name":"q","type":"classic","consumer_details":[],"arguments":{"x-max-priority":10}})");
    EXPECT_TRUE(reason_to_stand_back(detail).starts_with("it has priorities"));
    EXPECT_EQ(reason_to_stand_back(detail, true), "");
    EXPECT_EQ(reason(R"(,"type":"classic","arguments":{"x-max-priority":0})"), "") << "there is one only";
}

TEST_F(QueueDetailTest, WhatIsRead) {
    const QueueDetail detail = read(
        R"({"name":"q","type":"quorum","state":"running","durable":true,"exclusive":false,"auto_delete":false,)"
        R"("messages":30,"messages_ready":20,"messages_unacknowledged":10,"consumers":1,"message_bytes_ready":2000,)"
        R"("arguments":{"x-queue-type":"quorum","x-delivery-limit":20},"exclusive_consumer_tag":null,)"
        R"("effective_policy_definition":{"delivery-limit":7},)"
        R"("consumer_details":[{"exclusive":false},{"exclusive":false}]})");
    EXPECT_EQ(detail.facts.type, "quorum");
    EXPECT_EQ(detail.facts.ready, 20);
    EXPECT_EQ(detail.facts.unacknowledged, 10);
    EXPECT_EQ(detail.facts.consumers, 1);
    EXPECT_EQ(detail.facts.arguments, R"({"x-queue-type":"quorum","x-delivery-limit":20})");
    EXPECT_EQ(detail.ready_bytes, 2000);
    EXPECT_FALSE(detail.exclusive_consumer);
    EXPECT_EQ(detail.consumers_told, 2);
    EXPECT_EQ(detail.delivery_limit, 7) << "the lower one counts";
    EXPECT_EQ(reason_to_stand_back(detail), "");
    EXPECT_EQ(read(R"({"name":"q","type":"classic"})").consumers_told, std::nullopt) << "not told";
}

TEST_F(QueueDetailTest, WhereTheArchiveStandsBack) {
    EXPECT_EQ(reason(R"(,"type":"classic")"), "");
    EXPECT_EQ(reason(R"(,"type":"classic","auto_delete":true)"), "") << "gets do not end it";
    EXPECT_EQ(reason(R"(,"type":"classic","arguments":{"x-single-active-consumer":true})"), "");
    EXPECT_EQ(reason(R"(,"type":"stream")"), "it is a stream");
    EXPECT_NE(reason(R"(,"type":"delayed")"), "");
    EXPECT_NE(reason(""), "") << "a queue without a type is not known";
    EXPECT_NE(reason(R"(,"type":"classic","exclusive":true)"), "");
    EXPECT_NE(reason(R"(,"type":"classic","arguments":{"x-expires":60000})"), "");
    EXPECT_NE(reason(R"(,"type":"quorum","effective_policy_definition":{"expires":60000})"), "");
    EXPECT_NE(reason(R"(,"type":"classic","exclusive_consumer_tag":"tag")"), "");
    EXPECT_NE(reason(R"(,"type":"quorum","arguments":{"x-single-active-consumer":true})"), "");
    EXPECT_NE(reason(R"(,"type":"quorum","arguments":{"x-delivery-limit":4})"), "");
    EXPECT_EQ(reason(R"(,"type":"quorum","arguments":{"x-delivery-limit":5})"), "");
    const QueueDetail held =
        read(R"({"name":"q","type":"classic","consumer_details":[{"exclusive":false},{"exclusive":true}]})");
    EXPECT_EQ(reason_to_stand_back(held), "it has an exclusive consumer");
}

TEST_F(QueueDetailTest, Nonsense) {
    for (const char* json : {"", "[]", "{}", "null", R"({"name":7})", R"({"name":"q")"}) {
        EXPECT_FALSE(read_queue_detail({json, 0}, &arena_)) << json;
    }
    const QueueDetail odd =
        read(R"({"name":"q","type":"classic","exclusive":"yes","arguments":[],"consumer_details":{},)"
             R"("messages":-1,"effective_policy_definition":7})");
    EXPECT_EQ(odd.facts.messages, std::nullopt);
    EXPECT_EQ(odd.consumers_told, std::nullopt);
}

TEST_F(QueueDetailTest, TheLowerLimitCounts) {
    const QueueDetail detail = read(
        R"({"name":"q","message_bytes":7,"arguments":{"x-max-length":90,"x-max-length-bytes":10,"x-message-ttl":0},)"
        R"("effective_policy_definition":{"max-length":70,"max-length-bytes":1000,"message-ttl":5,"expires":60000}})");
    EXPECT_TRUE(detail.policies_told);
    EXPECT_EQ(detail.bytes, 7);
    EXPECT_EQ(detail.max_length, 70);
    EXPECT_EQ(detail.max_bytes, 10);
    EXPECT_EQ(detail.message_ttl_ms, 0);
    EXPECT_EQ(detail.expires_ms, 60000);
    const QueueDetail none = read(R"({"name":"q","effective_policy_definition":[]})");
    EXPECT_TRUE(none.policies_told);
    EXPECT_FALSE(none.max_length || none.max_bytes || none.message_ttl_ms || none.expires_ms);
}

TEST_F(QueueDetailTest, WhereMessagesDoNotLive) {
    const auto why = [&](const std::string& fields) {
        return std::string(reason_to_keep(read(R"({"name":"q")" + fields + "}")));
    };
    EXPECT_EQ(why(R"(,"effective_policy_definition":{})"), "");
    EXPECT_EQ(why(R"(,"effective_policy_definition":{"message-ttl":60000,"expires":60000,"max-length":0})"),
              "");
    EXPECT_NE(why(""), "");
    EXPECT_NE(why(R"(,"effective_policy_definition":{"message-ttl":59999})"), "");
    EXPECT_NE(why(R"(,"effective_policy_definition":{},"arguments":{"x-expires":1})"), "");
}

TEST_F(QueueDetailTest, PoliciesAreRead) {
    const std::string json =
        R"([{"vhost":"v","name":"low","pattern":"^q","apply-to":"queues","definition":{"max-length":5},"priority":1},)"
        R"({"vhost":"v","name":"high","pattern":"q$","apply-to":"all","definition":{"message-ttl":7,"expires":8},"priority":9},)"
        R"({"vhost":"v","name":"quorum","pattern":"q","apply-to":"quorum_queues","definition":{},"priority":0},)"
        R"({"vhost":"v","name":"exchange","pattern":"q","apply-to":"exchanges","definition":{},"priority":0},)"
        R"({"vhost":"w","name":"else","pattern":"q","apply-to":"queues","definition":{},"priority":0}])";
    const auto read = read_broker_policies({json, 0}, "v", "classic", &arena_);
    ASSERT_TRUE(read);
    ASSERT_EQ(read.value().size(), 2U) << "those for classic queues of this virtual host";
    EXPECT_EQ(read.value()[0].name, "high");
    EXPECT_EQ(read.value()[0].limits.message_ttl_ms, 7);
    EXPECT_EQ(read.value()[0].limits.expires_ms, 8);
    EXPECT_EQ(read.value()[1].pattern, "^q");
    EXPECT_EQ(read.value()[1].limits.max_length, 5);
    EXPECT_EQ(read_broker_policies({json, 0}, "v", "quorum", &arena_).value().size(), 3U);
    for (const char* odd : {"", "7", "[7]", R"([{"vhost":"v"}])"}) {
        EXPECT_FALSE(read_broker_policies({odd, 0}, "v", "classic", &arena_)) << odd;
    }
}

TEST_F(QueueDetailTest, LimitsThatBecomeStricter) {
    DropLimits before{.max_length = 100};
    const DropLimits shorter{.max_length = 99};
    const DropLimits brief{.message_ttl_ms = 500};
    EXPECT_TRUE(shorter.allows_less_than(before));
    EXPECT_TRUE(brief.allows_less_than(before));
    EXPECT_FALSE(before.allows_less_than(before));
    EXPECT_FALSE(DropLimits{}.allows_less_than(before)) << "lifted";
    before.lower_to(brief);
    EXPECT_EQ(before.max_length, 100);
    EXPECT_EQ(before.message_ttl_ms, 500);
}

TEST_F(QueueDetailTest, TheGuardiansOwnCeiling) {
    const QueueDetail classic =
        read(R"({"name":"q","type":"classic","messages":40,"messages_unacknowledged":10})");
    const Limits limits{.warn_size = 100, .delete_size = 1000, .archive_size = 300};
    const auto size = [&](const QueueDetail& queue, const Limits& rules, Owner owner, bool archives) {
        return ceiling_of(queue, rules, owner, archives, false).size;
    };
    EXPECT_EQ(size(classic, limits, Owner::none, false), 1000);
    EXPECT_EQ(size(classic, limits, Owner::person, true), 300);
    EXPECT_TRUE(ceiling_of(classic, limits, Owner::person, true, false).archived);
    EXPECT_EQ(size(classic, limits, Owner::reserved, true), std::nullopt);
    EXPECT_EQ(size(classic, {.exempt = true}, Owner::none, true), std::nullopt);
    EXPECT_EQ(size(classic, {.unbounded = true}, Owner::none, true), std::nullopt);
    EXPECT_EQ(size(classic, {.unbounded = true, .archive_size = 300}, Owner::none, true), 300);
    EXPECT_EQ(size(read(R"({"name":"q","type":"stream"})"), limits, Owner::none, true), std::nullopt);
    EXPECT_EQ(size(read(R"({"name":"q","type":"classic","exclusive":true})"), limits, Owner::none, true),
              1000)
        << "the archive stands back";
    EXPECT_EQ(room_below(100, classic, Basis::ready, 20).least, 80);
    EXPECT_EQ(room_below(100, classic, Basis::total, 20).least, 60) << "what was taken may come back";
    EXPECT_EQ(room_below(100, classic, Basis::total, 20).most, 70);
}

} // namespace
