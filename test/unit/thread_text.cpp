// The drawing of a thread: the tree's lines, and messages that try to break them.

#include "core/board/thread_text.hpp"

#include <memory_resource>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace cloudsat::core {
namespace {

ThreadLine line(std::uint32_t depth, bool is_last, std::string_view message) {
    return {.time = "12:00",
            .disposition = depth == 0 ? "" : "info",
            .poster = "a.com",
            .chan = "b.com",
            .message = message,
            .depth = depth,
            .is_last = is_last,
            .is_parent_gone = false};
}

class Text : public ThreadText {
public:
    explicit Text(Drawing drawing = Drawing::box) : ThreadText(drawing, std::pmr::get_default_resource()) {}
};

std::string message_part(std::string_view message, Drawing drawing = Drawing::box) {
    const std::string drawn(Text(drawing).draw(line(0, true, message)));
    return drawn.substr(drawn.find("b.com:") + 6);
}

TEST(ThreadText, Branches) {
    Text text;
    EXPECT_EQ(text.draw(line(0, true, "root")), "12:00  a.com → b.com: root");
    EXPECT_EQ(text.draw(line(1, false, "one")), "12:00  ├─ info a.com → b.com: one");
    EXPECT_EQ(text.draw(line(2, true, "two")), "12:00  │  └─ info a.com → b.com: two");
    EXPECT_EQ(text.draw(line(3, true, "three")), "12:00  │     └─ info a.com → b.com: three");
    EXPECT_EQ(text.draw(line(1, true, "four")), "12:00  └─ info a.com → b.com: four");
    EXPECT_EQ(text.draw(line(2, true, "five")), "12:00     └─ info a.com → b.com: five");
}

TEST(ThreadText, BranchesInAscii) {
    Text text(Drawing::ascii);
    text.draw(line(0, true, "root"));
    EXPECT_EQ(text.draw(line(1, false, "one")), "12:00  |- info a.com -> b.com: one");
    EXPECT_EQ(text.draw(line(2, true, "two")), "12:00  |  `- info a.com -> b.com: two");
}

TEST(ThreadText, ParentGone) {
    ThreadLine orphan = line(0, false, "still here");
    orphan.disposition = "problem";
    orphan.is_parent_gone = true;
    EXPECT_EQ(Text().draw(orphan), "12:00  (parent gone) problem a.com → b.com: still here");
}

TEST(ThreadText, DeepBelowTheDrawnLevelsTheDepthIsANumber) {
    Text text;
    for (std::uint32_t depth = 0; depth <= ThreadText::most_levels; ++depth)
        text.draw(line(depth, depth != 1, "x"));
    const std::string bars = "12:00  │  " + std::string(3 * (ThreadText::most_levels - 2), ' ');
    EXPECT_EQ(text.draw(line(17, true, "x")), bars + "⋮ +1 info a.com → b.com: x");
    EXPECT_EQ(text.draw(line(1'000'000, true, "x")), bars + "⋮ +999984 info a.com → b.com: x");
    EXPECT_EQ(text.draw(line(16, true, "x")), bars + "└─ info a.com → b.com: x");
}

TEST(ThreadText, FirstLineAndHowManyMore) {
    EXPECT_EQ(message_part("one"), " one");
    EXPECT_EQ(message_part("one\n"), " one");
    EXPECT_EQ(message_part("one\r\ntwo"), " one [+1 line]");
    EXPECT_EQ(message_part("\n\n  one \ntwo\n\nfour\n\n"), " one [+3 lines]");
    EXPECT_EQ(message_part(""), "");
    EXPECT_EQ(message_part(" \n\t "), "");
}

TEST(ThreadText, LongMessagesAreCut) {
    const std::size_t room = ThreadText::line_width - display_width("12:00  a.com → b.com: ");
    EXPECT_EQ(message_part(std::string(room, 'x')), " " + std::string(room, 'x'));
    EXPECT_EQ(message_part(std::string(room + 1, 'x')), " " + std::string(room - 1, 'x') + "…");
    EXPECT_EQ(message_part(std::string(room + 2, 'x'), Drawing::ascii),
              " " + std::string(room - 4, 'x') + "...");
    EXPECT_EQ(message_part(std::string(room, 'x') + "\ny"),
              " " + std::string(room - 11, 'x') + "… [+1 line]");
}

TEST(ThreadText, AMessageGetsItsLeastHoweverLongTheAddresses) {
    ThreadLine wide = line(16, true, "");
    const std::string host(200, 'h'), message(100, 'x');
    wide.poster = host;
    wide.message = message;
    EXPECT_TRUE(
        Text().draw(wide).ends_with("b.com: " + std::string(ThreadText::least_message - 1, 'x') + "…"));
}

TEST(ThreadText, HarmfulCharactersBecomeHarmless) {
    EXPECT_EQ(message_part("a\tb"), " a b");
    EXPECT_EQ(message_part("\x1b[31mred\a"), " \uFFFD[31mred\uFFFD");
    EXPECT_EQ(message_part("\x1b[31mred\a", Drawing::ascii), " ?[31mred?");
    EXPECT_EQ(message_part("up\rdown"), " up\uFFFDdown");
    EXPECT_EQ(message_part("c1\u009b2J"), " c1\uFFFD2J");
    EXPECT_EQ(message_part("rtl\u202Egnp.exe"), " rtl\uFFFDgnp.exe");
    EXPECT_EQ(message_part("line\u2028line"), " line\uFFFDline");
    EXPECT_EQ(message_part("caf\xe9"), " caf\uFFFD");                                   // Latin-1
    EXPECT_EQ(message_part("\xc0\xaf\xed\xa0\x80"), " \uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"); // overlong, surrogate
    EXPECT_EQ(message_part("\xf0\x9f\x9b"), " \uFFFD\uFFFD\uFFFD");                     // cut off
}

TEST(ThreadText, OtherScriptsStay) {
    EXPECT_EQ(message_part("größer – 日本語 🛰️ é"), " größer – 日本語 🛰️ é");
    EXPECT_EQ(display_width("größer"), 6u);
    EXPECT_EQ(display_width("日本語"), 6u);
    EXPECT_EQ(display_width("e\u0301"), 1u);
    std::string japanese;
    for (int i = 0; i < 100; ++i)
        japanese += "語";
    EXPECT_LE(display_width(Text().draw(line(0, true, japanese))), ThreadText::line_width);
    EXPECT_GE(display_width(Text().draw(line(0, true, japanese))), ThreadText::line_width - 1);
}

TEST(ThreadText, TowersOfAccentsAreCut) {
    std::string tower = "e";
    for (int i = 0; i < 10'000; ++i)
        tower += "\u0301";
    EXPECT_EQ(message_part(tower + "!"), " e\u0301\u0301\u0301\u0301!");
}

TEST(ThreadText, AnyBytesGiveOneBoundedLine) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 20'000; ++round) {
        std::string message(random() % 300, '\0');
        for (char& byte : message)
            byte = static_cast<char>(random() % 4 == 0 ? random()
                                                       : 0xE0 + random() % 16 - (random() % 3) * 0x40);
        for (Drawing drawing : {Drawing::box, Drawing::ascii}) {
            Text text(drawing);
            const std::string_view drawn = text.draw(line(0, true, message));
            ASSERT_LE(display_width(drawn), ThreadText::line_width);
            ASSERT_EQ(drawn.find_first_of(std::string_view("\0\n\r\x1b\x7f", 5)), std::string_view::npos);
        }
    }
}

} // namespace
} // namespace cloudsat::core
