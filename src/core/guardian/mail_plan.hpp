// Which of the notices that wait for one recipient are mailed now, in one mail; which wait on, and which are
// not worth a mail any more. Pure: time and what was mailed before are arguments.
//
// - An owner gets one mail an hour at most, unless the level rises above what the mails of that hour told:
//   back to normal < warned < deletable < deleted.
// - A broker causes so many mails within an hour, and no more, to owners who are known from the names of
// queues
//   alone. All others neither count nor wait for that.
// - Of one queue (or broker) only the newest notice counts, but for deletions, each of which is a fact.
// - That something is over is told to those who were told that it began.
// - Admins are told at once when a broker cannot be polled, but once an hour at most; and when it can again.
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

// What a waiting notice is about, and how things stand with it.
struct WaitingNotice {
    NoticeKind kind = NoticeKind::warned;
    Micros written_at = 0;
    std::string_view server;
    std::string_view vhost; // empty, like the queue, when it is about the broker
    std::string_view queue;
    // what the last mail to this recipient about this queue (or broker) told
    std::optional<NoticeKind> told;
    // Until then its broker has caused as many mails as it may to owners like this one; 0: it has not.
    Micros crowded_until = 0;
    // The notice that opened its incident is in the outbox, and was never mailed.
    bool opening_unmailed = false;
};

// A notice that was mailed to this recipient within the last hour.
struct MailedNotice {
    NoticeKind kind = NoticeKind::warned;
    Micros at = 0;
    std::string_view server;
};

enum class NoticeFate : std::uint8_t {
    mail,       // now, in one mail with all the others that are mailed now
    wait,       // until `until`
    superseded, // a later notice about the same takes its place
    needless,   // it is over, and nobody was told that it began
    expired,    // nobody could be told in time
};

struct NoticeVerdict {
    NoticeFate fate = NoticeFate::wait;
    Micros until = 0;
    bool crowded = false; // it waits because of crowded_until
};

constexpr Micros mail_interval = 60 * 60 * micros_per_second; // between two mails to an owner
constexpr Micros oldest_notice = 24 * mail_interval;          // older ones are not news

// `waiting` in the order in which they were written; verdicts of the same size. A notice about an account
// makes a mail of its own: when there is one, it is the only one that is mailed now.
void plan_mail(std::span<const WaitingNotice> waiting, std::span<const MailedNotice> mailed, Micros now,
               std::span<NoticeVerdict> verdicts) noexcept;

// How long a mail that was not taken waits for its next attempt; and how long the mail server is left alone
// when it took none. `failures`: in a row, from 1.
Micros wait_for_mail(int failures) noexcept;
Micros wait_for_mail_server(int failures) noexcept;

// So often a mail is offered of which nobody knows whether it was delivered.
constexpr int most_unknown = 5;

} // namespace cloudsat::core
