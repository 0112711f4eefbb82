// The beginning of a cycle, see cycle.hpp: what the tables know of a broker, as the pure part wants it.

#include "guardian/cycle.hpp"

#include <array>

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

pg::Statement past_of_server(R"(
    SELECT cycle, last_success, up_since, consecutive_failures, last_error_kind, missing_polls,
           missing_since, names_at, bindings_at, rules, queues
    FROM cloudsat.polls AS p
    WHERE p.server OPERATOR(pg_catalog.=) $1)",
                             {TEXTOID});

// A row of polls that was written for this very server under another name, which no server has any more.
pg::Statement former_name(R"(
    SELECT p.server
    FROM cloudsat.polls AS p
    WHERE p.home OPERATOR(pg_catalog.=) $1
      AND p.server OPERATOR(pg_catalog.<>) $2
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_foreign_server AS s WHERE s.srvname
          OPERATOR(pg_catalog.=) p.server))",
                          {TEXTOID, TEXTOID});
std::array renames{
    pg::Statement(R"(
    UPDATE cloudsat.polls
    SET server = $2
    WHERE server OPERATOR(pg_catalog.=) $1)",
                  {TEXTOID, TEXTOID}),
    pg::Statement(R"(
    UPDATE cloudsat.queues
    SET server = $2
    WHERE server OPERATOR(pg_catalog.=) $1)",
                  {TEXTOID, TEXTOID}),
    pg::Statement(R"(
    UPDATE cloudsat.bindings
    SET server = $2
    WHERE server OPERATOR(pg_catalog.=) $1)",
                  {TEXTOID, TEXTOID}),
    pg::Statement(R"(
    UPDATE cloudsat.queue_policies
    SET server = $2
    WHERE server OPERATOR(pg_catalog.=) $1)",
                  {TEXTOID, TEXTOID}),
    pg::Statement(R"(
    UPDATE cloudsat.archived_messages
    SET server = $2
    WHERE server OPERATOR(pg_catalog.=) $1)",
                  {TEXTOID, TEXTOID}),
};

TimestampTz time_at(uint64 row, int column) {
    bool isnull = false;
    const Datum value = pg::spi_value(row, column, isnull);
    return isnull ? 0 : DatumGetTimestampTz(value);
}

std::string_view text_at(const Cycle& cycle, uint64 row, int column) {
    bool isnull = false;
    const Datum value = pg::spi_value(row, column, isnull);
    return isnull ? std::string_view{} : join(cycle.arena, {pg::view(value)});
}

bool read_past(Cycle& cycle) {
    const Datum values[] = {pg::to_text(cycle.server->name)};
    if (past_of_server.run(values, {}, false, 1) == 0) {
        return false;
    }
    bool isnull = false;
    Past& past = cycle.past;
    past.known = true;
    past.cycle = DatumGetInt64(pg::spi_value(0, 1, isnull));
    past.last_success = time_at(0, 2);
    past.up_since = time_at(0, 3);
    past.failures = DatumGetInt32(pg::spi_value(0, 4, isnull));
    past.error_kind = text_at(cycle, 0, 5);
    past.missing_polls = DatumGetInt32(pg::spi_value(0, 6, isnull));
    past.missing_since = time_at(0, 7);
    past.names_at = time_at(0, 8);
    past.bindings_at = time_at(0, 9);
    past.rules = text_at(cycle, 0, 10);
    const Datum queues = pg::spi_value(0, 11, isnull);
    past.queues = isnull ? 0 : DatumGetInt64(queues);
    return true;
}

// A server that was renamed brings along what is known of its queues. History and events keep the name of
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
    read_past(cycle);
}

} // namespace

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
    cycle->keepsakes = pg::make<std::pmr::vector<Keepsake>>(context, cycle->arena);
    cycle->bindings = pg::make<std::pmr::vector<BindingsRead>>(context, cycle->arena);
    pg::make<Hangup>(context, &http);
    if (cycle->metrics != nullptr) {
        pg::make<Hangup>(context, cycle->metrics);
    }
    pg::spi_begin();
    if (!read_past(*cycle)) {
        follow_rename(*cycle);
    }
    pg::spi_end();
    lock_queues(); // may have to wait, and while we wait the question would grow old
    start_fetch(*cycle);
    load_queues(*cycle);
    return cycle;
}

} // namespace cloudsat::guardian
