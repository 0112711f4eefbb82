// Mails of the guardian: the words of each notice, and a whole mail of one or several (RFC 5322, plain text
// in UTF-8). Pure. Names of queues come from strangers: they end no line and no header, and hide nothing.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <span>
#include <string_view>

#include "core/guardian/incident_text.hpp"

namespace cloudsat::core {

// What is told: the body's first line says it all (queue, vhost, broker, size and limits), and stands for the
// whole in a digest.
struct NoticeText {
    std::string_view subject;
    std::string_view body; // lines end with LF
};

// Each text lives in the arena. `thread` is the incident's uuid, in text.
NoticeText mail_warned(const Incident& incident, std::string_view thread, std::pmr::memory_resource* arena);
NoticeText mail_deletable(const Incident& incident, std::string_view thread,
                          std::pmr::memory_resource* arena);
NoticeText mail_recovered(const Incident& incident, std::string_view thread,
                          std::pmr::memory_resource* arena);
NoticeText mail_vanished(const Incident& incident, std::string_view how, std::string_view thread,
                         std::pmr::memory_resource* arena);
NoticeText mail_deleted(const Incident& incident, std::string_view thread, std::pmr::memory_resource* arena);

// For a broker's admins. The times are texts; `since` is empty when the broker was never seen.
NoticeText mail_broker_down(std::string_view server, std::string_view fault, std::string_view since,
                            std::pmr::memory_resource* arena);
NoticeText mail_broker_up(std::string_view server, std::int64_t failures, std::string_view since,
                          std::pmr::memory_resource* arena);

// That notices to owners wait, because the broker has caused as many mails as it may.
NoticeText mail_held(std::string_view server, std::int64_t max_mails, std::string_view until,
                     std::pmr::memory_resource* arena);

// To an owner who is said to have asked for an account: the token, or that there is one already.
NoticeText mail_account_token(std::string_view server, std::string_view username, std::string_view token,
                              std::string_view until, std::pmr::memory_resource* arena);
NoticeText mail_account_taken(std::string_view server, std::string_view username,
                              std::pmr::memory_resource* arena);
// To the admins: users that are theirs now. `names` is a list, a line for each.
NoticeText mail_adopted(std::string_view server, std::string_view names, std::int64_t count,
                        std::pmr::memory_resource* arena);

struct MailHead {
    std::string_view from; // addresses of the checked kind: ASCII, no blank, no angle bracket
    std::string_view to;
    std::string_view id;       // what makes the Message-ID unique
    std::int64_t time_sec = 0; // since 1970-01-01 UTC
};

// Several notices make one mail; from this many on, it has one line for each.
constexpr std::size_t digest_size = 5;

// Ends its lines with CR LF, has none of more than 998 bytes, and ASCII only.
std::string_view compose_mail(const MailHead& head, std::span<const NoticeText> notices,
                              std::pmr::memory_resource* arena);

// The pieces, for tests: a header field with its name, folded and encoded (RFC 2047) where need be; a text as
// quoted-printable (RFC 2045), no line of which begins with a dot; a time as RFC 5322 wants it.
std::string_view header_field(std::string_view name, std::string_view text, std::pmr::memory_resource* arena);
std::string_view quoted_printable(std::string_view text, std::pmr::memory_resource* arena);
std::string_view mail_date(std::int64_t time_sec, std::pmr::memory_resource* arena);

} // namespace cloudsat::core
