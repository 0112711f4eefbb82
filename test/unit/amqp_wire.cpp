// AMQP's frames and the properties of messages: what we read and write against what librabbitmq writes, and
// what strangers may send.
#include "core/wire/amqp_wire.hpp"
#include "core/wire/amqp_properties.hpp"

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#else
#include <amqp.h>
#endif

#include <array>
#include <gtest/gtest.h>
#include <limits>
#include <memory_resource>
#include <string>
#include <vector>

namespace {

using namespace cloudsat::core::amqp;
using namespace std::string_view_literals;

amqp_bytes_t bytes(std::string_view text) {
    return {text.size(), const_cast<char*>(text.data())};
}

amqp_field_value_t field(amqp_field_value_kind_t kind) {
    amqp_field_value_t value{};
    value.kind = static_cast<std::uint8_t>(kind);
    return value;
}

// Properties as librabbitmq sends them: flags and values, behind class, weight and body size.
std::string encoded(amqp_basic_properties_t& properties) {
    std::vector<char> room(1 << 20);
    const int size = amqp_encode_properties(AMQP_BASIC_CLASS, &properties, {room.size(), room.data()});
    EXPECT_GT(size, 0);
    return {room.data(), static_cast<std::size_t>(size)};
}

std::string with_headers(std::vector<amqp_table_entry_t> entries) {
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_HEADERS_FLAG;
    properties.headers = {static_cast<int>(entries.size()), entries.data()};
    return encoded(properties);
}

class PropertiesTest : public testing::Test {
protected:
    std::string shown(std::string_view properties) {
        return std::string(render_properties(properties, &arena_).value_or("(none)"));
    }
    std::string renewed(std::string_view properties) {
        return std::string(renew_properties(properties, &arena_).value_or("(none)"));
    }

    std::pmr::monotonic_buffer_resource arena_;
};

TEST(FrameTest, WhatIsWrittenIsRead) {
    std::string out;
    FrameWriter writer(out);
    writer.begin(1, Method::basic_ack).qword(0x0102030405060708).octet(1).end();
    writer.heartbeat();
    writer.content(1, "\0\0"sv, std::string(10000, 'x'), smallest_frame_max);

    Frame frame;
    std::string_view rest = out;
    ASSERT_EQ(read_frame(rest, smallest_frame_max, frame), Framing::whole);
    EXPECT_EQ(frame.type, FrameType::method);
    EXPECT_EQ(frame.channel, 1);
    Fields fields(frame.payload);
    EXPECT_EQ(static_cast<Method>(fields.dword()), Method::basic_ack);
    EXPECT_EQ(fields.qword(), 0x0102030405060708U);
    EXPECT_EQ(fields.octet(), 1);
    EXPECT_TRUE(fields.ok() && fields.rest().empty());
    rest.remove_prefix(frame.size);
    ASSERT_EQ(read_frame(rest, smallest_frame_max, frame), Framing::whole);
    EXPECT_EQ(frame.type, FrameType::heartbeat);
    rest.remove_prefix(frame.size);
    ASSERT_EQ(read_frame(rest, smallest_frame_max, frame), Framing::whole);
    ContentHeader header;
    ASSERT_TRUE(read_content_header(frame.payload, header));
    EXPECT_EQ(header.body_size, 10000U);
    EXPECT_EQ(header.properties, "\0\0"sv);
    rest.remove_prefix(frame.size);
    std::string body;
    while (!rest.empty()) {
        ASSERT_EQ(read_frame(rest, smallest_frame_max, frame), Framing::whole);
        EXPECT_EQ(frame.type, FrameType::body);
        EXPECT_LE(frame.size, smallest_frame_max);
        body += frame.payload;
        rest.remove_prefix(frame.size);
    }
    EXPECT_EQ(body, std::string(10000, 'x'));
}

TEST(FrameTest, PartsAndNonsense) {
    std::string out;
    FrameWriter(out).begin(1, Method::basic_get).word(0).short_string("q").octet(0).end();
    Frame frame;
    for (std::size_t size = 0; size < out.size(); ++size) {
        EXPECT_EQ(read_frame(std::string_view(out).substr(0, size), 4096, frame), Framing::partial) << size;
    }
    out.back() = '!';
    EXPECT_EQ(read_frame(out, 4096, frame), Framing::broken) << "the last byte is not the end of a frame";
    EXPECT_EQ(read_frame("\1\0\1\0\0\x10\0"sv, 4096, frame), Framing::broken) << "larger than agreed";
    EXPECT_EQ(read_frame("\1\0\1\xff\xff\xff\xff"sv, 4096, frame), Framing::broken);
    EXPECT_EQ(read_frame("\5\0\1\0\0\0\1"sv, 4096, frame), Framing::broken) << "no such type";
    EXPECT_EQ(read_frame("AMQP\0\0\x09\x01"sv, 4096, frame), Framing::broken) << "another version";
    EXPECT_EQ(read_frame("HTTP/1.1 400 Bad Request"sv, 4096, frame), Framing::broken);
    Fields fields("\3ab"sv);
    EXPECT_EQ(fields.short_string(), "");
    EXPECT_FALSE(fields.ok());
    EXPECT_EQ(fields.dword(), 0U) << "and nothing after it";
    ContentHeader header;
    EXPECT_FALSE(read_content_header("\0\x3c\0\0\0\0"sv, header));
    EXPECT_FALSE(read_content_header("\0\x32\0\0\0\0\0\0\0\0\0\0\0\0"sv, header)) << "not the basic class";
}

TEST_F(PropertiesTest, AllOfThem) {
    amqp_basic_properties_t properties{};
    properties._flags = 0xFFFC;
    properties.content_type = bytes("text/plain");
    properties.content_encoding = bytes("gzip");
    properties.headers = {0, nullptr};
    properties.delivery_mode = 2;
    properties.priority = 7;
    properties.correlation_id = bytes("c-1");
    properties.reply_to = bytes("amq.reply");
    properties.expiration = bytes("60000");
    properties.message_id = bytes("m-\"1\"");
    properties.timestamp = 1700000000;
    properties.type = bytes("line\nbreak");
    properties.user_id = bytes("alice");
    properties.app_id = bytes("app");
    properties.cluster_id = bytes("x");
    const std::string all = encoded(properties);
    EXPECT_EQ(shown(all),
              R"({"content_type":"text/plain","content_encoding":"gzip","headers":{},"delivery_mode":2,)"
              R"("priority":7,"correlation_id":"c-1","reply_to":"amq.reply","expiration":"60000",)"
              R"("message_id":"m-\"1\"","timestamp":1700000000,"type":"line\u000abreak",)"
              R"("user_id":"alice","app_id":"app","cluster_id":"x"})");
    properties._flags &= ~static_cast<amqp_flags_t>(AMQP_BASIC_USER_ID_FLAG);
    EXPECT_EQ(renewed(all), encoded(properties)) << "all but the user";

    EXPECT_EQ(shown("\0\0"sv), "{}") << "none";
    EXPECT_EQ(renewed("\0\0"sv), "\0\0"sv);
    properties._flags = AMQP_BASIC_PRIORITY_FLAG;
    EXPECT_EQ(shown(encoded(properties)), R"({"priority":7})") << "what is not there is not 0";
}

TEST_F(PropertiesTest, EveryTypeOfField) {
    std::vector<amqp_table_entry_t> entries;
    std::array<amqp_field_value_t, 2> items{field(AMQP_FIELD_KIND_UTF8), field(AMQP_FIELD_KIND_VOID)};
    items[0].value.bytes = bytes("one");
    std::array<amqp_table_entry_t, 1> inner{{{bytes("deep"), field(AMQP_FIELD_KIND_ARRAY)}}};
    inner[0].value.value.array = {2, items.data()};
    const auto add = [&entries](const char* key, amqp_field_value_kind_t kind, auto set) {
        amqp_table_entry_t entry{bytes(key), field(kind)};
        set(entry.value.value);
        entries.push_back(entry);
    };
    add("bool", AMQP_FIELD_KIND_BOOLEAN, [](auto& v) { v.boolean = 1; });
    add("i8", AMQP_FIELD_KIND_I8, [](auto& v) { v.i8 = -7; });
    add("u8", AMQP_FIELD_KIND_U8, [](auto& v) { v.u8 = 250; });
    add("i16", AMQP_FIELD_KIND_I16, [](auto& v) { v.i16 = -30000; });
    add("u16", AMQP_FIELD_KIND_U16, [](auto& v) { v.u16 = 60000; });
    add("i32", AMQP_FIELD_KIND_I32, [](auto& v) { v.i32 = -2000000000; });
    add("u32", AMQP_FIELD_KIND_U32, [](auto& v) { v.u32 = 4000000000; });
    add("i64", AMQP_FIELD_KIND_I64, [](auto& v) { v.i64 = std::numeric_limits<std::int64_t>::min(); });
    add("u64", AMQP_FIELD_KIND_U64, [](auto& v) { v.u64 = std::numeric_limits<std::uint64_t>::max(); });
    add("f32", AMQP_FIELD_KIND_F32, [](auto& v) { v.f32 = 0.1F; });
    add("f64", AMQP_FIELD_KIND_F64, [](auto& v) { v.f64 = 0.1; });
    add("whole", AMQP_FIELD_KIND_F64, [](auto& v) { v.f64 = 3; });
    add("nan", AMQP_FIELD_KIND_F64, [](auto& v) { v.f64 = std::numeric_limits<double>::quiet_NaN(); });
    add("decimal", AMQP_FIELD_KIND_DECIMAL, [](auto& v) { v.decimal = {2, 1234}; });
    add("small", AMQP_FIELD_KIND_DECIMAL, [](auto& v) { v.decimal = {3, 5}; });
    add("time", AMQP_FIELD_KIND_TIMESTAMP, [](auto& v) { v.u64 = 1700000000; });
    add("text", AMQP_FIELD_KIND_UTF8, [](auto& v) { v.bytes = bytes("\xc3\xa9"); });
    add("void", AMQP_FIELD_KIND_VOID, [](auto&) {});
    add("bytes", AMQP_FIELD_KIND_BYTES, [](auto& v) { v.bytes = bytes("\0\xff"sv); });
    add("not utf8", AMQP_FIELD_KIND_UTF8, [](auto& v) { v.bytes = bytes("\xff"); });
    add("nul", AMQP_FIELD_KIND_UTF8, [](auto& v) { v.bytes = bytes("a\0b"sv); });
    add("table", AMQP_FIELD_KIND_TABLE, [&inner](auto& v) { v.table = {1, inner.data()}; });
    const std::string properties = with_headers(entries);
    EXPECT_EQ(
        shown(properties),
        R"({"headers":{"bool":true,"i8":{"!i8":-7},"u8":{"!u8":250},"i16":{"!i16":-30000},)"
        R"("u16":{"!u16":60000},"i32":-2000000000,"u32":{"!u32":4000000000},"i64":-9223372036854775808,)"
        R"("u64":{"!u64":18446744073709551615},"f32":{"!f32":0.1},"f64":0.1,"whole":3.0,)"
        R"("nan":{"!f64":"NaN"},"decimal":{"!decimal":"12.34"},"small":{"!decimal":"0.005"},)"
        R"("time":{"!timestamp":1700000000},"text":"é","void":null,"bytes":{"!bytes":"00ff"},)"
        R"("not utf8":{"!string":"ff"},"nul":{"!string":"610062"},"table":{"deep":["one",null]}}})");
    EXPECT_EQ(renewed(properties), properties) << "byte for byte";
}

TEST_F(PropertiesTest, HeadersThatSendItElsewhereGo) {
    const auto text = [](const char* key) {
        amqp_table_entry_t entry{bytes(key), field(AMQP_FIELD_KIND_UTF8)};
        entry.value.value.bytes = bytes("v");
        return entry;
    };
    const auto table = [](const char* key, amqp_table_entry_t* inner) {
        amqp_table_entry_t entry{bytes(key), field(AMQP_FIELD_KIND_TABLE)};
        entry.value.value.table = {1, inner};
        return entry;
    };
    amqp_table_entry_t inner = text("CC");
    const std::string all = with_headers({text("CC"), text("a"), text("BCC"), text("x-delivery-count"),
                                          table("x-death", &inner), text("x-stream-offset"), text("cc")});
    EXPECT_EQ(renewed(all), with_headers({text("a"), table("x-death", &inner), text("cc")}));
}

// With flags for headers only: the table's length, then its bytes.
std::string raw_headers(std::string_view table) {
    std::string properties("\x20\0"sv);
    FrameWriter(properties).long_string(table);
    return properties;
}

TEST_F(PropertiesTest, WhatLibrabbitmqDoesNotTake) {
    const std::string empty_key = raw_headers("\0S\0\0\0\1v\1kt\1"sv);
    EXPECT_EQ(shown(empty_key), R"({"headers":{"":"v","k":true}})");
    EXPECT_EQ(renewed(empty_key), empty_key);
    EXPECT_EQ(shown(raw_headers("\1\xffV\2\0aV"sv)),
              R"({"headers":{"!string:ff":null,"!string:0061":null}})");
    EXPECT_EQ(shown(raw_headers("\1at\1\1at\0"sv)), R"({"headers":{"a":true,"a":false}})")
        << "the same key twice";
}

TEST_F(PropertiesTest, NestedWithoutEnd) {
    std::string table;
    for (int i = 0; i < 20000; ++i) {
        std::string outer("\1kF"sv);
        FrameWriter(outer).long_string(table);
        table = outer;
        if (table.size() > 120000) {
            break;
        }
    }
    const std::string deep = raw_headers(table);
    const std::string json = shown(deep);
    EXPECT_NE(json.find("null"), std::string::npos);
    EXPECT_LT(json.size(), 1000U) << "what is too deep is not shown";
    EXPECT_EQ(renewed(deep), deep) << "and kept all the same";
}

TEST_F(PropertiesTest, NonsenseIsNone) {
    amqp_table_entry_t entry{bytes("k"), field(AMQP_FIELD_KIND_UTF8)};
    entry.value.value.bytes = bytes("value");
    const std::string good = with_headers({entry});
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_EQ(shown(std::string_view(good).substr(0, size)), "(none)") << size;
        EXPECT_EQ(renewed(std::string_view(good).substr(0, size)), "(none)") << size;
    }
    EXPECT_EQ(shown(good + "x"), "(none)") << "something behind";
    EXPECT_EQ(shown("\0\1\0\0"sv), "(none)") << "more flags, which there are not";
    EXPECT_EQ(shown(raw_headers("\1k?"sv)), "(none)") << "a type that nobody knows";
    EXPECT_EQ(shown(raw_headers("\1kF\xff\xff\xff\xff"sv)), "(none)");
    EXPECT_EQ(shown(raw_headers("\1kA\0\0\0\1S"sv)), "(none)") << "an item cut short within an array";
}

} // namespace
