// Metrics: the real thing, the forged thing, and what is no metrics document at all.
#include "core/wire/queue_metrics.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

using namespace cloudsat::core;

constexpr std::string_view announcements = "# TYPE rabbitmq_detailed_queue_messages_ready gauge\n"
                                           "# TYPE rabbitmq_detailed_queue_messages_unacked gauge\n"
                                           "# TYPE rabbitmq_detailed_queue_messages gauge\n";

struct Row {
    std::string vhost, name;
    std::optional<std::int64_t> messages, ready, unacknowledged;
};
struct Metrics {
    std::vector<Row> rows;
    std::size_t unusable = 0;
};

Result<Metrics, DecodeFault> read_metrics(std::string_view text) {
    Metrics metrics;
    const auto use = [&](const QueueSizes& row) {
        metrics.rows.push_back(
            {std::string(row.vhost), std::string(row.name), row.messages, row.ready, row.unacknowledged});
    };
    const auto unusable = for_each_queue_size(text, use);
    if (!unusable) {
        EXPECT_TRUE(metrics.rows.empty()) << "a document is refused before its rows are used";
        return unusable.error();
    }
    metrics.unusable = unusable.value();
    return metrics;
}

class QueueMetricsTest : public testing::Test {
protected:
    FaultKind fault(std::string_view text) {
        const auto result = read_metrics(text);
        return result ? FaultKind::none : result.error().kind;
    }

    // The sample lines given, in a document that is otherwise in order.
    Metrics good(std::string_view lines) {
        const auto result = read_metrics(std::string(announcements) + std::string(lines));
        EXPECT_TRUE(result) << lines;
        return result ? result.value() : Metrics{};
    }

    // What the value of a sample comes to.
    std::optional<std::int64_t> count(std::string_view value) {
        const auto metrics = good(messages("q", value));
        return metrics.rows.size() == 1 ? metrics.rows[0].messages : std::nullopt;
    }

    static std::string messages(std::string_view label, std::string_view value) {
        return "rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"" + std::string(label) + "\"} " +
               std::string(value) + "\n";
    }
};

// As RabbitMQ 3.10.8 answered, shortened; its label values are not escaped.
constexpr std::string_view real =
    "# TYPE rabbitmq_detailed_queue_messages_ready gauge\n"
    "# HELP rabbitmq_detailed_queue_messages_ready Messages ready to be delivered to consumers\n"
    "rabbitmq_detailed_queue_messages_ready{vhost=\"/\",queue=\"a\"b\\cd\xc3\xa9 x\"} 0\n"
    "rabbitmq_detailed_queue_messages_ready{vhost=\"/\",queue=\"case\"} 1\n"
    "rabbitmq_detailed_queue_messages_ready{vhost=\"/\",queue=\"queue/alice/tasks\"} 4\n"
    "# TYPE rabbitmq_detailed_queue_messages_unacked gauge\n"
    "# HELP rabbitmq_detailed_queue_messages_unacked Messages delivered to consumers but not yet "
    "acknowledged\n"
    "rabbitmq_detailed_queue_messages_unacked{vhost=\"/\",queue=\"a\"b\\cd\xc3\xa9 x\"} 0\n"
    "rabbitmq_detailed_queue_messages_unacked{vhost=\"/\",queue=\"case\"} 0\n"
    "rabbitmq_detailed_queue_messages_unacked{vhost=\"/\",queue=\"queue/alice/tasks\"} 3\n"
    "# TYPE rabbitmq_detailed_queue_messages gauge\n"
    "# HELP rabbitmq_detailed_queue_messages Sum of ready and unacknowledged messages - total queue depth\n"
    "rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"a\"b\\cd\xc3\xa9 x\"} 0\n"
    "rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"case\"} 1\n"
    "rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"queue/alice/tasks\"} 7\n"
    "# TYPE rabbitmq_detailed_queue_process_reductions_total counter\n"
    "rabbitmq_detailed_queue_process_reductions_total{vhost=\"/\",queue=\"a\"b\\cd\xc3\xa9 x\"} 7245\n"
    "# TYPE rabbitmq_build_info untyped\n"
    "rabbitmq_build_info{rabbitmq_version=\"3.10.8\",erlang_version=\"25.2.3\"} 1\n"
    "telemetry_scrape_duration_seconds_sum{registry=\"detailed\",content_type=\"text/plain; version=0.0.4\"} "
    "0.001134967\n"
    "\n";

TEST_F(QueueMetricsTest, ReadsARealDocument) {
    const auto result = read_metrics(real);
    ASSERT_TRUE(result);
    const auto rows = result.value().rows;
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(result.value().unusable, 3u) << "the unescaped name, once in each family";
    EXPECT_EQ(rows[1].vhost, "/");
    EXPECT_EQ(rows[1].name, "queue/alice/tasks");
    EXPECT_EQ(rows[1].ready, 4);
    EXPECT_EQ(rows[1].unacknowledged, 3);
    EXPECT_EQ(rows[1].messages, 7);
}

TEST_F(QueueMetricsTest, ABrokerWithoutQueuesIsInOrder) {
    const auto metrics = good("");
    EXPECT_EQ(metrics.rows.size(), 0u);
    EXPECT_EQ(metrics.unusable, 0u);
}

TEST_F(QueueMetricsTest, Values) {
    EXPECT_EQ(count("0"), 0);
    EXPECT_EQ(count("9223372036854775807"), INT64_MAX);
    EXPECT_EQ(count("1.0e3"), 1000);
    EXPECT_EQ(count("1e3"), 1000);
    EXPECT_EQ(count("+7"), 7);
    EXPECT_EQ(count("7.0"), 7);
    EXPECT_EQ(count("7 1700000000000"), 7);
    EXPECT_EQ(count("  7  "), 7);
    for (const auto* value :
         {"-1", "1.5", "NaN", "+Inf", "-Inf", "1e300", "1e400", "9223372036854775808", "-0.5"}) {
        EXPECT_EQ(count(value), std::nullopt) << value;
        EXPECT_EQ(good(messages("q", value)).unusable, 0u) << value;
    }
    for (const auto* value :
         {"", "x", "7x", "0x10", "7 x", "7 8 9", "--7", "+-7", "++7", "7,", "1e", "7 # {a=\"b\"} 1"})
        EXPECT_EQ(good(messages("q", value)).unusable, 1u) << value;
}

TEST_F(QueueMetricsTest, EscapesAreUndoneInAnEscapingDocument) {
    const auto metrics = good(messages(R"(a\"b\\c\nd)", "5") + messages("plain", "6"));
    ASSERT_EQ(metrics.rows.size(), 2u);
    EXPECT_EQ(metrics.rows[0].name, "a\"b\\c\nd");
    EXPECT_EQ(metrics.rows[0].messages, 5);
    EXPECT_EQ(metrics.unusable, 0u);
}

TEST_F(QueueMetricsTest, WhereOneNameIsNotEscapedNoBackslashIsBelieved) {
    for (const auto* witness : {"a\"b", "a\\b", "ends\\", "two\nlines"}) {
        const auto metrics = good(messages("a\\\\b", "5") + messages("plain", "6") + messages(witness, "7"));
        ASSERT_EQ(metrics.rows.size(), 1u) << witness;
        EXPECT_EQ(metrics.rows[0].name, "plain") << witness;
        EXPECT_EQ(metrics.rows[0].messages, 6) << witness;
        EXPECT_GE(metrics.unusable, 2u) << witness;
    }
}

TEST_F(QueueMetricsTest, AForgedLineCannotChangeASize) {
    // Names that RabbitMQ 3.10 writes into its document as they are.
    for (const auto* name : {
             "x\"} 1\nrabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"victim\"} 9000\n#",
             "victim\"} 9000\n#",
             "victim\",a=\"",
         }) {
        const auto metrics = good(messages("victim", "3") + messages(name, "1") + messages("other", "4"));
        bool found = false;
        for (const auto& row : metrics.rows) {
            if (row.name == "victim") {
                found = true;
                EXPECT_EQ(row.messages, std::nullopt) << name;
            }
            if (row.name == "other") {
                EXPECT_EQ(row.messages, 4) << name;
            }
        }
        EXPECT_TRUE(found) << name;
        EXPECT_GE(metrics.unusable, 1u) << name;
    }
    // One label twice in a line: neither is believed.
    EXPECT_EQ(good(messages("mine\",queue=\"victim", "9000")).rows.size(), 0u);
}

TEST_F(QueueMetricsTest, FamiliesAreJoinedInAnyOrder) {
    const auto metrics = good("rabbitmq_detailed_queue_messages_ready{vhost=\"/\",queue=\"a\"} 1\n"
                              "rabbitmq_detailed_queue_messages_ready{vhost=\"v\",queue=\"a\"} 2\n"
                              "rabbitmq_detailed_queue_messages_ready{queue=\"b\",vhost=\"/\"} 3\n"
                              "# TYPE rabbitmq_detailed_queue_messages gauge\n"
                              "rabbitmq_detailed_queue_messages{queue=\"b\",vhost=\"/\",node=\"n\"} 30\n"
                              "rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"a\"} 10\n"
                              "rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"new\"} 40\n"
                              "rabbitmq_detailed_queue_messages_bytes{vhost=\"/\",queue=\"a\"} 99\n");
    ASSERT_EQ(metrics.rows.size(), 4u);
    EXPECT_EQ(metrics.unusable, 0u);
    EXPECT_EQ(metrics.rows[0].ready, 1);
    EXPECT_EQ(metrics.rows[0].messages, 10);
    EXPECT_EQ(metrics.rows[1].vhost, "v");
    EXPECT_EQ(metrics.rows[1].messages, std::nullopt);
    EXPECT_EQ(metrics.rows[2].messages, 30);
    EXPECT_EQ(metrics.rows[3].ready, std::nullopt) << "declared between the two families";
    EXPECT_EQ(metrics.rows[3].messages, 40);
}

TEST_F(QueueMetricsTest, UnreadableLinesAreCountedAndBlindNobody) {
    for (const auto* line : {
             "rabbitmq_detailed_queue_messages 5",
             "rabbitmq_detailed_queue_messages{} 5",
             "rabbitmq_detailed_queue_messages{vhost=\"/\"} 5",
             "rabbitmq_detailed_queue_messages{queue=\"q\"} 5",
             "rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"q\"}",
             "rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"q",
             "rabbitmq_detailed_queue_messages{vhost=\"/\" queue=\"q\"} 5",
             "rabbitmq_detailed_queue_messages{vhost=/,queue=q} 5",
             "rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"q\"",
             "rabbitmq_detailed_queue_messages{",
             "rabbitmq_detailed_queue_messages",
         }) {
        const auto metrics = good(std::string(line) + "\n" + messages("fine", "1"));
        ASSERT_EQ(metrics.rows.size(), 1u) << line;
        EXPECT_EQ(metrics.rows[0].messages, 1) << line;
        EXPECT_EQ(metrics.unusable, 1u) << line;
    }
}

TEST_F(QueueMetricsTest, WhatIsNoNameIsCountedAndLeftOut) {
    using namespace std::literals;
    for (const auto& name : {"\xff"s, ""s, std::string(256, 'n')}) {
        const auto metrics = good(messages(name, "5") + messages("fine", "1"));
        ASSERT_EQ(metrics.rows.size(), 1u);
        EXPECT_EQ(metrics.unusable, 1u);
    }
    EXPECT_EQ(good(messages(std::string(255, 'n'), "5")).rows.size(), 1u);
    EXPECT_EQ(good(messages("a\0b"s, "5")).rows.size(), 1u) << "a NUL is the broker's to allow";
}

TEST_F(QueueMetricsTest, NothingComesOfAnotherDocument) {
    EXPECT_EQ(fault(""), FaultKind::not_metrics);
    EXPECT_EQ(fault("<html>\n"), FaultKind::not_metrics);
    EXPECT_EQ(fault("# TYPE erlang_vm_ets_limit gauge\nerlang_vm_ets_limit 50000\n"), FaultKind::not_metrics);
    for (std::size_t size = 0; size < real.size(); ++size) {
        const auto result = read_metrics(real.substr(0, size));
        if (result) { // cut at the end of a line, with all families announced: a queue may lack a size, not
                      // more
                      // not more
            EXPECT_TRUE(real[size - 1] == '\n' && size > real.find("queue_messages gauge")) << size;
        }
    }
}

} // namespace
