// Whatever valid JSON a client puts into the arguments of its queue or binding: it costs that value at most,
// and hides nothing else.
#include "core/guardian/queue_detail.hpp"
#include "core/wire/binding_listing.hpp"
#include "core/wire/broker_documents.hpp"
#include "core/wire/queue_listing.hpp"

#include <gtest/gtest.h>
#include <memory_resource>
#include <random>
#include <simdjson.h>
#include <string>

namespace {

using namespace cloudsat::core;

// Writes any valid JSON, the odd kinds more often than the plain ones.
class AnyJson {
public:
    explicit AnyJson(unsigned seed) : random_(seed) {}

    std::string value(int depth = 0) {
        switch (pick(depth < 5 ? 8 : 6)) {
        case 0:
            return "null";
        case 1:
            return pick(2) == 0 ? "true" : "false";
        case 2:
            return string();
        case 6:
            return list(depth);
        case 7:
            return object(depth);
        default:
            return number();
        }
    }
    std::string object(int depth = 0) {
        std::string out = "{" + space();
        for (int i = pick(4); i > 0; --i) {
            out += string() + space() + ":" + space() + value(depth + 1) + space() + (i > 1 ? "," : "") +
                   space();
        }
        return out + "}";
    }

private:
    int pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
    std::string space() { return std::string(static_cast<std::size_t>(pick(8) / 7), " \t\r\n"[pick(4)]); }
    std::string digits(int most) {
        std::string out(1, static_cast<char>('1' + pick(9)));
        for (int i = pick(most); i > 0; --i) {
            out += static_cast<char>('0' + pick(10));
        }
        return out;
    }
    std::string number() {
        std::string out = pick(2) == 0 ? "-" : "";
        out += pick(4) == 0 ? "0" : digits(pick(4) == 0 ? 400 : 25);
        out += pick(3) == 0 ? "." + digits(40) : "";
        out += pick(3) == 0 ? std::string(1, "eE"[pick(2)]) +
                                  (pick(2) == 0 ? "" : std::string(1, "+-"[pick(2)])) + digits(6)
                            : "";
        return out;
    }
    std::string list(int depth) {
        if (pick(20) == 0) {
            const auto deep = static_cast<std::size_t>(1 + pick(3000));
            return std::string(deep, '[') + number() + std::string(deep, ']');
        }
        std::string out = "[" + space();
        for (int i = pick(4); i > 0; --i) {
            out += value(depth + 1) + space() + (i > 1 ? "," : "");
        }
        return out + "]";
    }
    std::string string() {
        static constexpr std::string_view pieces[] = {"a",
                                                      "\\u0000",
                                                      "\\ud800",
                                                      "\\udc00",
                                                      "\\uD83D\\uDE00",
                                                      "\\uDBFF\\uDBFF",
                                                      "\\\\u",
                                                      "\\\"",
                                                      "\\/",
                                                      "\\b\\f",
                                                      "é",
                                                      "😀",
                                                      "]}[{,:",
                                                      "\\n\\r\\t",
                                                      "\x7f",
                                                      "18446744073709551616",
                                                      "\\\\ud8",
                                                      "\\u00e9"};
        std::string out = "\"";
        for (int i = pick(6); i > 0; --i) {
            out += pieces[static_cast<std::size_t>(pick(static_cast<int>(std::size(pieces))))];
        }
        return out + "\"";
    }

    std::mt19937 random_;
};

// What jsonb takes, too: valid JSON for a strict parser, without a NUL.
void fits_jsonb(std::string_view text, const std::string& from) {
    simdjson::dom::parser parser;
    EXPECT_EQ(parser.parse(text.data(), text.size()).error(), simdjson::SUCCESS) << from << "\n" << text;
    EXPECT_EQ(text.find("\\u0000"), std::string_view::npos) << from;
    EXPECT_TRUE(simdjson::validate_utf8(text.data(), text.size())) << from;
}

TEST(OddJson, NoArgumentHidesAnotherQueue) {
    for (unsigned seed = 0; seed < 3000; ++seed) {
        const std::string odd = AnyJson(seed).object();
        const std::string rows = R"({"name":"before","messages":1},{"arguments":)" + odd +
                                 R"(,"name":"odd","messages":2},{"name":"behind","messages":3})";
        std::pmr::monotonic_buffer_resource arena;
        for (const std::string& text : {"[" + rows + "]", R"({"items":[)" + rows + R"(],"page":1})"}) {
            const auto listing = read_queue_listing({text}, &arena);
            ASSERT_TRUE(listing) << odd;
            ASSERT_EQ(listing.value().rows.size(), 3U) << odd;
            EXPECT_EQ(listing.value().rows[0].name, "before");
            EXPECT_EQ(listing.value().rows[1].messages, 2);
            EXPECT_EQ(listing.value().rows[2].messages, 3);
            fits_jsonb(listing.value().rows[1].arguments, odd);
        }
    }
}

TEST(OddJson, NorABindingNorAVhostNorTheQueueItself) {
    for (unsigned seed = 0; seed < 1000; ++seed) {
        const std::string odd = AnyJson(seed).object();
        std::pmr::monotonic_buffer_resource arena;
        const std::string row =
            R"("source":"x","destination":"q","destination_type":"queue","routing_key":"k"})";
        const auto bindings =
            read_binding_listing({"[{" + row + R"(,{"arguments":)" + odd + "," + row + "]"}, &arena);
        ASSERT_TRUE(bindings) << odd;
        ASSERT_EQ(bindings.value().rows.size(), 2U);
        fits_jsonb(bindings.value().rows[1].arguments, odd);
        const auto detail = read_queue_detail(
            {R"({"name":"q","messages":5,"arguments":)" + odd + R"(,"consumers":1})"}, &arena);
        ASSERT_TRUE(detail) << odd;
        EXPECT_EQ(detail.value().facts.consumers, 1);
        fits_jsonb(detail.value().facts.arguments, odd);
        const auto vhosts =
            read_vhost_listing({R"([{"name":"a","metadata":)" + odd + R"(},{"name":"b"}])"}, &arena);
        ASSERT_TRUE(vhosts) << odd;
        EXPECT_EQ(vhosts.value().rows.size(), 2U);
    }
}

TEST(OddJson, KeepsWhatItCannotHoldAsText) {
    std::pmr::monotonic_buffer_resource arena;
    const auto arguments = [&](const std::string& value) {
        const auto listing =
            read_queue_listing({R"([{"name":"q","arguments":{"x":)" + value + "}}]"}, &arena);
        return listing ? std::string(listing.value().rows[0].arguments) : "fault";
    };
    EXPECT_EQ(arguments("18446744073709551616"), R"({"x":"18446744073709551616"})");
    EXPECT_EQ(arguments("-9223372036854775809"), R"({"x":"-9223372036854775809"})");
    EXPECT_EQ(arguments("18446744073709551615"), R"({"x":18446744073709551615})");
    EXPECT_EQ(arguments("[1e400,-1E+400 ,1]"), R"({"x":["1e400","-1E+400",1]})");
    EXPECT_EQ(arguments("-0"), R"({"x":0})");
    EXPECT_EQ(arguments(R"("a\ud800b\udc00")"), "{\"x\":\"a\uFFFDb\uFFFD\"}");
    EXPECT_EQ(arguments(R"("\ud83d\ude00\ud83d")"), "{\"x\":\"😀\uFFFD\"}");
    EXPECT_EQ(arguments(R"("\\ud800 18446744073709551616",1e400)"), "fault") << "a value without a key";
}

TEST(OddJson, WhatIsNoJsonStaysNone) {
    std::pmr::monotonic_buffer_resource arena;
    for (const std::string value :
         {"018446744073709551616", "1e", "1.e400", "-", "+1e400", "1e400x", "18446744073709551616.",
          "--1e400", R"("\ud80")", R"("\ud80g")", R"("\x")", R"({18446744073709551616:1})", "{1e400 :1}",
          "0x18446744073709551616", "1e4001e400", "1e400 1e400", "tru", "[1e400", "[1e400}"}) {
        const auto listing =
            read_queue_listing({R"([{"name":"q","arguments":{"x":)" + value + "}}]"}, &arena);
        EXPECT_FALSE(listing) << value;
    }
}

} // namespace
