// SQL function cloudsat.explain_queue(server, vhost, name): gathers the known state of a queue and the rules
// about it. Only reads, with the caller's rights and the snapshot of the query; core draws the conclusions.

#include <string_view>

#include "core/guardian/explain.hpp"
#include "core/wire/broker_name.hpp"
#include "guardian/archive.hpp"
#include "guardian/belay.hpp"
#include "guardian/cycle.hpp"
#include "guardian/outbox.hpp"
#include "guardian/queue_row.hpp"
#include "guardian/result.hpp"
#include "guardian/rules.hpp"
#include "guardian/server.hpp"
#include "guardian/watch.hpp"
#include "pg/memory.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "foreign/foreign.h"
#include "funcapi.h"
#include "nodes/parsenodes.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

// Time covered by the trend.
constexpr std::int64_t window = 600 * core::micros_per_second;
constexpr long most_samples = 10'000;

pg::Statement row_of_polls(R"(
    SELECT date_trunc('second', p.last_poll)::text,
           date_trunc('second', p.last_success)::text,
           p.consecutive_failures::int8, p.last_error_kind, p.up_since
    FROM cloudsat.polls AS p
    WHERE p.server = $1)",
                           {TEXTOID});

// The samples in the window, and the last one before it.
pg::Statement samples(R"(
    SELECT s."time", CASE WHEN $6 THEN s.ready ELSE s.messages END
    FROM ((SELECT h."time", h.messages, h.ready FROM cloudsat.queue_history AS h
           WHERE h.server = $1 AND h.vhost = $2
             AND h.name = $3
             AND h."time" >= greatest($4, $5)
           ORDER BY h."time" DESC LIMIT $7)
          UNION ALL
          (SELECT h."time", h.messages, h.ready FROM cloudsat.queue_history AS h
           WHERE h.server = $1 AND h.vhost = $2
             AND h.name = $3
             AND h."time" < $4 AND h."time" >= $5
           ORDER BY h."time" DESC LIMIT 1)) AS s
    ORDER BY s."time")",
                      {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID, INT8OID});

pg::Statement in_archive(R"(
    SELECT a.messages FROM cloudsat.archives AS a
    WHERE a.server = $1
      AND a.vhost = $2
      AND a.queue = $3)",
                         {TEXTOID, TEXTOID, TEXTOID});

pg::Statement owners_of_account(R"(
    SELECT string_agg(a.owner::text, ', ' ORDER BY a.owner)
    FROM cloudsat.account_owners AS a
    WHERE a.server = $1
      AND a.username = $2)",
                                {TEXTOID, TEXTOID});

bool is_given(const void* server, std::string_view option) {
    const ListCell* cell;
    foreach (cell, static_cast<const ForeignServer*>(server)->options) {
        if (option == static_cast<const DefElem*>(lfirst(cell))->defname) {
            return true;
        }
    }
    return false;
}

TimestampTz time_at(int column) {
    bool isnull = false;
    const Datum value = pg::spi_value(0, column, isnull);
    return isnull ? 0 : DatumGetTimestampTz(value);
}

// The question and the collected answers.
struct Inquiry {
    const Server* server = nullptr;
    std::pmr::memory_resource* arena = nullptr;
    std::string_view vhost;
    std::string_view name;
    Datum key[3] = {};
    TimestampTz now = 0;
    TimestampTz first_seen = 0;
    bool in_incident = false;
    OpenThread thread;
};

std::string_view text_at(const Inquiry& inquiry, int column) {
    return kept_text(inquiry.arena, 0, column);
}
std::int64_t int8_at(int column) {
    return optional_int8(0, column).value_or(0);
}

void read_rules(const Inquiry& inquiry, core::QueueCase& result) {
    const QueueName name{inquiry.vhost, inquiry.name};
    const Rules rules = find_rules(*inquiry.server, {&name, 1}, Sight::of_query)[0];
    result.limits = rules.limits;
    result.owner = rules.owner;
    result.owner_name = join(inquiry.arena, {rules.owner_name});
    result.policies = find_policies(*inquiry.server, name, inquiry.arena);
    const Datum account[] = {inquiry.key[0], pg::to_text(result.owner_name)};
    owners_of_account.run(account, {}, true, 1);
    result.owners = text_at(inquiry, 1);
    const MailRights rights = find_mail_rights(*inquiry.server, result.owner_name, inquiry.arena);
    result.mailed = rights.mailed;
    result.not_mailed = rights.unknown;
    result.mail_waits = rights.waiting;
    result.has_mail_server = has_mail_server();
}

void read_polls(const Inquiry& inquiry, core::QueueCase& result) {
    if (row_of_polls.run({inquiry.key, 1}, {}, true, 1) == 0) {
        return;
    }
    result.last_poll = text_at(inquiry, 1);
    result.last_success = text_at(inquiry, 2);
    result.failures = int8_at(3);
    result.error_kind = text_at(inquiry, 4);
    result.circumstances.up_since = time_at(5);
}

// To the second, in the session's time zone; empty for none.
std::string_view text_of(const Inquiry& inquiry, TimestampTz time) {
    if (time == 0) {
        return {};
    }
    const TimestampTz second = time - (time % USECS_PER_SEC + USECS_PER_SEC) % USECS_PER_SEC;
    return join(inquiry.arena,
                {DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(second)))});
}

void read_row(Inquiry& inquiry, core::QueueCase& result) {
    QueueRow row;
    if (!read_queue(*inquiry.server, inquiry.vhost, inquiry.name, inquiry.arena, row)) {
        return;
    }
    const RowExtras& extras = row.extras;
    result.record = row.known.gone ? core::Record::gone : core::Record::there;
    result.facts = row.known.facts;
    result.source = row.known.source;
    result.standing = row.known.standing;
    result.belayed_by = extras.belayed_by;
    result.belayed_at = text_of(inquiry, extras.belayed_at);
    result.judged_so = row.known.limits == result.limits && row.known.owner_name == result.owner_name &&
                       row.known.owner == result.owner;
    if (!result.judged_so && result.standing.archive == core::Archive::withheld) {
        result.standing.archive = core::Archive::none; // as the next poll will see it
    }
    result.growth = row.known.growth;
    result.incident_size = extras.incident ? std::optional(extras.incident_size) : std::nullopt;
    result.incident_at = text_of(inquiry, extras.incident_at);
    result.would_delete_at = text_of(inquiry, extras.would_delete_at);
    result.archived = extras.archived;
    result.archive_retry = text_of(inquiry, extras.archive_retry);
    result.intended_at = text_of(inquiry, extras.intended_at);
    result.intended_for = result.standing.intended ? inquiry.now - extras.intended_at : 0;
    result.attempts = extras.attempts;
    result.failed_attempts = extras.failures;
    result.retry_after = text_of(inquiry, row.known.standing.retry_after);
    result.first_seen = text_of(inquiry, extras.first_seen);
    result.gone_at = text_of(inquiry, extras.gone_at);
    inquiry.first_seen = extras.first_seen;
    inquiry.in_incident = extras.incident.has_value();
    if (extras.incident) {
        result.incident = thread_name(*extras.incident, inquiry.arena);
        inquiry.thread.incident = *extras.incident;
        inquiry.thread.owner = result.owner == core::Owner::person ? result.owner_name : std::string_view{};
        inquiry.thread.belayed_at = extras.belayed_at;
    }
}

// Messages in the thread since the last poll, which the next poll will take into account.
void read_thread(Inquiry& inquiry, core::QueueCase& result) {
    OpenThread& thread = inquiry.thread;
    if (!inquiry.in_incident) {
        return;
    }
    listen(*inquiry.server, {&thread, 1});
    if (thread.is_belayed() != result.standing.belayed) {
        result.unheard = true;
        result.standing.belayed = thread.is_belayed();
        result.belayed_by = join(inquiry.arena, {thread.by});
    }
}

void read_trend(const Inquiry& inquiry, core::QueueCase& result) {
    const Datum values[] = {inquiry.key[0],
                            inquiry.key[1],
                            inquiry.key[2],
                            TimestampTzGetDatum(inquiry.now - window),
                            TimestampTzGetDatum(inquiry.first_seen),
                            BoolGetDatum(result.limits.basis == core::Basis::ready),
                            Int64GetDatum(most_samples)};
    const uint64 rows = samples.run(values, {}, true);
    auto* points = static_cast<core::HistoryPoint*>(palloc(sizeof(core::HistoryPoint) * rows + 1));
    std::size_t count = 0;
    for (uint64 row = 0; row < rows; ++row) {
        bool isnull = false;
        const TimestampTz at = DatumGetTimestampTz(pg::spi_value(row, 1, isnull));
        if (const auto size = optional_int8(row, 2)) {
            points[count++] = {at, *size};
        }
    }
    result.trend = core::trend_of({points, count}, inquiry.now - window, inquiry.now);
}

void read_archive(const Inquiry& inquiry, core::QueueCase& result) {
    if (in_archive.run(inquiry.key, {}, true, 1) > 0) {
        result.in_archive = int8_at(1);
    }
    if (result.standing.archive == core::Archive::withheld) {
        result.withheld_because =
            reason_withheld(*inquiry.server, inquiry.vhost, inquiry.name, inquiry.arena, Sight::of_query);
    }
}

void put(FunctionCallInfo fcinfo, const core::ExplainLine& line) {
    auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    const Datum values[] = {pg::to_text(line.item), line.value ? pg::to_text(*line.value) : Datum{0},
                            pg::to_text(line.detail)};
    const bool nulls[] = {false, !line.value, line.detail.empty()};
    tuplestore_putvalues(result->setResult, result->setDesc, const_cast<Datum*>(values),
                         const_cast<bool*>(nulls));
}

Datum explain_queue(FunctionCallInfo fcinfo) {
    pg::require_argument(fcinfo, 0, "server");
    pg::require_argument(fcinfo, 1, "vhost");
    pg::require_argument(fcinfo, 2, "name");
    InitMaterializedSRF(fcinfo, 0);
    const Oid oid = find_server(pg::view(PG_GETARG_DATUM(0)));
    MemoryContext context = pg::new_context(CurrentMemoryContext, "cloudsat explain");
    auto* memory = pg::make<pg::ContextResource>(context, context);

    Inquiry inquiry;
    inquiry.server = load_options(oid, context);
    inquiry.arena = pg::make<std::pmr::monotonic_buffer_resource>(context, memory);
    inquiry.vhost = pg::view(PG_GETARG_DATUM(1));
    inquiry.name = pg::view(PG_GETARG_DATUM(2));
    inquiry.key[0] = pg::to_text(inquiry.server->name);
    inquiry.key[1] = pg::to_text(inquiry.vhost);
    inquiry.key[2] = pg::to_text(inquiry.name);
    inquiry.now = GetCurrentTimestamp();

    core::QueueCase found;
    const core::ServerOptions& options = inquiry.server->options;
    found.server = inquiry.server->name;
    found.options = &options;
    found.given = is_given;
    found.given_by = GetForeignServer(oid);
    found.watched = watches(*inquiry.server, inquiry.vhost);
    found.dots = !core::segment_of_text(inquiry.vhost, inquiry.arena) ||
                 !core::segment_of_text(inquiry.name, inquiry.arena);
    const char* watcher = describe_other_watcher(watch_of(*inquiry.server));
    found.watcher = watcher != nullptr ? watcher : std::string_view{};
    found.held_back = inquiry.server->held_back;
    found.why_not = inquiry.server->why_not;
    found.circumstances.now = inquiry.now;
    found.circumstances.enforce = options.enforce != 0;
    pg::spi_begin();
    read_rules(inquiry, found);
    read_polls(inquiry, found);
    read_row(inquiry, found);
    if (found.record == core::Record::there) {
        read_thread(inquiry, found);
        read_trend(inquiry, found);
        read_archive(inquiry, found);
    }
    pg::spi_end();

    const core::Explanation explanation = core::explain_queue(found, inquiry.arena);
    for (const core::ExplainLine& line : explanation.rows()) {
        put(fcinfo, line);
    }
    MemoryContextDelete(context);
    return 0;
}

} // namespace

SQL_FUNCTION(explain_queue);

} // namespace cloudsat::guardian
