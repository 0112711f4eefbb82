// SQL function cloudsat.explain_queue(server, vhost, name): gathers what is known of a queue and what decides
// about it. Reads only, under the caller's rights and the snapshot of his query; what it comes to is core's
// to say.

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
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

// So far back goes the trend.
constexpr std::int64_t window = 600 * core::micros_per_second;
constexpr long most_samples = 10'000;

pg::Statement row_of_queue(R"(
    SELECT q.type, q.state, q.messages, q.ready, q.unacknowledged, q.consumers, q.size_source,
           q.level::text, q.pending::text, q.policy, q.warn_size, q.delete_size,
           q.archive_size, q.max_archive_size, q.unbounded, q.exempt, q.basis, q.owner, q.owner_kind,
           q.growth, q.incident::text, q.incident_size, q.archive, q.archived,
           q.attempts::int8, q.failures::int8,
           q.would_delete_at IS NOT NULL, q.intended_at IS NOT NULL,
           q.acted_at, q.retry_after, q.intended_at, q.first_seen, q.gone_at,
           date_trunc('second', q.incident_at)::text,
           date_trunc('second', q.would_delete_at)::text,
           date_trunc('second', q.intended_at)::text,
           date_trunc('second', q.retry_after)::text,
           date_trunc('second', q.archive_retry)::text,
           date_trunc('second', q.first_seen)::text,
           date_trunc('second', q.gone_at)::text,
           q.incident, q.belayed_at, q.belayed_by,
           date_trunc('second', q.belayed_at)::text, q.delete_delay, q.delay_from,
           q.archive_failures::int8
    FROM cloudsat.queues AS q
    WHERE q.server = $1
      AND q.vhost = $2
      AND q.name = $3)",
                           {TEXTOID, TEXTOID, TEXTOID});

pg::Statement row_of_polls(R"(
    SELECT date_trunc('second', p.last_poll)::text,
           date_trunc('second', p.last_success)::text,
           p.consecutive_failures::int8, p.last_error_kind, p.up_since
    FROM cloudsat.polls AS p
    WHERE p.server = $1)",
                           {TEXTOID});

// In the window, and the one that held when it began.
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

// The columns of row_of_queue.
// clang-format off
enum : int {
    c_type = 1, c_state, c_messages, c_ready, c_unacknowledged, c_consumers, c_size_source, c_level, c_pending,
    c_policy, c_warn_size, c_delete_size, c_archive_size, c_max_archive_size, c_unbounded, c_exempt, c_basis,
    c_owner, c_owner_kind, c_growth, c_incident, c_incident_size, c_archive, c_archived, c_attempts, c_failures,
    c_would_delete, c_intended, c_acted_at, c_retry_after, c_intended_at, c_first_seen, c_gone_at,
    c_incident_at_text, c_would_delete_at_text, c_intended_at_text, c_retry_after_text, c_archive_retry_text,
    c_first_seen_text, c_gone_at_text, c_incident_uuid, c_belayed_at, c_belayed_by, c_belayed_at_text,
    c_delete_delay, c_delay_from, c_archive_failures
};
// clang-format on

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

// The question, and where the answers are kept.
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

core::Limits limits_of_row() {
    core::Limits limits;
    limits.warn_size = int8_at(c_warn_size);
    limits.delete_size = int8_at(c_delete_size);
    limits.archive_size = optional_int8(0, c_archive_size);
    limits.max_archive_size = optional_int8(0, c_max_archive_size);
    bool isnull = false;
    limits.delete_delay = micros_of(*DatumGetIntervalP(pg::spi_value(0, c_delete_delay, isnull)));
    limits.unbounded = optional_bool(0, c_unbounded).value_or(false);
    limits.exempt = optional_bool(0, c_exempt).value_or(false);
    limits.basis = parse_basis(pg::view(pg::spi_value(0, c_basis, isnull)));
    return limits;
}

void read_row(Inquiry& inquiry, core::QueueCase& result) {
    if (row_of_queue.run(inquiry.key, {}, true, 1) == 0) {
        return;
    }
    bool isnull = false;
    result.record = time_at(c_gone_at) != 0 ? core::Record::gone : core::Record::there;
    result.facts.type = text_at(inquiry, c_type);
    result.facts.state = text_at(inquiry, c_state);
    result.facts.messages = optional_int8(0, c_messages);
    result.facts.ready = optional_int8(0, c_ready);
    result.facts.unacknowledged = optional_int8(0, c_unacknowledged);
    result.facts.consumers = optional_int8(0, c_consumers);
    result.source = core::parse_size_source(text_at(inquiry, c_size_source));
    result.standing.level = core::parse_level(text_at(inquiry, c_level)).value_or(core::Level::normal);
    result.standing.pending = core::parse_level(text_at(inquiry, c_pending)).value_or(core::Level::normal);
    result.standing.archive = core::parse_archive(text_at(inquiry, c_archive));
    result.standing.belayed = time_at(c_belayed_at) != 0;
    result.belayed_by = text_at(inquiry, c_belayed_by);
    result.belayed_at = text_at(inquiry, c_belayed_at_text);
    result.standing.would_delete = optional_bool(0, c_would_delete).value_or(false);
    result.standing.intended = optional_bool(0, c_intended).value_or(false);
    result.standing.delay_from = time_at(c_delay_from);
    result.standing.acted_at = time_at(c_acted_at);
    result.standing.retry_after = time_at(c_retry_after);
    result.judged_so = limits_of_row() == result.limits && text_at(inquiry, c_owner) == result.owner_name &&
                       parse_owner(text_at(inquiry, c_owner_kind)) == result.owner;
    if (!result.judged_so && result.standing.archive == core::Archive::withheld) {
        result.standing.archive = core::Archive::none; // as the next poll will have it
    }
    result.growth = DatumGetFloat8(pg::spi_value(0, c_growth, isnull));
    result.incident = text_at(inquiry, c_incident);
    result.incident_size = optional_int8(0, c_incident_size);
    result.incident_at = text_at(inquiry, c_incident_at_text);
    result.would_delete_at = text_at(inquiry, c_would_delete_at_text);
    result.archived = int8_at(c_archived);
    result.archive_retry = text_at(inquiry, c_archive_retry_text);
    result.standing.archive_failures = static_cast<int>(int8_at(c_archive_failures));
    result.intended_at = text_at(inquiry, c_intended_at_text);
    result.intended_for = result.standing.intended ? inquiry.now - time_at(c_intended_at) : 0;
    result.attempts = int8_at(c_attempts);
    result.failed_attempts = int8_at(c_failures);
    result.retry_after = text_at(inquiry, c_retry_after_text);
    result.first_seen = text_at(inquiry, c_first_seen_text);
    result.gone_at = text_at(inquiry, c_gone_at_text);
    inquiry.first_seen = time_at(c_first_seen);
    const Datum incident = pg::spi_value(0, c_incident_uuid, isnull);
    inquiry.in_incident = !isnull;
    if (!isnull) {
        inquiry.thread.incident = *DatumGetUUIDP(incident);
        inquiry.thread.owner = result.owner == core::Owner::person ? result.owner_name : std::string_view{};
        inquiry.thread.belayed_at = time_at(c_belayed_at);
    }
}

// What was said in the thread since the last poll; the next one will hear it.
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
