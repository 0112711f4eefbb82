// Decides which pending notices for a recipient are mailed now, in one mail, which wait, and which are
// dropped. Pure: time and earlier mails are arguments.
//
// - An owner gets at most one mail an hour, unless a notice ranks above those mailed within that hour: back
//   to normal < warned < deletable < deleted.
// - A broker causes a limited number of mails an hour to owners known only from names of queues. Other mails
//   are neither counted nor delayed.
// - Of several notices about a queue (or broker), only the newest counts; deletions are all reported.
// - The end of an incident is reported only to recipients that know of its beginning.
// - Admins are notified at once when a broker cannot be polled, at most once an hour, and when it can be
//   polled again.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/result.hpp"
#include "core/guardian/judge.hpp"

namespace cloudsat::core {

enum class NoticeKind : std::uint8_t {
    warned,
    deletable,
    recovered,
    vanished,
    deleted,
    broker_down,
    broker_up,
    mails_held,
    account
};
std::string_view to_string(NoticeKind kind) noexcept;
std::optional<NoticeKind> parse_notice_kind(std::string_view text) noexcept;

// Subject of a pending notice and the facts that decide about it.
struct WaitingNotice {
    NoticeKind kind = NoticeKind::warned;
    Micros written_at = 0;
    std::string_view server;
    std::string_view vhost; // empty, like the queue, for a notice about the broker
    std::string_view queue;
    // content of the last mail to this recipient about this queue (or broker)
    std::optional<NoticeKind> told;
    // When the broker may cause the next mail to owners like this one; 0 if it is below its limit.
    Micros crowded_until = 0;
    // The notice that opened the incident is in the outbox and was never mailed.
    bool opening_unmailed = false;
};

// A notice that was mailed to this recipient within the last hour.
struct MailedNotice {
    NoticeKind kind = NoticeKind::warned;
    Micros at = 0;
    std::string_view server;
};

enum class NoticeFate : std::uint8_t {
    mail,       // now, in one mail with all other notices that are due
    wait,       // until `until`
    superseded, // replaced by a later notice about the same subject
    needless,   // it is over, and its beginning was never reported
    expired,    // it could not be sent in time
};

struct NoticeVerdict {
    NoticeFate fate = NoticeFate::wait;
    Micros until = 0;
    bool crowded = false; // it waits because of crowded_until
};

constexpr Micros mail_interval = 60 * 60 * micros_per_second; // minimum time between two mails to an owner
constexpr Micros oldest_notice = 24 * mail_interval;          // older ones are no longer news

// `waiting` is in order of writing; `verdicts` has the same size. A notice about an account is mailed alone:
// if there is one, it is the only one mailed now.
void plan_mail(std::span<const WaitingNotice> waiting, std::span<const MailedNotice> mailed, Micros now,
               std::span<NoticeVerdict> verdicts) noexcept;

// Wait before the next attempt after the mail server rejected a mail temporarily, and pause after it accepted
// none. `failures`: in a row, from 1.
Micros wait_for_mail(int failures) noexcept;
Micros wait_for_mail_server(int failures) noexcept;

// Maximum number of attempts while the outcome of the delivery is unknown.
constexpr int most_unknown = 5;

} // namespace cloudsat::core
