// A name and its text: what has a NUL gets a form of its own, which no other name has.
#include "core/wire/broker_name.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory_resource>
#include <string>

namespace {

using namespace cloudsat::core;
using namespace std::string_literals;

class BrokerNameTest : public testing::Test {
protected:
    std::string text(std::string_view name) { return std::string(text_of_name(name, &arena_)); }
    std::string name(std::string_view of) { return std::string(name_of_text(of, &arena_)); }
    std::string segment(std::string_view of) {
        return std::string(segment_of_text(of, &arena_).value_or("none"));
    }
    std::pmr::monotonic_buffer_resource arena_;
};

TEST_F(BrokerNameTest, EveryOtherNameIsItsText) {
    for (const std::string same :
         {"q", "", "a%00b", "%25", "100%", "(percent-encoded)", " (percent-encoded) ", "é😀", ".."}) {
        EXPECT_EQ(text(same), same);
        EXPECT_EQ(name(same), same);
    }
}

TEST_F(BrokerNameTest, ANulIsWritten) {
    EXPECT_EQ(text("a\0b"s), "a%00b (percent-encoded)");
    EXPECT_EQ(text("100%\0"s), "100%25%00 (percent-encoded)");
    EXPECT_EQ(text("x (percent-encoded)"), "x (percent-encoded) (percent-encoded)");
    EXPECT_EQ(segment("a%00b (percent-encoded)"), "a%00b") << "to the broker goes the name";
    EXPECT_EQ(segment("a%00b"), "a%2500b");
    EXPECT_EQ(segment(".."), "none");
}

// All names of up to six pieces, among them every one that makes trouble.
TEST_F(BrokerNameTest, NoTwoNamesShareAText) {
    const std::string pieces[] = {"\0"s, "%", "00", "25", " (percent-encoded)", "x"};
    std::map<std::string, std::string> known;
    for (int n = 0; n < 6 * 6 * 6 * 6 * 6 * 6; ++n) {
        std::string whole;
        for (int rest = n; rest > 0; rest /= 6) {
            whole += pieces[rest % 6];
        }
        const std::string as_text = text(whole);
        EXPECT_EQ(as_text.find('\0'), std::string::npos);
        EXPECT_EQ(name(as_text), whole);
        const auto [at, fresh] = known.emplace(as_text, whole);
        EXPECT_EQ(at->second, whole) << as_text;
    }
}

} // namespace
