// Writing notices; see outbox.hpp.

#include "guardian/outbox.hpp"

#include <cstring>

#include "core/board/address.hpp"
#include "core/board/uuid7.hpp"
#include "guardian/cycle.hpp"
#include "guardian/owners.hpp"
#include "guardian/result.hpp"
#include "guardian/settings.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "utils/array.h"
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

// Not at the first failure: a broker that restarts is away for a moment.
constexpr int failures_to_tell = 3;

// Clients choose the names of queues. So a name alone makes a mailbox a recipient only if it is known as an
// owner or admin of this broker, or its domain is listed in mail_domains. The arguments are parameters of the
// statement: the server's name, the admins, the domains.
#define IS_KNOWN(recipient, server, admins)                                                                  \
    "(" recipient " = ANY (SELECT a.owner FROM cloudsat.account_owners AS a"                                 \
    "  WHERE a.server = " server ")"                                                                         \
    " OR " recipient " = ANY (SELECT k::cloudsat.address FROM unnest(" admins ") AS k))"
#define MAY_BE_MAILED(recipient, server, admins, domains)                                                    \
    "(" IS_KNOWN(recipient, server, admins) " OR EXISTS (SELECT FROM unnest(" domains ") AS d"               \
                                            "  WHERE " recipient " <@ d::cloudsat.address))"

pg::Statement insert(R"(
    INSERT INTO cloudsat.outbox (written_at, due, server, kind, recipient, vhost, queue, messages,
           incident, by_name, subject, body, state, outcome)
    SELECT $1, $1, $2, m.kind, m.recipient, m.vhost, m.queue, m.messages, m.incident,
           NOT m.told AND NOT m.known, m.subject, m.body,
           CASE WHEN m.told OR m.mailed THEN 'waiting' ELSE 'dropped' END,
           CASE WHEN (m.told OR m.mailed) IS NOT TRUE
                THEN 'known only from the name of the queue, and not in mail_domains' END
    FROM (SELECT n.*, n.kind = ANY (ARRAY['broker_down', 'broker_up', 'account']) AS told,
                      )" IS_KNOWN("n.recipient", "$2",
                                  "$11") R"( AS known, )" MAY_BE_MAILED("n.recipient", "$2", "$11",
                                                                        "$12") R"( AS mailed
          FROM (SELECT u.kind, u.recipient::cloudsat.address, u.vhost, u.queue, u.messages, u.incident,
                       u.subject, u.body, u.i
                FROM unnest($3, $4, $5, $6, $7, $8, $9, $10)
                     WITH ORDINALITY AS u(kind, recipient, vhost, queue, messages, incident, subject, body, i)
               ) AS n) AS m
    ORDER BY m.i
    ON CONFLICT DO NOTHING)",
                     {TIMESTAMPTZOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
                      INT8ARRAYOID, UUIDARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID});

pg::Statement rights(R"(
    SELECT string_agg(o.recipient::text, ', ' ORDER BY o.recipient) FILTER (WHERE o.mailed),
           string_agg(o.recipient::text, ', ' ORDER BY o.recipient) FILTER (WHERE NOT o.mailed)
    FROM (SELECT n.recipient, )" MAY_BE_MAILED("n.recipient", "$1", "$3", "$4") R"( AS mailed
          FROM (SELECT r::cloudsat.address FROM unnest($2) AS r) AS n(recipient)) AS o)",
                     {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID});

// The first pending notice for one of these recipients.
pg::Statement first_waiting(R"(
    SELECT format('a notice to %s waits until %s', o.recipient, date_trunc('second', o.due))
           || coalesce(': ' || o.outcome, '')
    FROM cloudsat.outbox AS o
    WHERE o.server = $1
      AND o.recipient = ANY (SELECT r::cloudsat.address FROM unnest($2) AS r)
      AND o.state = 'waiting'
      AND o.due > $3
    ORDER BY o.due, o.id LIMIT 1)",
                            {TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID});

pg::Statement insert_held(R"(
    INSERT INTO cloudsat.outbox (written_at, due, server, kind, recipient, subject, body)
    SELECT $1, $1, $2, 'mails_held', a.address, $4, $5
    FROM (SELECT u::cloudsat.address AS address FROM unnest($3) AS u) AS a
    WHERE NOT EXISTS (SELECT FROM cloudsat.outbox AS o
        WHERE o.recipient = a.address AND o.server = $2
          AND o.queue = '' AND o.kind = 'mails_held'
          AND o.written_at > $6))",
                          {TIMESTAMPTZOID, TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID, TIMESTAMPTZOID});

pg::Statement last_told(R"(
    SELECT o.kind
    FROM cloudsat.outbox AS o
    WHERE o.server = $1
      AND o.kind = ANY (ARRAY['broker_down', 'broker_up'])
    ORDER BY o.id DESC LIMIT 1)",
                        {TEXTOID});

bool gets_mail(std::string_view recipient) {
    const auto address = core::parse_address(recipient);
    return address && core::local(address.value());
}

Datum as_array(std::string_view list) {
    Column items;
    while (const auto item = core::next_item(list)) {
        items.add_text(*item);
    }
    return items.size() == 0 ? PointerGetDatum(construct_empty_array(TEXTOID)) : items.array(TEXTOID);
}

// The options of a server that sending mails needs. Invalid options are ignored.
core::ServerOptions mail_options(std::string_view server) {
    core::ServerOptions options;
    const ForeignServer* found = GetForeignServerByName(pnstrdup(server.data(), server.size()), true);
    const ListCell* cell;
    foreach (cell, found == nullptr ? NIL : found->options) {
        auto* element = static_cast<DefElem*>(lfirst(cell));
        const std::string_view name = element->defname;
        if (name == "max_mails" || name == "admins") {
            core::read_option(*core::find_option(core::OptionPlace::server, name), defGetString(element),
                              options);
        }
    }
    return options;
}

} // namespace

std::string_view time_text(TimestampTz time, std::pmr::memory_resource* arena) {
    return time == 0 ? std::string_view{}
                     : join(arena, {timestamptz_to_str(time - time % core::micros_per_second)});
}

bool has_mail_server() {
    return *settings().smtp_url != '\0';
}

void Outbox::add(const Notice& notice) {
    if (!has_mail_server() || !gets_mail(notice.recipient)) {
        return;
    }
    kinds_.add_text(core::to_string(notice.kind));
    recipients_.add_text(notice.recipient);
    vhosts_.add_text(notice.vhost);
    queues_.add_text(notice.queue);
    messages_.add_int8(notice.messages);
    if (notice.incident != nullptr) {
        auto* incident = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
        *incident = *notice.incident;
        incidents_.add(UUIDPGetDatum(incident));
    } else {
        incidents_.add_null();
    }
    subjects_.add_text(notice.text.subject);
    bodies_.add_text(notice.text.body);
}

void Outbox::write(const Server& server, TimestampTz at) const {
    if (kinds_.size() == 0) {
        return;
    }
    const Datum values[] = {
        TimestampTzGetDatum(at),    pg::to_text(server.name),        kinds_.array(TEXTOID),
        recipients_.array(TEXTOID), vhosts_.array(TEXTOID),          queues_.array(TEXTOID),
        messages_.array(INT8OID),   incidents_.array(UUIDOID),       subjects_.array(TEXTOID),
        bodies_.array(TEXTOID),     as_array(server.options.admins), as_array(server.options.mail_domains)};
    insert.run(values);
}

MailRights find_mail_rights(const Server& server, std::string_view owner, std::pmr::memory_resource* arena) {
    Column mailboxes;
    for (const std::string_view address : owners_of(server, owner)) {
        if (gets_mail(address)) {
            mailboxes.add_text(address);
        }
    }
    if (mailboxes.size() == 0) {
        return {};
    }
    const Datum values[] = {pg::to_text(server.name), mailboxes.array(TEXTOID),
                            as_array(server.options.admins), as_array(server.options.mail_domains)};
    rights.run(values, {}, true, 1);
    MailRights result{kept_text(arena, 0, 1), kept_text(arena, 0, 2), {}};
    const Datum waiting[] = {values[0], values[1], TimestampTzGetDatum(GetCurrentTimestamp())};
    if (first_waiting.run(waiting, {}, true, 1) > 0) {
        result.waiting = kept_text(arena, 0, 1);
    }
    return result;
}

std::int64_t mails_per_hour(std::string_view server) {
    return mail_options(server).max_mails;
}

void tell_held(std::string_view server, TimestampTz until, TimestampTz now,
               std::pmr::memory_resource* arena) {
    const core::ServerOptions options = mail_options(server);
    Column admins;
    std::string_view list = options.admins;
    while (const auto admin = core::next_item(list)) {
        if (gets_mail(*admin)) {
            admins.add_text(*admin);
        }
    }
    if (admins.size() == 0) {
        return;
    }
    const core::NoticeText text = core::mail_held(server, options.max_mails, time_text(until, arena), arena);
    const Datum values[] = {TimestampTzGetDatum(now), pg::to_text(server),
                            admins.array(TEXTOID),    pg::to_text(text.subject),
                            pg::to_text(text.body),   TimestampTzGetDatum(now - core::mail_interval)};
    insert_held.run(values);
}

void tell_admins(const Server& server, const BrokerNews& news, TimestampTz at,
                 std::pmr::memory_resource* arena) {
    const bool down = news.failures >= failures_to_tell;
    const bool up = news.failures == 0 && news.before > 0;
    if ((!down && !up) || server.options.admins.empty() || !has_mail_server()) {
        return;
    }
    const Datum values[] = {pg::to_text(server.name)};
    const uint64 rows = last_told.run(values, {}, false, 1);
    bool isnull = false;
    const bool told = rows > 0 && pg::view(pg::spi_value(0, 1, isnull)) == "broker_down";
    if (down == told) { // known already; or the end of something never reported
        return;
    }
    const std::string_view since = time_text(news.last_success, arena);
    Notice notice;
    notice.kind = down ? core::NoticeKind::broker_down : core::NoticeKind::broker_up;
    notice.text = down ? core::mail_broker_down(server.name, news.fault, since, arena)
                       : core::mail_broker_up(server.name, news.before, since, arena);
    Outbox outbox;
    std::string_view admins = server.options.admins;
    while (const auto admin = core::next_item(admins)) {
        notice.recipient = *admin;
        outbox.add(notice);
    }
    outbox.write(server, at);
}

std::string_view thread_name(const pg_uuid_t& incident, std::pmr::memory_resource* arena) {
    core::Uuid uuid;
    std::memcpy(uuid.bytes.data(), incident.data, sizeof incident.data);
    const core::UuidText text = core::print(uuid);
    return join(arena, {std::string_view(text.data(), text.size())});
}

} // namespace cloudsat::guardian
