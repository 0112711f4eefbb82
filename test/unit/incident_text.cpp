// What is said of a queue: the numbers that matter, and no name that breaks out of its quotes.

#include "core/guardian/incident_text.hpp"

#include <gtest/gtest.h>

#include <iterator>
#include <random>
#include <regex>
#include <string>

namespace {

using namespace cloudsat::core;

class IncidentText : public testing::Test {
protected:
    std::pmr::monotonic_buffer_resource memory;
    Incident incident{.server = "pulse",
                      .vhost = "/",
                      .queue = "queue/alice@example.com/x",
                      .size = 2345,
                      .limits = {},
                      .stream = false,
                      .enforce = false};
    static bool has(std::string_view text, std::string_view part) {
        return text.find(part) != std::string_view::npos;
    }
};

TEST_F(IncidentText, AWarningSaysWhatHappensNextAndWhen) {
    const std::string_view off = say_warned(incident, &memory);
    EXPECT_EQ(
        off,
        "Queue \"queue/alice@example.com/x\" in vhost \"/\" of broker pulse has 2345 messages, more than its "
        "warning size of 2000.\nAbove 8000 it would be deleted if limits were enforced for this broker.\n"
        "The warning ends when it has 1600 or fewer.");
    incident.enforce = true;
    EXPECT_TRUE(has(say_warned(incident, &memory), "Above 8000 it will be deleted, with all its messages."));
    EXPECT_TRUE(
        has(say_warned(incident, &memory), "\nTo prevent this, an owner replies \"belay\" on the board.\n"));
    incident.limits.unbounded = true;
    EXPECT_FALSE(has(say_warned(incident, &memory), "belay"));
    EXPECT_TRUE(has(say_warned(incident, &memory), "It will not be deleted, however large it grows."));
}

TEST_F(IncidentText, TheOthers) {
    EXPECT_TRUE(has(say_would_delete(incident, &memory), "deletion size of 8000"));
    EXPECT_TRUE(has(say_recovered(incident, &memory), "back to normal, with 2345 messages."));
    incident.limits.basis = Basis::ready;
    EXPECT_TRUE(has(say_recovered(incident, &memory), "with 2345 messages ready."));
    incident.size = 1;
    EXPECT_TRUE(has(say_deleted(incident, &memory), "was deleted, and 1 message with it"));
    incident.size.reset();
    EXPECT_TRUE(has(say_deleted(incident, &memory), "is already gone."));
    EXPECT_TRUE(has(say_gone(incident, "has vanished", &memory), "of broker pulse has vanished."));
    EXPECT_TRUE(has(say_failed(incident, "the broker is cross", &memory),
                    "could not be deleted: the broker is cross."));
    incident.limits.exempt = true;
    EXPECT_TRUE(has(say_recovered(incident, &memory), "exempt"));
}

TEST_F(IncidentText, ANameInAMailIsShortAndNoLink) {
    EXPECT_EQ(mail_name("a http://x.y/z", &memory), R"("a http[:]//x[.]y/z")");
    EXPECT_EQ(mail_name("renew at evil.com/login or pay@evil.com.", &memory),
              R"("renew at evil[.]com/login or pay[@]evil[.]com.")");
    EXPECT_EQ(mail_name("jobs: high. \n\"", &memory), R"("jobs: high. \u000a\"")");
    EXPECT_EQ(mail_name("evil\uFF0Ecom a\uFF20b c\u3002d", &memory),
              "\"evil[\uFF0E]com a[\uFF20]b c[\u3002]d\"");
    EXPECT_EQ(mail_name(R"(a[.]b \\host\share)", &memory), R"("a\u005b[.]]b \u005c\u005chost\u005cshare")")
        << "no other name looks the same";
    EXPECT_EQ(mail_name(std::string(120, 'x'), &memory), "\"" + std::string(120, 'x') + "\"");
    EXPECT_EQ(mail_name(std::string(121, 'x'), &memory), "\"" + std::string(120, 'x') + "\"...");
    EXPECT_EQ(mail_name(std::string(119, 'x') + "\xc3\xa4", &memory), "\"" + std::string(119, 'x') + "\"...");
    EXPECT_EQ(mail_name(std::string(116, 'x') + "www.y", &memory),
              "\"" + std::string(116, 'x') + "www.\"...");
}

std::string utf8(char32_t c) {
    const auto byte = [](char32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
    if (c < 0x80)
        return {byte(c)};
    if (c < 0x800)
        return {byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F))};
    if (c < 0x10000)
        return {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
    return {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F)), byte(0x80 | (c >> 6 & 0x3F)),
            byte(0x80 | (c & 0x3F))};
}

TEST_F(IncidentText, WhatIsInvisibleIsSeen) {
    for (const char32_t c :
         {U'\u00AD',     U'\u034F',     U'\u0600',     U'\u061C',     U'\u06DD',     U'\u070F',
          U'\u08E2',     U'\u115F',     U'\u1160',     U'\u17B4',     U'\u180B',     U'\u180E',
          U'\u180F',     U'\u200B',     U'\u200D',     U'\u200E',     U'\u200F',     U'\u2028',
          U'\u202A',     U'\u202E',     U'\u2060',     U'\u2064',     U'\u2066',     U'\u206F',
          U'\u2800',     U'\u3164',     U'\uFE00',     U'\uFE0F',     U'\uFEFF',     U'\uFFA0',
          U'\uFFF9',     U'\uFFFB',     U'\U000110BD', U'\U0001343F', U'\U0001BCA0', U'\U0001D173',
          U'\U000E0001', U'\U000E0041', U'\U000E007F', U'\U000E01EF'}) {
        for (const auto shown :
             {mail_name("a" + utf8(c) + "b", &memory), quoted("a" + utf8(c) + "b", &memory)}) {
            EXPECT_EQ(shown.find(utf8(c)), std::string_view::npos) << std::hex << static_cast<unsigned>(c);
            EXPECT_TRUE(shown.starts_with(c > 0xFFFF ? "\"a\\U000" : "\"a\\u")) << shown;
        }
    }
    EXPECT_EQ(mail_name("a\U000E0041", &memory), R"("a\U000e0041")");
}

// Whatever a name is made of, what mail programs look for is not in it.
TEST_F(IncidentText, NoNameInAMailHoldsALink) {
    constexpr std::string_view pieces[] = {
        ".", "@",  ":", "/",    "//",      "\\",     " ",      "evil", "com",
        "[", "]",  "-", "http", "mailto:", "www.",   "\u00AD", "\"",   "1",
        "_", "\n", "a", "[.]",  "\u200B",  "\uFF0E", "\u0561", "?",    "é"};
    const std::regex links(R"([.@:][^ \]"]|\\\\)");
    std::mt19937 random(1);
    for (int round = 0; round < 20'000; ++round) {
        std::string name;
        for (auto left = random() % 12; left > 0; --left)
            name += pieces[random() % std::size(pieces)];
        const std::string shown(mail_name(name, &memory));
        ASSERT_FALSE(std::regex_search(shown, links)) << name << " is shown as " << shown;
    }
}

TEST_F(IncidentText, OneMessage) {
    incident.limits.warn_size = 2; // over at 1
    const auto text = say_belayed(incident, "ops@example.com", &memory);
    EXPECT_NE(text.find("until it has 1 message or fewer.\n"), std::string_view::npos) << text;
}

TEST_F(IncidentText, Belay) {
    const std::string queue = "Queue \"queue/alice@example.com/x\" in vhost \"/\" of broker pulse ";
    EXPECT_EQ(say_belayed(incident, "ops@example.com", &memory),
              queue + "was put on hold by ops@example.com: it is neither archived nor deleted, however large "
                      "it grows, until it has 1600 messages or fewer.\nTo end the hold earlier, an owner or "
                      "admin replies \"end\".");
    EXPECT_EQ(say_belay_ended(incident, "ops@example.com", &memory),
              queue + "is no longer on hold: ops@example.com ended the hold, and its limits apply again.");
    EXPECT_EQ(
        say_not_obeyed(incident, &memory),
        queue + "can be put on hold only by its owners and by the broker's admins. You are not one of them.");
}

TEST_F(IncidentText, HostileNamesStayInTheirQuotes) {
    EXPECT_EQ(quoted("a\"b\\c", &memory), "\"a\\\"b\\\\c\"");
    EXPECT_EQ(quoted("a\r\nBcc: x", &memory), "\"a\\u000d\\u000aBcc: x\"");
    EXPECT_EQ(quoted("\x7f\xc2\x85", &memory), "\"\\u007f\\u0085\"");
    EXPECT_EQ(quoted("evil\xe2\x80\xaetxt", &memory), "\"evil\\u202etxt\"");
    EXPECT_EQ(quoted("grün \xf0\x9f\x90\xb0", &memory), "\"grün \xf0\x9f\x90\xb0\"");
    EXPECT_EQ(quoted("", &memory), "\"\"");
    EXPECT_EQ(quoted("cut \xe2\x80", &memory).size(),
              std::string_view("\"cut \"").size() + 1 + 6); // no UTF-8, yet no crash
}

TEST_F(IncidentText, Archiving) {
    incident.limits.archive_size = 4000;
    EXPECT_FALSE(has(say_warned(incident, &memory), "archived")) << "as long as limits are not enforced";
    incident.enforce = true;
    EXPECT_TRUE(has(say_warned(incident, &memory), "Above 4000 its oldest messages will be archived.\n"));
    EXPECT_TRUE(
        has(say_archive_started(incident, &memory), "2345 messages, more than its archiving size of 4000"));
    incident.limits.max_archive_size = 1;
    EXPECT_TRUE(has(say_archive_full(incident, &memory), "the archive holds 1 message of it"));
    EXPECT_TRUE(has(say_archive_withheld(incident, "it is odd", &memory), "is not archived: it is odd."));
    EXPECT_TRUE(has(say_archive_failed(incident, "no luck", &memory), "could not be archived: no luck."));
    EXPECT_TRUE(has(say_archived(incident, 1, &memory), ": 1 message was archived."));
    EXPECT_TRUE(has(say_archived(incident, 7, &memory), ": 7 messages were archived."));
    incident.stream = true;
    EXPECT_FALSE(has(say_warned(incident, &memory), "archived"));
}

} // namespace
