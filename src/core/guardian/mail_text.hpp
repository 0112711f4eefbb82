// Mails of the guardian: the text of each notice, and the format of a mail with one or several (RFC 5322,
// plain text in UTF-8). Pure. Names of queues come from untrusted clients: they cannot end a line or header,
// or hide text.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <span>
#include <string_view>

#include "core/guardian/incident_text.hpp"

namespace cloudsat::core {

// The first line of the body is complete by itself (queue, vhost, broker, size and limits) and represents the
// notice in a digest.
struct NoticeText {
    std::string_view subject;
    std::string_view body; // lines end with LF
};

// The texts live in the arena. `thread` is the uuid of the incident as text.
NoticeText mail_warned(const Incident& incident, std::string_view thread, std::pmr::memory_resource* arena);
NoticeText mail_deletable(const Incident& incident, std::string_view thread,
                          std::pmr::memory_resource* arena);
NoticeText mail_recovered(const Incident& incident, std::string_view thread,
                          std::pmr::memory_resource* arena);
NoticeText mail_vanished(const Incident& incident, std::string_view how, std::string_view thread,
                         std::pmr::memory_resource* arena);
NoticeText mail_deleted(const Incident& incident, std::string_view thread, std::pmr::memory_resource* arena);

// For a broker's admins. Times are text; `since` is empty if no poll ever succeeded.
NoticeText mail_broker_down(std::string_view server, std::string_view fault, std::string_view since,
                            std::pmr::memory_resource* arena);
NoticeText mail_broker_up(std::string_view server, std::int64_t failures, std::string_view since,
                          std::pmr::memory_resource* arena);

// Mails to owners are delayed because the broker has reached its limit of mails.
NoticeText mail_held(std::string_view server, std::int64_t max_mails, std::string_view until,
                     std::pmr::memory_resource* arena);

// To the requester of an account: the token, or that the account already exists.
NoticeText mail_account_token(std::string_view server, std::string_view username, std::string_view token,
                              std::string_view until, std::pmr::memory_resource* arena);
NoticeText mail_account_taken(std::string_view server, std::string_view username,
                              std::pmr::memory_resource* arena);
// To the admins: users that they own now. `names` has one line for each.
NoticeText mail_adopted(std::string_view server, std::string_view names, std::int64_t count,
                        std::pmr::memory_resource* arena);

struct MailHead {
    std::string_view from; // validated addresses: ASCII, no blank, no angle bracket
    std::string_view to;
    std::string_view id;       // makes the Message-ID unique
    std::int64_t time_sec = 0; // since 1970-01-01 UTC
};

// Number of notices from which a mail has only one line for each.
constexpr std::size_t digest_size = 5;

// Lines end with CR LF, have at most 998 bytes, and are ASCII.
std::string_view compose_mail(const MailHead& head, std::span<const NoticeText> notices,
                              std::pmr::memory_resource* arena);

// Parts, exposed for tests: a header field with its name, folded and encoded (RFC 2047) as needed;
// quoted-printable text (RFC 2045) without lines that begin with a dot; a time as in RFC 5322.
std::string_view header_field(std::string_view name, std::string_view text, std::pmr::memory_resource* arena);
std::string_view quoted_printable(std::string_view text, std::pmr::memory_resource* arena);
std::string_view mail_date(std::int64_t time_sec, std::pmr::memory_resource* arena);

} // namespace cloudsat::core
