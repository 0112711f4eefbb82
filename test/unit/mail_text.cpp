// Mails: what they say, and that no name of a queue gets out of its place.
#include "core/guardian/mail_text.hpp"

#include <array>
#include <gtest/gtest.h>
#include <string>

namespace {

using namespace cloudsat::core;

class MailText : public testing::Test {
protected:
    Incident incident(std::string_view queue = "queue/alice@example.com/jobs") {
        Incident result;
        result.server = "pulse";
        result.vhost = "/";
        result.queue = queue;
        result.size = 3025;
        result.enforce = true;
        return result;
    }
    std::string compose(std::span<const NoticeText> notices) {
        return std::string(compose_mail({"guardian@example.com", "alice@example.com", "0197-1", 1772532000},
                                        notices, &arena));
    }
    // Of a mail: the lines of its header, and of its body.
    static std::string head_of(const std::string& mail) { return mail.substr(0, mail.find("\r\n\r\n") + 2); }

    std::pmr::monotonic_buffer_resource arena;
};

TEST_F(MailText, AWarningSaysWhatAnOwnerNeeds) {
    const auto notice = mail_warned(incident(), "0197-2", &arena);
    EXPECT_EQ(notice.subject,
              "[pulse] Warning: queue \"queue/alice[@]example[.]com/jobs\" has 3025 messages");
    EXPECT_EQ(notice.body, "Queue \"queue/alice[@]example[.]com/jobs\" in vhost \"/\" of broker pulse has "
                           "3025 messages (warning "
                           "size 2000, deletion size 8000).\n\n"
                           "Above 8000 it will be deleted, with all its messages.\n"
                           "To prevent this, an owner replies \"belay\" on the board.\n"
                           "The warning ends when it has 1600 or fewer.\n"
                           "The incident's thread on the board is 0197-2.");
    auto other = incident();
    other.limits.archive_size = 4000;
    EXPECT_NE(mail_warned(other, "", &arena).body.find("Above 4000 its oldest messages will be archived.\n"),
              std::string_view::npos);
    other.enforce = false;
    other.limits.basis = Basis::ready;
    EXPECT_NE(mail_warned(other, "", &arena).body.find("would be deleted if"), std::string_view::npos);
    EXPECT_NE(mail_warned(other, "", &arena).body.find("3025 messages ready"), std::string_view::npos);
    other.limits.unbounded = true;
    EXPECT_NE(mail_warned(other, "", &arena).body.find("(warning size 2000, never deleted)"),
              std::string_view::npos);
}

TEST_F(MailText, EveryNoticeSaysItAllInItsFirstLine) {
    auto gone = incident();
    gone.size.reset();
    for (const auto& notice :
         {mail_warned(incident(), "t", &arena), mail_recovered(incident(), "t", &arena),
          mail_recovered(gone, "t", &arena), mail_vanished(incident(), "has vanished", "t", &arena),
          mail_deleted(incident(), "t", &arena), mail_deleted(gone, "t", &arena)}) {
        const auto line = notice.body.substr(0, notice.body.find('\n'));
        for (const char* part :
             {"queue/alice[@]example[.]com/jobs", "vhost \"/\"", "broker pulse", "2000", "8000"}) {
            EXPECT_NE(line.find(part), std::string_view::npos) << line;
        }
        EXPECT_TRUE(notice.subject.starts_with("[pulse] ")) << notice.subject;
    }
    EXPECT_EQ(
        mail_deleted(incident(), "", &arena).body,
        "Queue \"queue/alice[@]example[.]com/jobs\" in vhost \"/\" of broker pulse was deleted, and 3025 "
        "messages "
        "with it (warning size 2000, deletion size 8000).\n");
    EXPECT_EQ(mail_broker_up("pulse", 1, "10:00", &arena).body,
              "Broker pulse is polled again, after 1 failure since 10:00.");
}

TEST_F(MailText, OneNoticeIsAMail) {
    const std::array notices{NoticeText{"Subject", "First line.\n\nSecond = line."}};
    EXPECT_EQ(compose(notices), "Date: Tue, 03 Mar 2026 10:00:00 +0000\r\n"
                                "From: cloudsat <guardian@example.com>\r\n"
                                "To: <alice@example.com>\r\n"
                                "Subject: Subject\r\n"
                                "Message-ID: <0197-1@example.com>\r\n"
                                "MIME-Version: 1.0\r\n"
                                "Content-Type: text/plain; charset=UTF-8\r\n"
                                "Content-Transfer-Encoding: quoted-printable\r\n"
                                "Auto-Submitted: auto-generated\r\n"
                                "X-Auto-Response-Suppress: All\r\n"
                                "\r\n"
                                "First line.\r\n\r\nSecond =3D line.\r\n"
                                "\r\n--=20\r\n"
                                "Sent by cloudsat, which guards these queues. Replies are not read.\r\n");
}

TEST_F(MailText, SeveralNoticesAreOneMailAndFiveADigest) {
    std::array<NoticeText, 5> notices;
    notices.fill({"One thing", "It happened.\n\nThe details."});
    std::string mail = compose(std::span(notices).first(4));
    EXPECT_NE(mail.find("Subject: One thing and 3 more\r\n"), std::string::npos) << mail;
    EXPECT_NE(mail.find("The details."), std::string::npos);
    mail = compose(notices);
    EXPECT_NE(mail.find("Subject: 5 notices: One thing and 4 more\r\n"), std::string::npos) << mail;
    EXPECT_NE(mail.find("* It happened.\r\n* It happened.\r\n"), std::string::npos) << mail;
    EXPECT_EQ(mail.find("The details."), std::string::npos);
}

TEST_F(MailText, NamesStayInTheirPlace) {
    for (const std::string_view name : {"evil\r\nBcc: eve@example.com\r\n\r\nhello", "a\nb", "\r\n.\r\nQUIT",
                                        "=?UTF-8?Q?x?=", "\xE2\x80\xAE txt.exe",
                                        "Gr\xC3\xBC\xC3\x9F"
                                        "e \xF0\x9F\x90\x87",
                                        "tab\tbed", "a\"b\\c"}) {
        const std::array notices{mail_warned(incident(name), "t", &arena)};
        const std::string mail = compose(notices);
        const std::string head = head_of(mail);
        EXPECT_EQ(head.find("\r\nBcc"), std::string::npos) << mail;
        EXPECT_EQ(head.find("=?UTF-8?Q?x?="), std::string::npos) << "not taken for an encoded word: " << head;
        std::size_t fields = 0;
        for (std::size_t at = 0; at < head.size(); at = head.find("\r\n", at) + 2)
            fields += head[at] != ' ' ? 1 : 0;
        EXPECT_EQ(fields, 10U) << head;
        EXPECT_EQ(mail.find("\r\n."), std::string::npos) << mail;
    }
}

TEST_F(MailText, LongNamesFold) {
    std::string name;
    for (int i = 0; i < 85; ++i)
        name += "\xE2\x82\xAC"; // 255 bytes
    const std::array notices{mail_warned(incident(name), "t", &arena)};
    const std::string mail = compose(notices);
    for (std::size_t at = 0; at < mail.size();) {
        const auto end = mail.find("\r\n", at);
        ASSERT_NE(end, std::string::npos);
        EXPECT_LE(end - at, 78U) << mail.substr(at, end - at);
        at = end + 2;
    }
    EXPECT_NE(head_of(mail).find("=E2=82=AC?=\r\n =?UTF-8?Q?=E2=82=AC"), std::string::npos)
        << "a character is not divided between encoded words: " << head_of(mail);
}

TEST_F(MailText, Headers) {
    EXPECT_EQ(header_field("Subject", "short", &arena), "Subject: short\r\n");
    const std::string words = "word " + std::string(60, 'x') + " word " + std::string(70, 'y') + " end";
    EXPECT_EQ(header_field("Subject", words, &arena),
              "Subject: word " + std::string(60, 'x') + "\r\n word " + std::string(70, 'y') + "\r\n end\r\n");
    EXPECT_EQ(header_field("Subject", "a  b", &arena), "Subject: =?UTF-8?Q?a__b?=\r\n");
    EXPECT_EQ(header_field("Subject", "", &arena), "Subject: =?UTF-8?Q?"
                                                   "?=\r\n");
    EXPECT_EQ(header_field("Subject", "=?x?=", &arena), "Subject: =?UTF-8?Q?=3D=3Fx=3F=3D?=\r\n");
    EXPECT_EQ(header_field("Subject", "a\r\nb", &arena), "Subject: =?UTF-8?Q?a=3F=3Fb?=\r\n");
    EXPECT_TRUE(header_field("Subject", std::string(80, 'x'), &arena).starts_with("Subject: =?UTF-8?Q?xx"));
}

TEST_F(MailText, Dates) {
    EXPECT_EQ(mail_date(0, &arena), "Thu, 01 Jan 1970 00:00:00 +0000");
    EXPECT_EQ(mail_date(951827696, &arena), "Tue, 29 Feb 2000 12:34:56 +0000");
    EXPECT_EQ(mail_date(4102444799, &arena), "Thu, 31 Dec 2099 23:59:59 +0000");
}

TEST_F(MailText, QuotedPrintable) {
    EXPECT_EQ(quoted_printable("a b\n", &arena), "a b\r\n");
    EXPECT_EQ(quoted_printable("a \nb ", &arena), "a=20\r\nb=20");
    EXPECT_EQ(quoted_printable(".\n..a", &arena), "=2E\r\n=2E.a");
    EXPECT_EQ(quoted_printable("\t=\xC3\xBC\r", &arena), "=09=3D=C3=BC=0D");
    EXPECT_EQ(quoted_printable(std::string(80, 'x'), &arena),
              std::string(75, 'x') + "=\r\n" + std::string(5, 'x'));
    EXPECT_EQ(quoted_printable(std::string(75, 'x') + ".", &arena), std::string(75, 'x') + "=\r\n=2E");
}

} // namespace
