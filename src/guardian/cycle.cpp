// The beginning of a cycle, see cycle.hpp: loads what the tables know of a broker.

#include "guardian/cycle.hpp"

#include <array>

#include "guardian/audit.hpp"
#include "guardian/enforcement.hpp"
#include "guardian/fetch.hpp"
#include "guardian/incident.hpp"
#include "guardian/poll_row.hpp"
#include "guardian/queue_row.hpp"
#include "pg/memory.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/xlog.h"
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

// A row of polls written under this name by another server of this database, which was dropped or renamed
// since.
pg::Statement forget_poll(R"(
    DELETE FROM cloudsat.polls AS p
    WHERE p.server = $1
      AND p.home <> $2
      AND starts_with(p.home, $3))",
                          {TEXTOID, TEXTOID, TEXTOID});
pg::Statement unfinished(R"(
    SELECT q.vhost, q.name, CASE WHEN q.owner_kind = 'person' THEN q.owner END, q.incident,
           q.intended_at
    FROM cloudsat.queues AS q
    WHERE q.server = $1
      AND (q.incident IS NOT NULL OR q.intended_at IS NOT NULL))",
                         {TEXTOID});
std::array forgets{
    pg::Statement(R"(
    DELETE FROM cloudsat.queues
    WHERE server = $1)",
                  {TEXTOID}),
    pg::Statement(R"(
    DELETE FROM cloudsat.bindings
    WHERE server = $1)",
                  {TEXTOID}),
};

// A row of polls written by this very server under a former name that no server has now.
pg::Statement former_name(R"(
    SELECT p.server
    FROM cloudsat.polls AS p
    WHERE p.home = $1
      AND p.server <> $2
      AND NOT EXISTS (SELECT FROM pg_foreign_server AS s WHERE s.srvname
          = p.server))",
                          {TEXTOID, TEXTOID});
// clang-format off
#define CLOUDSAT_RENAME(table) \
    pg::Statement("UPDATE cloudsat." table " SET server = $2 WHERE server = $1", {TEXTOID, TEXTOID})
// clang-format on
std::array renames{
    CLOUDSAT_RENAME("polls"),
    CLOUDSAT_RENAME("queues"),
    CLOUDSAT_RENAME("bindings"),
    CLOUDSAT_RENAME("queue_policies"),
    CLOUDSAT_RENAME("accounts"), // their owners follow
    CLOUDSAT_RENAME("account_requests"),
    CLOUDSAT_RENAME("archived_messages"),
};
#undef CLOUDSAT_RENAME

// Moves the known state of a renamed server's queues to the new name. History and events keep the name of
// their time.
void follow_rename(Cycle& cycle) {
    const Datum wanted[] = {pg::to_text(home_of(*cycle.server, cycle.arena)),
                            pg::to_text(cycle.server->name)};
    if (former_name.run(wanted, {}, false, 1) == 0) {
        return;
    }
    bool isnull = false;
    const Datum names[] = {pg::to_text(pg::view(pg::spi_value(0, 1, isnull))),
                           pg::to_text(cycle.server->name)};
    for (pg::Statement& rename : renames) {
        rename.run(names);
    }
    read_poll(*cycle.server, cycle.arena, cycle.past);
}

// An open incident or intention of a queue whose server had this name.
struct Loose {
    Datum vhost, name, owner;
    pg_uuid_t incident;
    bool in_incident, owned, intended;
};

void tie_up(const Server& server, std::span<const Loose> ends) {
    constexpr std::string_view what = "its server was dropped";
    Audit audit;
    for (const Loose& end : ends) {
        if (end.in_incident) {
            reply_in_incident(
                server, end.incident, end.owned ? pg::view(end.owner) : std::string_view{},
                core::Disposition::end,
                "The guardian has closed this incident: the server was dropped, and another server has"
                " its name now. A new warning follows if the queue still calls for it.");
        }
        if (end.intended) {
            audit.add({.vhost = pg::view(end.vhost),
                       .name = pg::view(end.name),
                       .event = Event::delete_withdrawn,
                       .messages = {},
                       .incident = end.in_incident ? &end.incident : nullptr,
                       .reason = what,
                       .limits = nullptr});
        }
    }
    if (audit.size() > 0) {
        audit.write(server.name, GetCurrentTimestamp(), 0);
    }
}

Loose loose_end(uint64 row) {
    Loose end{};
    bool isnull = false;
    end.vhost = pg::spi_value(row, 1, isnull);
    end.name = pg::spi_value(row, 2, isnull);
    end.owner = pg::spi_value(row, 3, isnull);
    end.owned = !isnull;
    const Datum incident = pg::spi_value(row, 4, isnull);
    end.in_incident = !isnull;
    if (end.in_incident) {
        end.incident = *DatumGetUUIDP(incident);
    }
    pg::spi_value(row, 5, isnull);
    end.intended = !isnull;
    return end;
}

} // namespace

void forget_namesake(const Server& server) {
    pg::spi_begin();
    const char* here = psprintf("%s/", home_of_enforcement());
    const char* home = psprintf("%s%u", here, server.oid);
    const Datum values[] = {pg::to_text(server.name), pg::to_text(home), pg::to_text(here)};
    if (forget_poll.run(values) > 0) {
        const Datum name[] = {values[0]};
        const uint64 rows = unfinished.run(name);
        auto* ends = static_cast<Loose*>(palloc(sizeof(Loose) * rows + 1));
        for (uint64 row = 0; row < rows; ++row) {
            ends[row] = loose_end(row);
        }
        tie_up(server, {ends, rows});
        for (pg::Statement& forget : forgets) {
            forget.run(name);
        }
    }
    pg::spi_end();
}

std::string_view home_of(const Server& server, std::pmr::memory_resource* arena) {
    const char* text = psprintf(UINT64_FORMAT "/%u/%u", GetSystemIdentifier(), MyDatabaseId, server.oid);
    return join(arena, {text});
}

Cycle* begin(const Server* server, net::Http& http, MemoryContext context) {
    auto* memory = pg::make<pg::ContextResource>(context, context);
    constexpr std::size_t first_block = 256 * 1024;
    auto* cycle = pg::make<Cycle>(context);
    cycle->context = context;
    cycle->server = server;
    cycle->http = &http;
    cycle->metrics = server->options.metrics_url.empty() ? nullptr : &metrics_http_of_process();
    cycle->arena = pg::make<std::pmr::monotonic_buffer_resource>(context, first_block, memory);
    cycle->sweep = pg::make<core::Sweep>(context, cycle->arena);
    cycle->bindings = pg::make<std::pmr::vector<BindingsRead>>(context, cycle->arena);
    pg::make<Hangup>(context, &http);
    if (cycle->metrics != nullptr) {
        pg::make<Hangup>(context, cycle->metrics);
    }
    forget_namesake(*server);
    pg::spi_begin();
    if (!read_poll(*server, cycle->arena, cycle->past)) {
        follow_rename(*cycle);
    }
    pg::spi_end();
    lock_queues(); // may have to wait, which would make the request stale
    start_fetch(*cycle);
    load_queues(*cycle);
    return cycle;
}

} // namespace cloudsat::guardian
