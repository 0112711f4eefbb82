// Fuzzes mails: whatever a queue is called, nothing in it is a link, the header has its ten fields, every
// line is ASCII, ends with CR LF, is short, and does not begin with a dot. And whatever a mail server
// answers, the dialogue comes to an end.
#include "core/guardian/mail_text.hpp"
#include "core/wire/smtp_dialogue.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory_resource>

using namespace cloudsat::core;

namespace {

void require(bool truth) {
    if (!truth)
        std::abort();
}

void check_lines(std::string_view mail, std::size_t wanted_fields) {
    std::size_t fields = 0;
    bool header = true;
    while (!mail.empty()) {
        const auto end = mail.find("\r\n");
        require(end != std::string_view::npos);
        const auto line = mail.substr(0, end);
        require(line.size() <= 998 && !line.starts_with('.'));
        for (const char c : line)
            require((c >= 0x20 && c < 0x7F));
        header = header && !line.empty();
        fields += header && !line.starts_with(' ') ? 1 : 0;
        mail.remove_prefix(end + 2);
    }
    require(fields == wanted_fields);
}

// Nothing follows a dot, a colon or an at sign but a blank, or the bracket that was put there.
void check_name(std::string_view shown) {
    constexpr std::string_view marks = ".:@";
    for (std::size_t i = 0; i + 1 < shown.size() && shown.substr(i) != "\"..."; ++i)
        require(marks.find(shown[i]) == std::string_view::npos || shown[i + 1] == ' ' ||
                shown[i + 1] == ']' || i + 2 == shown.size() || shown.substr(i + 1) == "\"...");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::pmr::monotonic_buffer_resource arena;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_name(mail_name(text, &arena));
    Incident incident;
    incident.server = "pulse";
    incident.vhost = text.substr(0, size / 4);
    incident.queue = text.substr(size / 4);
    incident.size = 2001;
    std::array<NoticeText, 5> notices;
    notices.fill(mail_warned(incident, "thread", &arena));
    notices[0].subject = text; // nothing relies on the subject being clean
    const MailHead head{"guardian@example.com", "alice@example.com", "1", 0};
    check_lines(compose_mail(head, std::span(notices).first(1), &arena), 10);
    check_lines(compose_mail(head, notices, &arena), 10);
    check_lines(compose_mail(head, {&notices[1], 1}, &arena), 10);

    SmtpDialogue dialogue;
    dialogue.begin("guardian@example.com", "alice@example.com", text);
    for (std::size_t at = 0; at < size && !dialogue.over(); at += 16) {
        dialogue.sent(dialogue.output().size());
        dialogue.feed(text.substr(at, 16));
    }
    dialogue.lost();
    require(dialogue.over());
    return 0;
}
