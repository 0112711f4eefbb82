// The part of SMTP that transfers one mail (RFC 5321): MAIL, RCPT, DATA, the text, QUIT. Bytes in, bytes out;
// no socket, no clock. libcurl does what comes before (greeting, TLS, authentication), but cannot do this
// part without blocking until the reply to the text.
//
// A mail counts as delivered when the text is acknowledged, and as not delivered until its last byte has been
// sent. Only in between is the outcome unknown.
//
//   mail --> recipient --> data --> text --> over
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cloudsat::core {

enum class MailFate : std::uint8_t {
    sent,      // accepted by the mail server
    refused,   // permanently rejected
    postponed, // temporarily rejected
    unserved,  // the mail server accepts no mail from us now; not the fault of this mail
    unknown,   // the whole text was sent but not acknowledged: it may have been delivered
};

class SmtpDialogue {
public:
    // The addresses as they appear between < and >; the text with any line ends. Copies everything.
    void begin(std::string_view from, std::string_view to, std::string_view text);

    // The pending output, and how to report sent bytes. After the end, the QUIT is still pending; the caller
    // need not wait for it.
    std::string_view output() const noexcept { return std::string_view(output_).substr(gone_); }
    void sent(std::size_t bytes) noexcept { gone_ += bytes; }

    void feed(std::string_view bytes);

    // The connection broke, or the time is over.
    void lost() noexcept;

    bool over() const noexcept { return phase_ == Phase::over; }
    MailFate fate() const noexcept { return fate_; }

    // The last line of the last reply, as received, and the command that it replied to. Empty if there was
    // none.
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
    std::string line_; // received part of an incomplete line
    std::string answer_;
    std::size_t lines_ = 0; // of the reply being received
    Phase phase_ = Phase::over;
    Phase ended_in_ = Phase::over;
    MailFate fate_ = MailFate::unserved;
};

// The text in wire format: lines end with CR LF, and nothing else ends a line (a lone CR or LF could end the
// text early and continue with commands); a leading dot is doubled, and a single dot ends the text.
std::string smtp_text(std::string_view text);

} // namespace cloudsat::core
