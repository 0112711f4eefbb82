// Writing notices, see outbox.hpp.

#include "guardian/outbox.hpp"

#include <cstring>

#include "core/address.hpp"
#include "core/uuid7.hpp"
#include "guardian/cycle.hpp"
#include "pg/settings.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

// Not the first failure: a broker that restarts is gone for a moment.
constexpr int failures_to_tell = 3;

pg::Statement insert(R"(
    INSERT INTO cloudsat.outbox (written_at, due, server, kind, recipient, vhost, queue, messages,
           incident, subject, body)
    SELECT $1, $1, $2, n.kind, n.recipient::cloudsat.address, n.vhost, n.queue, n.messages,
           n.incident, n.subject, n.body
    FROM unnest($3, $4, $5, $6, $7, $8, $9, $10) WITH ORDINALITY AS n(kind, recipient, vhost, queue,
           messages, incident, subject, body, i)
    ORDER BY n.i
    ON CONFLICT DO NOTHING)",
                     {TIMESTAMPTZOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
                      INT8ARRAYOID, UUIDARRAYOID, TEXTARRAYOID, TEXTARRAYOID});

pg::Statement last_told(R"(
    SELECT o.kind
    FROM cloudsat.outbox AS o
    WHERE o.server OPERATOR(pg_catalog.=) $1
      AND o.kind OPERATOR(pg_catalog.=) ANY (ARRAY['broker_down', 'broker_up'])
    ORDER BY o.id DESC LIMIT 1)",
                        {TEXTOID});

bool gets_mail(std::string_view recipient) {
    const auto address = core::parse_address(recipient);
    return address && core::local(address.value());
}

std::string_view time_text(TimestampTz time, std::pmr::memory_resource* arena) {
    return time == 0 ? std::string_view{} : join(arena, {timestamptz_to_str(time)});
}

} // namespace

bool has_mail_server() {
    return *pg::settings().smtp_url != '\0';
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

void Outbox::write(const char* server, TimestampTz at) const {
    if (kinds_.size() == 0) {
        return;
    }
    const Datum values[] = {TimestampTzGetDatum(at),    pg::to_text(server),       kinds_.array(TEXTOID),
                            recipients_.array(TEXTOID), vhosts_.array(TEXTOID),    queues_.array(TEXTOID),
                            messages_.array(INT8OID),   incidents_.array(UUIDOID), subjects_.array(TEXTOID),
                            bodies_.array(TEXTOID)};
    insert.run(values);
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
    if (down == told) { // known already; or the end of what nobody was told of
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
    outbox.write(server.name, at);
}

std::string_view thread_name(const pg_uuid_t& incident, std::pmr::memory_resource* arena) {
    core::Uuid uuid;
    std::memcpy(uuid.bytes.data(), incident.data, sizeof incident.data);
    const core::UuidText text = core::print(uuid);
    return join(arena, {std::string_view(text.data(), text.size())});
}

} // namespace cloudsat::guardian
