// Texts and format of mails; see mail_text.hpp.

#include "core/guardian/mail_text.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "core/base/text.hpp"
#include "core/base/text_writer.hpp"

namespace cloudsat::core {
namespace {

constexpr std::size_t line_size = 76; // RFC 2045 and 2047: of a line, and of a line with an encoded word

TextWriter& put_broker(TextWriter& out, std::string_view server) {
    return out.put("[").put(server).put("] ");
}

TextWriter& put_queue(TextWriter& out, const Incident& incident, std::pmr::memory_resource* arena) {
    out.put("Queue ").put(mail_name(incident.queue, arena));
    out.put(" in vhost ").put(mail_name(incident.vhost, arena));
    return out.put(" of broker ").put(incident.server);
}

TextWriter& put_size(TextWriter& out, const Incident& incident) {
    out.messages(incident.size.value_or(0));
    return incident.limits.basis == Basis::ready ? out.put(" ready") : out;
}

TextWriter& put_limits(TextWriter& out, const Incident& incident) {
    if (incident.limits.exempt) {
        return out.put(" (no limits)");
    }
    out.put(" (warning size ").put(incident.limits.warn_size);
    if (never_deleted(incident)) {
        return out.put(", never deleted)");
    }
    return out.put(", deletion size ").put(incident.limits.delete_size).put(")");
}

void put_thread(TextWriter& out, std::string_view thread) {
    if (!thread.empty()) {
        out.put("\nThe incident's thread on the board is ").put(thread).put(".");
    }
}

constexpr std::array<std::string_view, 7> weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

TextWriter& put_two(TextWriter& out, std::int64_t number) {
    return number < 10 ? out.put("0").put(number) : out.put(number);
}

constexpr bool is_visible(char c) noexcept {
    return c > 0x20 && c < 0x7F;
}

// Size of the code point that begins here; 1 for invalid bytes, so that any input makes progress.
std::size_t code_point_size(std::string_view text) noexcept {
    const auto first = static_cast<unsigned char>(text.front());
    const std::size_t size = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (size > text.size()) {
        return 1;
    }
    for (std::size_t i = 1; i < size; ++i) {
        if (!continues_code_point(text[i])) {
            return 1;
        }
    }
    return size;
}

// A control character in a header can only do harm.
std::string_view harmless(std::string_view code_point) noexcept {
    const auto c = static_cast<unsigned char>(code_point.front());
    return c < 0x20 || c == 0x7F ? std::string_view("?") : code_point;
}

// Characters that need no escape anywhere, by RFC 2047 §5.
constexpr bool stands_for_itself(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!*+-/").find(c) != std::string_view::npos;
}

std::size_t encoded_size(std::string_view bytes) noexcept {
    std::size_t size = 0;
    for (const char c : bytes) {
        size += stands_for_itself(c) || c == ' ' ? 1 : 3;
    }
    return size;
}

void put_hex(TextWriter& out, char c) {
    const auto byte = static_cast<unsigned char>(c);
    const char escaped[] = {'=', upper_hex_digits[byte >> 4U], upper_hex_digits[byte & 15U]};
    out.put({escaped, sizeof escaped});
}

// Writes encoded words, each on its own line; never splits a code point.
void put_encoded_words(TextWriter& out, std::string_view text, std::size_t column) {
    constexpr std::string_view head = "=?UTF-8?Q?";
    constexpr std::string_view tail = "?=";
    out.put(head);
    column += head.size();
    while (!text.empty()) {
        const auto code_point = text.substr(0, code_point_size(text));
        const auto shown = harmless(code_point);
        if (column + encoded_size(shown) + tail.size() > line_size) {
            out.put(tail).put("\r\n ").put(head);
            column = 1 + head.size();
        }
        for (const char c : shown) {
            if (c == ' ') {
                out.put("_");
            } else if (stands_for_itself(c)) {
                out.put({&c, 1});
            } else {
                put_hex(out, c);
            }
        }
        column += encoded_size(shown);
        text.remove_prefix(code_point.size());
    }
    out.put(tail);
}

std::string_view first_word(std::string_view text) noexcept {
    return text.substr(0, text.find(' '));
}

// True for visible ASCII words that fit into a line, separated by single blanks, and not looking like encoded
// words.
bool can_be_folded(std::string_view text, std::size_t column) noexcept {
    if (text.find("=?") != std::string_view::npos) {
        return false;
    }
    for (;; column = 1) {
        const auto word = first_word(text);
        if (word.empty() || column + word.size() > line_size ||
            !std::all_of(word.begin(), word.end(), is_visible)) {
            return false;
        }
        if (word.size() == text.size()) {
            return true;
        }
        text.remove_prefix(word.size() + 1);
    }
}

// A line break before a blank stands for the blank.
void put_folded(TextWriter& out, std::string_view text, std::size_t column) {
    auto word = first_word(text);
    for (out.put(word), column += word.size(); word.size() < text.size(); column += 1 + word.size()) {
        text.remove_prefix(word.size() + 1);
        word = first_word(text);
        if (column + 1 + word.size() > line_size) {
            out.put("\r\n");
            column = 0;
        }
        out.put(" ").put(word);
    }
}

// The notices as one text.
std::string_view body_of(std::span<const NoticeText> notices, std::pmr::memory_resource* arena) {
    TextWriter out(arena);
    const bool digest = notices.size() >= digest_size;
    if (digest) {
        out.put(static_cast<std::int64_t>(notices.size())).put(" notices:\n\n");
    }
    for (std::size_t i = 0; i < notices.size(); ++i) {
        const auto body = notices[i].body;
        if (digest) {
            out.put("* ").put(body.substr(0, body.find('\n'))).put("\n");
        } else {
            out.put(i > 0 ? "\n----\n\n" : "").put(body).put("\n");
        }
    }
    out.put("\n-- \nSent by cloudsat, which guards these queues. Replies are not read.\n");
    return out.keep(arena);
}

std::string_view subject_of(std::span<const NoticeText> notices, std::pmr::memory_resource* arena) {
    if (notices.empty()) {
        return {};
    }
    if (notices.size() == 1) {
        return notices.front().subject;
    }
    TextWriter out(arena);
    const auto others = static_cast<std::int64_t>(notices.size()) - 1;
    if (notices.size() >= digest_size) {
        out.put(others + 1).put(" notices: ");
    }
    out.put(notices.front().subject).put(" and ").put(others).put(" more");
    return out.keep(arena);
}

} // namespace

NoticeText mail_warned(const Incident& incident, std::string_view thread, std::pmr::memory_resource* arena) {
    TextWriter subject(arena);
    put_broker(subject, incident.server).put("Warning: queue ");
    put_size(subject.put(mail_name(incident.queue, arena)).put(" has "), incident);
    TextWriter body(arena);
    put_size(put_queue(body, incident, arena).put(" has "), incident);
    put_limits(body, incident).put(".\n\n");
    body.put(say_prospects(incident, arena));
    put_thread(body, thread);
    return {subject.keep(arena), body.keep(arena)};
}

NoticeText mail_deletable(const Incident& incident, std::string_view thread,
                          std::pmr::memory_resource* arena) {
    TextWriter subject(arena);
    put_broker(subject, incident.server).put("Can now be deleted: queue ");
    subject.put(mail_name(incident.queue, arena));
    TextWriter body(arena);
    put_size(put_queue(body, incident, arena).put(" can now be deleted. It has "), incident);
    put_limits(body, incident).put(".\n\n");
    body.put(say_prospects(incident, arena));
    put_thread(body, thread);
    return {subject.keep(arena), body.keep(arena)};
}

NoticeText mail_recovered(const Incident& incident, std::string_view thread,
                          std::pmr::memory_resource* arena) {
    TextWriter subject(arena);
    put_broker(subject, incident.server).put("Back to normal: queue ").put(mail_name(incident.queue, arena));
    TextWriter body(arena);
    put_queue(body, incident, arena);
    if (incident.limits.exempt) {
        body.put(" is now exempt from limits");
    } else if (incident.size) {
        put_size(body.put(" is back to normal, with "), incident);
    } else {
        body.put(" is ignored from now on");
    }
    put_limits(body, incident).put(".\n");
    put_thread(body, thread);
    return {subject.keep(arena), body.keep(arena)};
}

NoticeText mail_vanished(const Incident& incident, std::string_view how, std::string_view thread,
                         std::pmr::memory_resource* arena) {
    TextWriter subject(arena);
    put_broker(subject, incident.server).put("Incident over: queue ").put(mail_name(incident.queue, arena));
    subject.put(" ").put(how);
    TextWriter body(arena);
    put_queue(body, incident, arena).put(" ").put(how);
    put_limits(body, incident).put(".\n\nThe guardian did not delete it.");
    put_thread(body, thread);
    return {subject.keep(arena), body.keep(arena)};
}

NoticeText mail_deleted(const Incident& incident, std::string_view thread, std::pmr::memory_resource* arena) {
    TextWriter subject(arena);
    put_broker(subject, incident.server).put("Deleted: queue ").put(mail_name(incident.queue, arena));
    TextWriter body(arena);
    put_queue(body, incident, arena);
    if (incident.size) {
        subject.put(" with ").messages(*incident.size);
        body.put(" was deleted, and ").messages(*incident.size).put(" with it");
    } else {
        body.put(" was to be deleted, but is already gone");
    }
    put_limits(body, incident).put(".\n");
    put_thread(body, thread);
    return {subject.keep(arena), body.keep(arena)};
}

NoticeText mail_broker_down(std::string_view server, std::string_view fault, std::string_view since,
                            std::pmr::memory_resource* arena) {
    TextWriter subject(arena);
    put_broker(subject, server).put("The broker cannot be polled");
    TextWriter body(arena);
    body.put("Broker ").put(server).put(" cannot be polled: ").put(fault).put(".\n\n");
    if (since.empty()) {
        body.put("It has never been polled successfully.\n");
    } else {
        body.put("The last complete poll began at ").put(since).put(".\n");
    }
    body.put("Until it can be polled again, its queues are neither watched nor changed.\n"
             "You will get a mail when it can.");
    return {subject.keep(arena), body.keep(arena)};
}

NoticeText mail_broker_up(std::string_view server, std::int64_t failures, std::string_view since,
                          std::pmr::memory_resource* arena) {
    TextWriter subject(arena);
    put_broker(subject, server).put("The broker is polled again");
    TextWriter body(arena);
    body.put("Broker ").put(server).put(" is polled again, after ").put(failures);
    body.put(failures == 1 ? " failure" : " failures");
    if (!since.empty()) {
        body.put(" since ").put(since);
    }
    body.put(".");
    return {subject.keep(arena), body.keep(arena)};
}

NoticeText mail_held(std::string_view server, std::int64_t max_mails, std::string_view until,
                     std::pmr::memory_resource* arena) {
    TextWriter subject(arena);
    put_broker(subject, server).put("Mails to owners are delayed");
    TextWriter body(arena);
    body.put("Broker ").put(server).put(" has reached its limit of mails within an hour (max_mails): ");
    body.put(max_mails).put(".\n\nUntil ").put(until);
    body.put(", no more mails go to owners known only from the names of queues.\n"
             "The pending notices are in cloudsat.outbox. Owners of accounts and admins still get mail.");
    return {subject.keep(arena), body.keep(arena)};
}

NoticeText mail_account_token(std::string_view server, std::string_view username, std::string_view token,
                              std::string_view until, std::pmr::memory_resource* arena) {
    TextWriter subject(arena);
    put_broker(subject, server).put("Confirm the account ").put(mail_name(username, arena));
    TextWriter body(arena);
    body.put("The account ").put(mail_name(username, arena)).put(" of broker ").put(server);
    body.put(" was requested for this address.\n\nTo get it, confirm it before ").put(until);
    body.put(", with a password of your choice and this token:\n\n    ").put(token);
    body.put("\n\nIf you did not request it, do nothing: without the token no account is created.");
    return {subject.keep(arena), body.keep(arena)};
}

NoticeText mail_account_taken(std::string_view server, std::string_view username,
                              std::pmr::memory_resource* arena) {
    TextWriter subject(arena);
    put_broker(subject, server).put("The account ").put(mail_name(username, arena)).put(" is taken");
    TextWriter body(arena);
    body.put("The account ").put(mail_name(username, arena)).put(" of broker ").put(server);
    body.put(
        " was requested for this address, but exists already.\n\nRequest another name; or, if this one is ");
    body.put("yours and you have lost the password, ask the broker's administrators.");
    return {subject.keep(arena), body.keep(arena)};
}

NoticeText mail_adopted(std::string_view server, std::string_view names, std::int64_t count,
                        std::pmr::memory_resource* arena) {
    TextWriter subject(arena);
    put_broker(subject, server).put(count).put(count == 1 ? " user" : " users").put(" without an owner");
    TextWriter body(arena);
    body.put("Broker ").put(server).put(" has ").put(count).put(count == 1 ? " user" : " users");
    body.put(" without an owner. From now on the admins own them:\n\n").put(names);
    body.put("\nUse cloudsat.set_account_owners() to assign other owners.");
    return {subject.keep(arena), body.keep(arena)};
}

std::string_view mail_date(std::int64_t time_sec, std::pmr::memory_resource* arena) {
    using namespace std::chrono;
    const sys_seconds time{seconds{time_sec}};
    const sys_days day = floor<days>(time);
    const year_month_day date{day};
    const hh_mm_ss clock{time - day};
    TextWriter out(arena);
    out.put(weekdays[weekday{day}.c_encoding()]).put(", ");
    put_two(out, static_cast<unsigned>(date.day())).put(" ");
    out.put(months[static_cast<unsigned>(date.month()) - 1]).put(" ");
    out.put(static_cast<std::int64_t>(static_cast<int>(date.year()))).put(" ");
    put_two(out, clock.hours().count()).put(":");
    put_two(out, clock.minutes().count()).put(":");
    put_two(out, clock.seconds().count()).put(" +0000");
    return out.keep(arena);
}

std::string_view header_field(std::string_view name, std::string_view text,
                              std::pmr::memory_resource* arena) {
    TextWriter out(arena);
    out.put(name).put(": ");
    const std::size_t column = name.size() + 2;
    if (can_be_folded(text, column)) {
        put_folded(out, text, column);
    } else {
        put_encoded_words(out, text, column);
    }
    return out.put("\r\n").keep(arena);
}

std::string_view quoted_printable(std::string_view text, std::pmr::memory_resource* arena) {
    TextWriter out(arena);
    std::size_t column = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\n') {
            out.put("\r\n");
            column = 0;
            continue;
        }
        const bool blank_at_end = c == ' ' && (i + 1 == text.size() || text[i + 1] == '\n');
        const bool itself = (is_visible(c) || c == ' ') && c != '=' && !blank_at_end;
        if (column + (itself ? 1 : 3) > line_size - 1) { // room for the mark of a soft line break
            out.put("=\r\n");
            column = 0;
        }
        if (itself && !(c == '.' && column == 0)) {
            out.put({&c, 1});
            column += 1;
        } else {
            put_hex(out, c);
            column += 3;
        }
    }
    return out.keep(arena);
}

std::string_view compose_mail(const MailHead& head, std::span<const NoticeText> notices,
                              std::pmr::memory_resource* arena) {
    TextWriter out(arena);
    out.put("Date: ").put(mail_date(head.time_sec, arena)).put("\r\n");
    out.put("From: cloudsat <").put(head.from).put(">\r\n");
    out.put("To: <").put(head.to).put(">\r\n");
    out.put(header_field("Subject", subject_of(notices, arena), arena));
    out.put("Message-ID: <").put(head.id).put("@");
    out.put(head.from.substr(head.from.find('@') + 1)).put(">\r\n");
    out.put("MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=UTF-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n"
            // RFC 3834, and Exchange's own header: no vacation notice in return
            "Auto-Submitted: auto-generated\r\n"
            "X-Auto-Response-Suppress: All\r\n"
            "\r\n");
    return out.put(quoted_printable(body_of(notices, arena), arena)).keep(arena);
}

} // namespace cloudsat::core
