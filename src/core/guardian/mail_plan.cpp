// Planning of mails; see mail_plan.hpp.

#include "core/guardian/mail_plan.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace cloudsat::core {
namespace {

constexpr std::array<std::pair<NoticeKind, std::string_view>, 9> kinds{{
    {NoticeKind::warned, "warned"},
    {NoticeKind::deletable, "deletable"},
    {NoticeKind::recovered, "recovered"},
    {NoticeKind::vanished, "vanished"},
    {NoticeKind::deleted, "deleted"},
    {NoticeKind::broker_down, "broker_down"},
    {NoticeKind::broker_up, "broker_up"},
    {NoticeKind::mails_held, "mails_held"},
    {NoticeKind::account, "account"},
}};

enum class Audience : std::uint8_t { owner, admin, applicant };

constexpr Audience audience_of(NoticeKind kind) noexcept {
    switch (kind) {
    case NoticeKind::broker_down:
    case NoticeKind::broker_up:
    case NoticeKind::mails_held:
        return Audience::admin;
    case NoticeKind::account:
        return Audience::applicant;
    default:
        return Audience::owner;
    }
}

// Severity of a notice for an owner.
constexpr int rank_of(NoticeKind kind) noexcept {
    return kind == NoticeKind::deleted     ? 3
           : kind == NoticeKind::deletable ? 2
           : kind == NoticeKind::warned    ? 1
                                           : 0;
}

constexpr bool tells_an_end(NoticeKind kind) noexcept {
    return kind == NoticeKind::recovered || kind == NoticeKind::vanished || kind == NoticeKind::broker_up;
}

constexpr bool tells_a_beginning(NoticeKind kind) noexcept {
    return kind == NoticeKind::warned || kind == NoticeKind::deletable || kind == NoticeKind::broker_down;
}

bool about_the_same(const WaitingNotice& a, const WaitingNotice& b) noexcept {
    return audience_of(a.kind) == audience_of(b.kind) &&
           (a.kind == NoticeKind::mails_held) == (b.kind == NoticeKind::mails_held) && a.server == b.server &&
           a.vhost == b.vhost && a.queue == b.queue;
}

bool can_be_superseded(NoticeKind kind) noexcept {
    return kind != NoticeKind::deleted && kind != NoticeKind::account;
}

// Linear in the later notices; a recipient has few, and the caller bounds their number.
bool is_superseded(std::span<const WaitingNotice> waiting, std::size_t i) noexcept {
    const auto later = waiting.subspan(i + 1);
    return can_be_superseded(waiting[i].kind) &&
           std::any_of(later.begin(), later.end(),
                       [&](const WaitingNotice& other) { return about_the_same(waiting[i], other); });
}

bool is_needless(const WaitingNotice& notice) noexcept {
    return tells_an_end(notice.kind) && notice.opening_unmailed &&
           !(notice.told && tells_a_beginning(*notice.told));
}

// When the owner may get the next mail; 0 for now.
Micros owner_waits_until(std::span<const WaitingNotice> waiting, std::span<const NoticeVerdict> verdicts,
                         std::span<const MailedNotice> mailed, Micros now) noexcept {
    Micros last = 0;
    int told = -1;
    for (const MailedNotice& notice : mailed) {
        if (audience_of(notice.kind) == Audience::owner && notice.at > now - mail_interval) {
            last = std::max(last, notice.at);
            told = std::max(told, rank_of(notice.kind));
        }
    }
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        const bool counts =
            verdicts[i].fate == NoticeFate::mail && audience_of(waiting[i].kind) == Audience::owner;
        if (counts && rank_of(waiting[i].kind) > told) {
            return 0;
        }
    }
    return last + mail_interval;
}

Micros admin_waits_until(const WaitingNotice& notice, std::span<const MailedNotice> mailed,
                         Micros now) noexcept {
    Micros until = 0;
    for (const MailedNotice& earlier : mailed) {
        if (notice.kind == NoticeKind::broker_down && earlier.kind == notice.kind &&
            earlier.server == notice.server && earlier.at > now - mail_interval) {
            until = std::max(until, earlier.at + mail_interval);
        }
    }
    return until;
}

} // namespace

std::string_view to_string(NoticeKind kind) noexcept {
    for (const auto& [known, name] : kinds) {
        if (known == kind) {
            return name;
        }
    }
    return {};
}

std::optional<NoticeKind> parse_notice_kind(std::string_view text) noexcept {
    for (const auto& [kind, name] : kinds) {
        if (name == text) {
            return kind;
        }
    }
    return std::nullopt;
}

void plan_mail(std::span<const WaitingNotice> waiting, std::span<const MailedNotice> mailed, Micros now,
               std::span<NoticeVerdict> verdicts) noexcept {
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        verdicts[i] = {is_superseded(waiting, i)                     ? NoticeFate::superseded
                       : is_needless(waiting[i])                     ? NoticeFate::needless
                       : now - waiting[i].written_at > oldest_notice ? NoticeFate::expired
                                                                     : NoticeFate::mail,
                       0, false};
    }
    const Micros owner_until = owner_waits_until(waiting, verdicts, mailed, now);
    bool alone = false; // a mail about an account goes first
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        NoticeVerdict& verdict = verdicts[i];
        if (verdict.fate != NoticeFate::mail) {
            continue;
        }
        const Audience audience = audience_of(waiting[i].kind);
        const Micros until = audience == Audience::owner   ? owner_until
                             : audience == Audience::admin ? admin_waits_until(waiting[i], mailed, now)
                                                           : 0;
        const Micros crowded = audience == Audience::owner ? waiting[i].crowded_until : 0;
        if (until > now || crowded > now) {
            verdict = {NoticeFate::wait, std::max(until, crowded), crowded > now};
        } else if (audience == Audience::applicant && !alone) {
            alone = true;
        } else if (audience == Audience::applicant) {
            verdict = {NoticeFate::wait, now, false};
        }
    }
    if (!alone) {
        return;
    }
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        if (verdicts[i].fate == NoticeFate::mail && audience_of(waiting[i].kind) != Audience::applicant) {
            verdicts[i] = {NoticeFate::wait, now, false};
        }
    }
}

Micros wait_for_mail(int failures) noexcept {
    const int doublings = std::clamp(failures - 1, 0, 6);
    return std::min<Micros>(60 * micros_per_second << doublings, mail_interval);
}

Micros wait_for_mail_server(int failures) noexcept {
    const int doublings = std::clamp(failures - 1, 0, 6);
    return std::min<Micros>(5 * micros_per_second << doublings, 5 * 60 * micros_per_second);
}

} // namespace cloudsat::core
