// Belay, see belay.hpp.

#include "guardian/belay.hpp"

#include <cstring>
#include <new>

#include "core/address.hpp"
#include "core/server_options.hpp"
#include "guardian/columns.hpp"
#include "guardian/incident.hpp"
#include "pg/settings.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

// For each thread the newest word of those who have a say, and of each who has none and was not told so the
// newest belay. OFFSET 0 keeps the threads apart: each is a look into the index on root, in the partitions
// since its day. Below the deepest reply there is no room for an answer.
pg::Statement words(R"(
    SELECT DISTINCT ON (w.i, w.stranger) w.i, w.uuid, w.poster::pg_catalog.text, w."timestamp",
           w.belay, w.stranger IS NOT NULL, w.depth OPERATOR(pg_catalog.<) $8
    FROM (SELECT n.i, n.incident, n.since, m.*,
             CASE WHEN m.poster OPERATOR(pg_catalog.=) ANY ($3::cloudsat.address[]) THEN NULL
                  WHEN EXISTS (SELECT FROM cloudsat.account_owners AS a
                          WHERE a.server OPERATOR(pg_catalog.=) $1
                          AND a.username OPERATOR(pg_catalog.=) n.owner)
                  THEN CASE WHEN NOT EXISTS (SELECT FROM cloudsat.account_owners AS a
                          WHERE a.server OPERATOR(pg_catalog.=) $1
                          AND a.username OPERATOR(pg_catalog.=) n.owner
                          AND a.owner OPERATOR(pg_catalog.=) m.poster) THEN m.poster END
                  WHEN m.poster OPERATOR(pg_catalog.=) n.mailbox::cloudsat.address THEN NULL
                  ELSE m.poster END AS stranger
          FROM unnest($4, $5, $6, $7) WITH ORDINALITY AS n(incident, since, owner, mailbox, i)
          CROSS JOIN LATERAL (
              SELECT r.uuid, r.poster, r."timestamp", r.depth,
                     r.disposition OPERATOR(pg_catalog.=) 'belay'::cloudsat.disposition AS belay
              FROM cloudsat.messages AS r
              WHERE r.root OPERATOR(pg_catalog.=) n.incident
                AND r.uuid OPERATOR(pg_catalog.>) n.since
                AND r.disposition OPERATOR(pg_catalog.=) ANY ('{belay,end}'::cloudsat.disposition[])
                AND r.poster OPERATOR(pg_catalog.<>) $2::cloudsat.address
              OFFSET 0) AS m
         ) AS w
    WHERE w.stranger IS NULL
       OR (w.belay AND w.depth OPERATOR(pg_catalog.<) $8
           AND NOT EXISTS (SELECT FROM cloudsat.messages AS s
               JOIN cloudsat.messages AS g ON g.before OPERATOR(pg_catalog.=) s.uuid
               WHERE s.root OPERATOR(pg_catalog.=) w.incident
                 AND s.uuid OPERATOR(pg_catalog.>) w.since
                 AND s.poster OPERATOR(pg_catalog.=) w.stranger
                 AND g.root OPERATOR(pg_catalog.=) w.incident
                 AND g.uuid OPERATOR(pg_catalog.>) w.since
                 AND g.poster OPERATOR(pg_catalog.=) $2::cloudsat.address))
    ORDER BY w.i, w.stranger, w.uuid DESC)",
                    {TEXTOID, TEXTOID, TEXTARRAYOID, UUIDARRAYOID, UUIDARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
                     INT4OID});

pg_uuid_t* copy(const pg_uuid_t& uuid) {
    auto* result = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    *result = uuid;
    return result;
}

// Replies have later uuids than what they reply to, unless the clock was set back in between: a day's grace.
pg_uuid_t* day_before(const pg_uuid_t& uuid) {
    constexpr std::uint64_t day_ms = 24 * 60 * 60 * 1000;
    std::uint64_t ms = 0;
    for (int i = 0; i < 6; ++i) {
        ms = ms << 8U | uuid.data[i];
    }
    ms -= ms < day_ms ? ms : day_ms;
    auto* result = static_cast<pg_uuid_t*>(palloc0(sizeof(pg_uuid_t)));
    for (int i = 5; i >= 0; --i) {
        result->data[i] = static_cast<unsigned char>(ms);
        ms >>= 8U;
    }
    return result;
}

Datum admins_of(const Server& server) {
    Column admins;
    std::string_view list = server.options.admins;
    while (const auto admin = core::next_item(list)) {
        admins.add_text(*admin);
    }
    return admins.array(TEXTOID);
}

void read_word(OpenThread& thread, uint64 row) {
    bool isnull = false;
    thread.spoken = true;
    const bool room = DatumGetBool(pg::spi_value(row, 7, isnull));
    thread.reply = room ? *DatumGetUUIDP(pg::spi_value(row, 2, isnull)) : thread.incident;
    thread.by = pg::view(pg::spi_value(row, 3, isnull));
    thread.at = DatumGetTimestampTz(pg::spi_value(row, 4, isnull));
    thread.belay = DatumGetBool(pg::spi_value(row, 5, isnull));
}

} // namespace

std::span<const UnheardBelay> listen(const Server& server, std::span<OpenThread> threads) {
    if (threads.empty()) {
        return {};
    }
    Column incidents, since, owners, mailboxes;
    for (const OpenThread& thread : threads) {
        incidents.add(UUIDPGetDatum(copy(thread.incident)));
        since.add(UUIDPGetDatum(day_before(thread.incident)));
        owners.add_told(thread.owner);
        mailboxes.add_told(as_mailbox(thread.owner));
    }
    const Datum values[] = {pg::to_text(server.name), pg::to_text(server.options.address),
                            admins_of(server),        incidents.array(UUIDOID),
                            since.array(UUIDOID),     owners.array(TEXTOID),
                            mailboxes.array(TEXTOID), Int32GetDatum(pg::settings().max_thread_depth)};
    PushActiveSnapshot(GetLatestSnapshot());
    const uint64 rows = words.run(values, {}, true);
    PopActiveSnapshot();
    auto* list =
        static_cast<UnheardBelay*>(palloc_extended(sizeof(UnheardBelay) * (rows + 1), MCXT_ALLOC_HUGE));
    std::size_t unheard = 0;
    for (uint64 row = 0; row < rows; ++row) {
        bool isnull = false;
        const auto index = static_cast<std::size_t>(DatumGetInt64(pg::spi_value(row, 1, isnull)) - 1);
        if (DatumGetBool(pg::spi_value(row, 6, isnull))) {
            new (&list[unheard++]) UnheardBelay{index, *DatumGetUUIDP(pg::spi_value(row, 2, isnull)),
                                                pg::view(pg::spi_value(row, 3, isnull))};
        } else {
            read_word(threads[index], row);
        }
    }
    return {list, unheard};
}

bool is_belayed(const Server& server, OpenThread thread) {
    listen(server, {&thread, 1});
    return thread.is_belayed();
}

void answer(const Server& server, const OpenThread& thread, std::string_view text) {
    const Addresses warned = warned_in(thread.incident);
    reply_to(server, thread.reply, thread.by, core::Disposition::info, text);
    for (const std::string_view address : warned) {
        if (address != thread.by) {
            reply_to(server, thread.reply, address, core::Disposition::info, text);
        }
    }
}

} // namespace cloudsat::guardian
