// The part of SMTP in which one mail changes hands (RFC 5321): MAIL, RCPT, DATA, the text, QUIT. Bytes in,
// bytes out; no socket, no clock. What stands before it (greeting, TLS, authentication) is libcurl's, who
// cannot do this part without waiting: it blocks until the text is answered.
//
// A mail counts as handed over when the text is answered, and as surely not handed over until its last byte
// has gone out. Only between the two nobody knows.
//
//   mail --> recipient --> data --> text --> over
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cloudsat::core {

enum class MailFate : std::uint8_t {
    sent,      // the mail server has taken it
    refused,   // it will never take this mail
    postponed, // it does not take this mail now
    unserved,  // it takes no mail of ours now: the fault is not this mail's
    unknown,   // the text went out whole and was not answered: it may have been delivered
};

class SmtpDialogue {
public:
    // The addresses as they stand between < and >; the text with any line ends. Copies all of it.
    void begin(std::string_view from, std::string_view to, std::string_view text);

    // What is to go out next, and that so much of it went. After the end there is still the QUIT, which
    // nobody needs to wait for.
    std::string_view output() const noexcept { return std::string_view(output_).substr(gone_); }
    void sent(std::size_t bytes) noexcept { gone_ += bytes; }

    void feed(std::string_view bytes);

    // The connection broke, or the time is over.
    void lost() noexcept;

    bool over() const noexcept { return phase_ == Phase::over; }
    MailFate fate() const noexcept { return fate_; }

    // The last answer's last line, as it came, and what it was an answer to. Empty when there was none.
    std::string_view answer() const noexcept { return answer_; }
    std::string_view answered() const noexcept;

private:
    enum class Phase : std::uint8_t { mail, recipient, data, text, over };

    void take_line(std::string_view line);
    void take_answer(int code);
    void say(Phase phase, std::string output);
    void end(MailFate fate);

    std::string to_, text_;
    std::string output_;
    std::size_t gone_ = 0;
    std::string line_; // what came of a line that is not complete yet
    std::string answer_;
    std::size_t lines_ = 0; // of the answer that is coming in
    Phase phase_ = Phase::over;
    Phase ended_in_ = Phase::over;
    MailFate fate_ = MailFate::unserved;
};

// The text as it goes over the wire: lines end with CR LF and nothing else does (a lone CR or LF would let a
// text end early and go on as commands), a dot in front is doubled, and a dot alone ends it.
std::string smtp_text(std::string_view text);

} // namespace cloudsat::core
