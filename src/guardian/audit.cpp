// The audit; see audit.hpp.

#include "guardian/audit.hpp"

#include "pg/spi.hpp"

extern "C" {
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

pg::Statement insert(R"(
    INSERT INTO cloudsat.queue_events (at, server, vhost, name, event, messages, incident, cycle,
           detail)
    SELECT $1, $2, n.vhost, n.name, n.event, n.messages, n.incident, $3, CASE WHEN
           num_nonnulls(n.reason, n.warn_size, n.archive_size,
           n.delete_size) > 0
           THEN jsonb_strip_nulls(jsonb_build_object('reason', n.reason,
           'warn_size', n.warn_size, 'archive_size', n.archive_size, 'delete_size', n.delete_size)) END
    FROM unnest($4, $5, $6, $7, $8, $9, $10, $11, $12) WITH ORDINALITY AS n(vhost, name, event,
           messages, incident, reason, warn_size, archive_size, delete_size, i)
    ORDER BY n.i)",
                     {TIMESTAMPTZOID, TEXTOID, INT8OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
                      INT8ARRAYOID, UUIDARRAYOID, TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID});

constexpr std::string_view name_of(Event event) noexcept {
    switch (event) {
    case Event::appeared:
        return "appeared";
    case Event::warned:
        return "warned";
    case Event::deletable:
        return "deletable";
    case Event::recovered:
        return "recovered";
    case Event::archive_started:
        return "archive_started";
    case Event::archive_full:
        return "archive_full";
    case Event::archive_withheld:
        return "archive_withheld";
    case Event::archived:
        return "archived";
    case Event::would_delete:
        return "would_delete";
    case Event::delete_intended:
        return "delete_intended";
    case Event::deleted:
        return "deleted";
    case Event::delete_withdrawn:
        return "delete_withdrawn";
    case Event::belayed:
        return "belayed";
    case Event::belay_ended:
        return "belay_ended";
    case Event::action_failed:
        return "action_failed";
    case Event::vanished:
        return "vanished";
    }
    return {};
}

} // namespace

void Audit::add(const EventLine& line) {
    vhosts_.add_text(line.vhost);
    names_.add_text(line.name);
    events_.add_text(name_of(line.event));
    messages_.add_int8(line.messages);
    if (line.incident != nullptr) {
        auto* incident = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
        *incident = *line.incident;
        incidents_.add(UUIDPGetDatum(incident));
    } else {
        incidents_.add_null();
    }
    reasons_.add_told(line.reason);
    if (line.limits != nullptr) {
        warn_sizes_.add_int8(line.limits->warn_size);
        archive_sizes_.add_int8(line.limits->archive_size);
        delete_sizes_.add_int8(line.limits->delete_size);
    } else {
        warn_sizes_.add_null();
        archive_sizes_.add_null();
        delete_sizes_.add_null();
    }
}

void Audit::write(const char* server, TimestampTz at, std::int64_t cycle) const {
    if (size() == 0) {
        return;
    }
    const Datum values[] = {
        TimestampTzGetDatum(at),    pg::to_text(server),           Int64GetDatum(cycle),
        vhosts_.array(TEXTOID),     names_.array(TEXTOID),         events_.array(TEXTOID),
        messages_.array(INT8OID),   incidents_.array(UUIDOID),     reasons_.array(TEXTOID),
        warn_sizes_.array(INT8OID), archive_sizes_.array(INT8OID), delete_sizes_.array(INT8OID)};
    insert.run(values);
}

} // namespace cloudsat::guardian
