// Transfer of a mail; see smtp_dialogue.hpp.
#include "core/wire/smtp_dialogue.hpp"

#include "core/base/bytes.hpp"

#include <algorithm>
#include <utility>

namespace cloudsat::core {
namespace {

// RFC 5321 §4.5.3.1.5 allows 512; some servers send more. A reply of many lines is a mistake or an attack.
constexpr std::size_t max_line_size = 4096;
constexpr std::size_t max_lines = 1000;

// Characters allowed between < and > without an escape; cloudsat's addresses have no others. Anything else
// could inject a command.
bool is_plain(std::string_view address) noexcept {
    return std::all_of(address.begin(), address.end(),
                       [](char c) { return c > 0x20 && c < 0x7F && c != '<' && c != '>'; });
}

// 0 if this is not a reply line
int code_of(std::string_view line) noexcept {
    if (line.size() < 3 || !std::all_of(line.begin(), line.begin() + 3, is_digit) ||
        (line.size() > 3 && line[3] != ' ' && line[3] != '-')) {
        return 0;
    }
    return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

} // namespace

std::string smtp_text(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 16 + 8);
    while (!text.empty()) {
        const auto end = std::min(text.find_first_of("\r\n"), text.size());
        if (text.front() == '.') {
            out += '.';
        }
        out.append(text.substr(0, end)).append("\r\n");
        text.remove_prefix(end);
        text.remove_prefix(text.starts_with("\r\n") ? 2 : std::min<std::size_t>(text.size(), 1));
    }
    return out += ".\r\n";
}

void SmtpDialogue::begin(std::string_view from, std::string_view to, std::string_view text) {
    *this = SmtpDialogue();
    phase_ = Phase::mail;
    if (!is_plain(from) || !is_plain(to) || to.empty()) {
        end(MailFate::refused);
        return;
    }
    to_ = to;
    text_ = smtp_text(text);
    say(Phase::mail, "MAIL FROM:<" + std::string(from) + ">\r\n");
}

void SmtpDialogue::say(Phase phase, std::string output) {
    phase_ = phase;
    output_ = std::move(output);
    gone_ = 0;
}

void SmtpDialogue::end(MailFate fate) {
    ended_in_ = phase_;
    fate_ = fate;
    say(Phase::over, "QUIT\r\n");
}

void SmtpDialogue::feed(std::string_view bytes) {
    while (!bytes.empty() && !over()) {
        const auto newline = bytes.find('\n');
        const auto size = std::min(newline, bytes.size());
        line_.append(bytes.substr(0, size));
        bytes.remove_prefix(std::min(size + 1, bytes.size()));
        if (line_.size() > max_line_size) {
            lost();
        } else if (newline != std::string_view::npos) {
            if (line_.ends_with('\r')) {
                line_.pop_back();
            }
            take_line(std::exchange(line_, {}));
        }
    }
}

void SmtpDialogue::take_line(std::string_view line) {
    const int code = code_of(line);
    if (code == 0 || ++lines_ > max_lines) {
        lost(); // it does not speak SMTP
        return;
    }
    answer_ = line;
    if (line.size() > 3 && line[3] == '-') {
        return;
    }
    lines_ = 0;
    take_answer(code);
}

void SmtpDialogue::take_answer(int code) {
    const bool yes = code >= 200 && code < 300 && output().empty();
    const bool no = code >= 500 && code < 600;
    if (code == 421 ||
        (phase_ == Phase::mail && !yes)) { // its reply to our sender address applies to every mail
        return end(MailFate::unserved);
    }
    if (phase_ == Phase::mail) {
        return say(Phase::recipient, "RCPT TO:<" + to_ + ">\r\n");
    }
    if (phase_ == Phase::recipient && yes) {
        return say(Phase::data, "DATA\r\n");
    }
    if (phase_ == Phase::data && code == 354) {
        return say(Phase::text, std::move(text_));
    }
    if (phase_ == Phase::text && yes) {
        return end(MailFate::sent);
    }
    end(no ? MailFate::refused : MailFate::postponed);
}

void SmtpDialogue::lost() noexcept {
    if (over()) {
        return;
    }
    fate_ = phase_ == Phase::mail                       ? MailFate::unserved
            : phase_ == Phase::text && output().empty() ? MailFate::unknown
                                                        : MailFate::postponed;
    ended_in_ = phase_;
    phase_ = Phase::over;
    answer_.clear();
    output_.clear();
    gone_ = 0;
}

std::string_view SmtpDialogue::answered() const noexcept {
    switch (over() ? ended_in_ : phase_) {
    case Phase::mail:
        return "MAIL";
    case Phase::recipient:
        return "RCPT";
    case Phase::data:
        return "DATA";
    case Phase::text:
        return "the mail";
    case Phase::over:
        break;
    }
    return {};
}

} // namespace cloudsat::core
