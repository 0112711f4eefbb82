// The SMTP client against a mail server that says what a test has it say. No test sleeps: each waits with
// poll(2) on the client's fd, for a limited time. TLS and logging in are tried with a real server, in
// test/t/056_mail_servers.pl.
#include "net/smtp.hpp"

#include <arpa/inet.h>
#include <chrono>
#include <gtest/gtest.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace cloudsat::net;
using cloudsat::core::MailFate;
using Clock = std::chrono::steady_clock;

// Takes one connection: greets with the first line, and answers each line that comes with the next one. After
// DATA a line counts once the text has ended. "hang" says nothing any more, "close" hangs up, "flood X" says
// X over and over, for three seconds or until the client hangs up.
class Server {
public:
    explicit Server(std::vector<std::string> lines) : lines_(std::move(lines)) {
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(listen(listener_, 5), 0);
        EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
        url = "smtp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
        thread_ = std::thread([this] { serve(); });
    }
    ~Server() { join(); }
    void join() {
        shutdown(listener_, SHUT_RDWR); // whoever waits for a connection waits no longer
        if (thread_.joinable())
            thread_.join();
        if (listener_ >= 0)
            close(listener_);
        listener_ = -1;
    }

    std::string url;
    std::string heard; // after join()

private:
    void serve() {
        const int client = accept(listener_, nullptr, nullptr);
        bool text = false;
        for (const std::string& line : lines_) {
            if (line == "close")
                break;
            if (line == "hang") {
                hear(client, "");
                break;
            }
            if (line.starts_with("flood ")) {
                flood(client, line.substr(6));
                break;
            }
            const std::string out = line + "\r\n";
            if (send(client, out.data(), out.size(), MSG_NOSIGNAL) < 0)
                break;
            text = line.starts_with("354");
            if (!hear(client, text ? "\r\n.\r\n" : "\r\n"))
                break;
        }
        close(client);
    }
    static void flood(int client, std::string bytes) {
        while (bytes.size() < 100'000)
            bytes += bytes;
        const auto limit = Clock::now() + std::chrono::seconds(3);
        ssize_t sent = 1;
        while (sent > 0 && Clock::now() < limit) {
            pollfd room{.fd = client, .events = POLLOUT, .revents = 0};
            if (poll(&room, 1, 100) > 0)
                sent = ::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        }
    }
    // until that has come; false at the end
    bool hear(int client, const std::string& end) {
        std::string now;
        for (char c; recv(client, &c, 1, 0) == 1;) {
            heard += c;
            now += c;
            if (!end.empty() && now.ends_with(end))
                return true;
        }
        return false;
    }

    std::vector<std::string> lines_;
    int listener_ = -1;
    std::thread thread_;
};

struct Outcome {
    MailFate fate;
    std::string words;
    std::string heard;
    long ms;
};

class SmtpTest : public testing::Test {
protected:
    SmtpTest() {
        mail.tls = SmtpTls::off;
        mail.from = "guardian@example.com";
        mail.to = "alice@example.com";
        mail.text = "Subject: x\r\n\r\n.hello\r\n";
        mail.timeout_ms = 10000;
    }

    void run() {
        const auto limit = Clock::now() + std::chrono::seconds(20);
        while (!smtp.done() && Clock::now() < limit) {
            pollfd waiting{.fd = smtp.fd(), .events = POLLIN, .revents = 0};
            poll(&waiting, 1, std::min(smtp.timeout_ms(), 1000));
            const auto woke = Clock::now();
            smtp.step();
            slowest = std::max(slowest, Clock::now() - woke);
        }
        EXPECT_TRUE(smtp.done());
    }

    Outcome send(std::vector<std::string> lines) {
        Server server(std::move(lines));
        mail.url = server.url;
        const auto began = Clock::now();
        smtp.start(mail);
        run();
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
        Outcome outcome{smtp.reply().fate, std::string(smtp.reply().words), "", took};
        server.join();
        outcome.heard = server.heard;
        return outcome;
    }

    Smtp smtp;
    Mail mail;
    Clock::duration slowest{};
};

const std::string hello = "220 here I am";
const std::string yes = "250 fine";
const std::string go = "354 go on";

TEST_F(SmtpTest, HandsOverAMail) {
    for (int i = 0; i < 3; ++i) {
        const Outcome outcome = send({hello, yes, yes, yes, go, "250 taken as 42", "221 bye"});
        EXPECT_EQ(outcome.fate, MailFate::sent) << outcome.words;
        EXPECT_EQ(outcome.words, "250 taken as 42");
        EXPECT_TRUE(outcome.heard.starts_with("EHLO ")) << outcome.heard;
        EXPECT_NE(
            outcome.heard.find("MAIL FROM:<guardian@example.com>\r\nRCPT TO:<alice@example.com>\r\nDATA\r\n"
                               "Subject: x\r\n\r\n..hello\r\n.\r\nQUIT\r\n"),
            std::string::npos)
            << outcome.heard;
    }
}

TEST_F(SmtpTest, TellsWhatWasAnswered) {
    Outcome outcome = send({hello, yes, yes, "550 5.1.1 nobody\x01 here"});
    EXPECT_EQ(outcome.fate, MailFate::refused);
    EXPECT_TRUE(outcome.words.ends_with(" answered RCPT with: 550 5.1.1 nobody  here")) << outcome.words;
    outcome = send({"554 go away"});
    EXPECT_EQ(outcome.fate, MailFate::unserved);
    EXPECT_TRUE(outcome.words.ends_with(" answered: 554 go away")) << outcome.words;
    outcome = send({"300 something else"});
    EXPECT_EQ(outcome.fate, MailFate::unserved) << outcome.words;
    EXPECT_NE(outcome.words.find("SMTP"), std::string::npos) << outcome.words;
}

TEST_F(SmtpTest, TellsWhereItWasLost) {
    EXPECT_EQ(send({"close"}).fate, MailFate::unserved);
    EXPECT_EQ(send({hello, "close"}).fate, MailFate::unserved);
    EXPECT_EQ(send({hello, yes, "close"}).fate, MailFate::unserved);
    EXPECT_EQ(send({hello, yes, yes, "close"}).fate, MailFate::postponed);
    const Outcome outcome = send({hello, yes, yes, yes, go, "close"});
    EXPECT_EQ(outcome.fate, MailFate::unknown);
    EXPECT_TRUE(outcome.words.ends_with(" closed the connection after the mail")) << outcome.words;
    mail.url = "smtp://127.0.0.1:1";
    smtp.start(mail);
    run();
    EXPECT_EQ(smtp.reply().fate, MailFate::unserved);
    EXPECT_EQ(smtp.reply().words, "could not connect to 127.0.0.1 port 1: connection refused");
}

TEST_F(SmtpTest, NeverWaitsByItselfAndNotForEver) {
    mail.timeout_ms = 300;
    for (const auto& [lines, fate] : std::vector<std::pair<std::vector<std::string>, MailFate>>{
             {{"hang"}, MailFate::unserved},
             {{hello, "hang"}, MailFate::unserved},
             {{hello, yes, yes, "hang"}, MailFate::postponed},
             {{hello, yes, yes, yes, go, "hang"}, MailFate::unknown},
             {{hello, yes, yes, yes, go, yes, "hang"}, MailFate::sent}, // that QUIT is not answered
         }) {
        const Outcome outcome = send(lines);
        EXPECT_EQ(outcome.fate, fate) << outcome.words;
        EXPECT_LT(outcome.ms, 5000) << outcome.words;
    }
    EXPECT_LT(slowest, std::chrono::milliseconds(200)) << "a step does not wait";
}

TEST_F(SmtpTest, KeepsTheSecretToItself) {
    mail.user = "me";
    mail.password = "hunter2";
    const Outcome outcome = send({hello, "250 AUTH PLAIN", "334 ", "535 no: hunter2 is wrong", "221 bye"});
    EXPECT_EQ(outcome.fate, MailFate::unserved);
    EXPECT_TRUE(outcome.words.ends_with("does not accept the user or the password (535)")) << outcome.words;
    const Outcome other = send({hello, yes, "530 log in first, hunter2"});
    EXPECT_EQ(other.fate, MailFate::unserved);
    EXPECT_EQ(other.words.find("hunter2"), std::string::npos) << other.words;
}

TEST_F(SmtpTest, AbandonsAtOnce) {
    Server server({hello, yes, "hang"});
    mail.url = server.url;
    smtp.start(mail);
    EXPECT_TRUE(smtp.running());
    smtp.abandon();
    EXPECT_FALSE(smtp.running());
    EXPECT_FALSE(smtp.done());
    EXPECT_EQ(smtp.timeout_ms(), -1);
    smtp.step();
    server.join();
    EXPECT_EQ(send({hello, yes, yes, yes, go, yes, "221 bye"}).fate, MailFate::sent) << "and can begin anew";
}

TEST_F(SmtpTest, AnAddressThatIsACommandIsRefused) {
    mail.url = "smtp://127.0.0.1:1";
    mail.to = "a@b>\r\nRCPT TO:<c@d";
    smtp.start(mail);
    EXPECT_TRUE(smtp.done());
    EXPECT_EQ(smtp.reply().fate, MailFate::refused);
}

// Whether libcurl speaks just then or we do.
TEST_F(SmtpTest, AFloodEndsAndNoStepTakesLong) {
    const std::vector<std::string> dialogue{"220 hello", "250-me\r\n250 SIZE", "250 ok", "250 ok", "354 go"};
    mail.timeout_ms = 1000;
    for (std::size_t phase = 0; phase <= dialogue.size(); ++phase) {
        for (const std::string bytes : {"220-x\r\n", "250-x\r\n", "354-x\r\n", "x", "\r\n", "250 ok\r\n"}) {
            SCOPED_TRACE(std::to_string(phase) + " " + bytes);
            std::vector<std::string> lines(dialogue.begin(),
                                           dialogue.begin() + static_cast<std::ptrdiff_t>(phase));
            lines.push_back("flood " + bytes);
            slowest = {};
            const Outcome outcome = send(lines);
            EXPECT_LT(slowest, std::chrono::milliseconds(500));
            EXPECT_LT(outcome.ms, 3000);
        }
    }
}

} // namespace
