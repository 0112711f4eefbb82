// Smtp: transfers one mail at a time to a mail server. It never blocks and never sleeps: the caller waits, as
// with Http (http.hpp):
//
//     smtp.start(mail);
//     while (!smtp.done()) {
//         wait until smtp.fd() is readable, or smtp.timeout_ms() have passed (-1: no limit);
//         smtp.step();
//     }
//     use smtp.reply()
//
// libcurl connects, greets, starts TLS and authenticates (CURLOPT_CONNECT_ONLY); then it hands the connection
// over to core/wire/smtp_dialogue, because libcurl blocks until the reply to the mail's text and to QUIT
// (7.88 to 8.14), up to two minutes each. A connection is used for one mail.
//
// Like an Http it lives in a memory context or for the whole process, and calls no functions of the server.
#pragma once

#include "core/wire/smtp_dialogue.hpp"
#include "net/curl_driver.hpp"

#include <array>
#include <cstdint>
#include <curl/curl.h>
#include <string>
#include <string_view>

namespace cloudsat::net {

enum class SmtpTls : std::uint8_t {
    off,
    opportunistic, // if the server offers it, with any certificate; credentials need `required`
    required,      // with a trusted certificate for the host's name
};

// The mail, and how to send it. start() copies everything; the views need not outlive that call.
struct Mail {
    std::string_view url;  // smtp://host:port or smtps://host:port, without credentials
    std::string_view user; // empty for no authentication
    std::string_view password;
    std::string_view ca_file; // trusted certificates; empty for the system's
    SmtpTls tls = SmtpTls::required;
    long timeout_ms = 60000; // for the whole transfer

    std::string_view from; // envelope addresses
    std::string_view to;
    std::string_view text; // header and body
};

// The view lives until the next start() or abandon().
struct MailReply {
    core::MailFate fate = core::MailFate::unserved;
    std::string_view words; // for people: the mail server's reply, or the fault; one clean line
};

class Smtp {
public:
    Smtp(); // throws std::bad_alloc or std::system_error
    ~Smtp();
    Smtp(const Smtp&) = delete;
    Smtp& operator=(const Smtp&) = delete;

    // Starts; abandons a running transfer. Throws only std::bad_alloc; every other failure is a reply.
    void start(const Mail& mail);

    bool done() const noexcept { return state_ == State::done; }
    bool running() const noexcept { return state_ == State::connecting || state_ == State::speaking; }

    int fd() const noexcept { return curl_.fd(); }
    int timeout_ms() const noexcept;

    // Call when fd() is readable or timeout_ms() have passed; harmless at any other time.
    void step();

    const MailReply& reply() const noexcept { return reply_; }

    // Closes the connection at once. The mail may still be delivered.
    void abandon() noexcept;

private:
    enum class State : std::uint8_t { idle, connecting, speaking, done };

    static std::size_t on_line(char* data, std::size_t one, std::size_t size, void* self) noexcept;

    CURLcode configure(const Mail& mail);
    void connected(CURLcode code);
    void converse();
    bool send_some() noexcept;
    bool receive_some();
    void fail(core::MailFate fate, std::string_view words);
    void finish_dialogue();
    void finish(core::MailFate fate, std::string_view words);
    void hang_up() noexcept;

    CurlDriver curl_;
    State state_ = State::idle;
    curl_socket_t socket_ = CURL_SOCKET_BAD;
    std::int64_t deadline_ms_ = 0; // monotonic
    core::SmtpDialogue dialogue_;

    MailReply reply_;
    std::string words_;
    std::string secret_;   // the password while a mail is in progress, to redact it from the server's message
    std::string endpoint_; // "127.0.0.1 port 25"
    // the last line from the server while curl used the connection
    std::array<char, 512> line_{};
    std::size_t line_size_ = 0, lines_ = 0;
    std::array<char, CURL_ERROR_SIZE> curl_error_{};
};

} // namespace cloudsat::net
