// How a mail changes hands: what is said in which order, and what every answer, and every silence, means.
#include "core/wire/smtp_dialogue.hpp"

#include <gtest/gtest.h>

namespace {

using namespace cloudsat::core;

// What it says next, as if all of it went out.
std::string said(SmtpDialogue& dialogue) {
    std::string output(dialogue.output());
    dialogue.sent(output.size());
    return output;
}

// A dialogue that got these answers, one after the other.
SmtpDialogue after(std::initializer_list<const char*> answers) {
    SmtpDialogue dialogue;
    dialogue.begin("guardian@example.com", "alice@example.com", "Subject: x\r\n\r\nhello\r\n");
    for (const char* answer : answers) {
        said(dialogue);
        dialogue.feed(answer);
    }
    return dialogue;
}

TEST(SmtpDialogue, HandsOverAMail) {
    SmtpDialogue dialogue;
    dialogue.begin("guardian@example.com", "alice@example.com", "Subject: x\r\n\r\nhello\r\n");
    EXPECT_EQ(said(dialogue), "MAIL FROM:<guardian@example.com>\r\n");
    dialogue.feed("250 2.1.0 Ok\r\n");
    EXPECT_EQ(said(dialogue), "RCPT TO:<alice@example.com>\r\n");
    dialogue.feed("250-2.1.5 well\r\n250 2.1.5");
    EXPECT_EQ(dialogue.output(), "") << "an answer that is not complete is none";
    dialogue.feed(" Ok\r\n");
    EXPECT_EQ(said(dialogue), "DATA\r\n");
    dialogue.feed("354 go on\r\n");
    EXPECT_EQ(said(dialogue), "Subject: x\r\n\r\nhello\r\n.\r\n");
    EXPECT_FALSE(dialogue.over());
    dialogue.feed("250 2.0.0 Ok: queued as 42\r\n");
    EXPECT_TRUE(dialogue.over());
    EXPECT_EQ(dialogue.fate(), MailFate::sent);
    EXPECT_EQ(dialogue.answer(), "250 2.0.0 Ok: queued as 42");
    EXPECT_EQ(said(dialogue), "QUIT\r\n");
}

TEST(SmtpDialogue, EveryAnswerHasItsMeaning) {
    struct Case {
        std::initializer_list<const char*> answers;
        MailFate fate;
        const char* answered;
    };
    const char* yes = "250 ok\r\n";
    const char* go = "354 go\r\n";
    const Case cases[] = {
        {{"550 who are you\r\n"}, MailFate::unserved, "MAIL"},
        {{"451 later\r\n"}, MailFate::unserved, "MAIL"},
        {{"530 authenticate first\r\n"}, MailFate::unserved, "MAIL"},
        {{yes, "550 no such user\r\n"}, MailFate::refused, "RCPT"},
        {{yes, "451 greylisted\r\n"}, MailFate::postponed, "RCPT"},
        {{yes, "421 closing\r\n"}, MailFate::unserved, "RCPT"},
        {{yes, yes, "554 no\r\n"}, MailFate::refused, "DATA"},
        {{yes, yes, "451 no\r\n"}, MailFate::postponed, "DATA"},
        {{yes, yes, yes}, MailFate::postponed, "DATA"}, // 250 is not "go on"
        {{yes, yes, go, "554 spam\r\n"}, MailFate::refused, "the mail"},
        {{yes, yes, go, "452 full\r\n"}, MailFate::postponed, "the mail"},
        {{yes, yes, go, "421 closing\r\n"}, MailFate::unserved, "the mail"},
        {{yes, yes, go, "250 ok\r\n"}, MailFate::sent, "the mail"},
    };
    for (const Case& c : cases) {
        const SmtpDialogue dialogue = after(c.answers);
        EXPECT_TRUE(dialogue.over());
        EXPECT_EQ(dialogue.fate(), c.fate) << c.answered << " " << dialogue.answer();
        EXPECT_EQ(dialogue.answered(), c.answered);
    }
}

TEST(SmtpDialogue, OnlyBetweenTheLastByteAndTheAnswerNobodyKnows) {
    const char* yes = "250 ok\r\n";
    SmtpDialogue dialogue = after({});
    dialogue.lost();
    EXPECT_EQ(dialogue.fate(), MailFate::unserved);
    dialogue = after({yes});
    dialogue.lost();
    EXPECT_EQ(dialogue.fate(), MailFate::postponed);
    dialogue = after({yes, yes, "354 go\r\n"});
    dialogue.sent(dialogue.output().size() - 1);
    SmtpDialogue whole = dialogue;
    dialogue.lost();
    EXPECT_EQ(dialogue.fate(), MailFate::postponed) << "a text without its end is not delivered";
    whole.sent(1);
    whole.lost();
    EXPECT_EQ(whole.fate(), MailFate::unknown);
    EXPECT_EQ(whole.output(), "");
    EXPECT_EQ(whole.answer(), "");
    SmtpDialogue done = after({yes, yes, "354 go\r\n", yes});
    done.lost();
    EXPECT_EQ(done.fate(), MailFate::sent) << "what is over stays as it was";
}

TEST(SmtpDialogue, AnAnswerThatComesTooEarlyIsNoConsent) {
    SmtpDialogue dialogue = after({"250 ok\r\n", "250 ok\r\n", "354 go\r\n"});
    dialogue.sent(3);
    dialogue.feed("250 ok\r\n");
    EXPECT_EQ(dialogue.fate(), MailFate::postponed);
    dialogue = after({"250 ok\r\n", "250 ok\r\n", "354 go\r\n"});
    dialogue.feed("552 too much\r\n");
    EXPECT_EQ(dialogue.fate(), MailFate::refused);
}

TEST(SmtpDialogue, WhatIsNotSmtpIsALostConnection) {
    for (const std::string nonsense : {"hello\r\n", "25\r\n", "250x ok\r\n", "\r\n"}) {
        const SmtpDialogue dialogue = after({"250 ok\r\n", nonsense.c_str()});
        EXPECT_TRUE(dialogue.over()) << nonsense;
        EXPECT_EQ(dialogue.fate(), MailFate::postponed) << nonsense;
    }
    EXPECT_TRUE(after({std::string(5000, '2').c_str()}).over()) << "a line without an end";
    std::string endless;
    for (int i = 0; i < 2000; ++i)
        endless += "250-more\r\n";
    EXPECT_TRUE(after({endless.c_str()}).over());
}

TEST(SmtpDialogue, NoAddressBecomesACommand) {
    for (const char* bad : {"", "a@b>\r\nRCPT TO:<c@d", "a b@c", "a\r@b", "a@b<c"}) {
        SmtpDialogue dialogue;
        dialogue.begin("guardian@example.com", bad, "x");
        EXPECT_TRUE(dialogue.over()) << bad;
        EXPECT_EQ(dialogue.fate(), MailFate::refused) << bad;
    }
}

TEST(SmtpDialogue, NoTextEndsEarly) {
    EXPECT_EQ(smtp_text(""), ".\r\n");
    EXPECT_EQ(smtp_text("a"), "a\r\n.\r\n");
    EXPECT_EQ(smtp_text("a\r\n.\r\nb\r\n"), "a\r\n..\r\nb\r\n.\r\n");
    EXPECT_EQ(smtp_text("a\n.\nb\r.\rc"), "a\r\n..\r\nb\r\n..\r\nc\r\n.\r\n") << "lone CR and LF";
    EXPECT_EQ(smtp_text("..\r\n"), "...\r\n.\r\n");
    EXPECT_EQ(smtp_text("\r\n\r\n"), "\r\n\r\n.\r\n");
}

} // namespace
