// Acting, see act.hpp.

#include "guardian/act.hpp"

#include <limits>

#include "core/cadence.hpp"
#include "core/incident_text.hpp"
#include "core/queue_listing.hpp"
#include "core/url.hpp"
#include "guardian/audit.hpp"
#include "guardian/cycle.hpp"
#include "guardian/incident.hpp"
#include "guardian/queue_row.hpp"
#include "guardian/rules.hpp"
#include "pg/memory.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/xact.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

using core::FaultKind;

constexpr std::string_view totals_look = "?disable_stats=true&enable_queue_totals=true&";
constexpr std::string_view names_look = "?disable_stats=true&";

// Only what an earlier transaction has written: its intention is committed, or we would not see it.
pg::Statement committed_intentions(R"(
    SELECT q.vhost, q.name, q.type, q.durable, q.exclusive, q.auto_delete,
           q.arguments::pg_catalog.text, q.incident, q.intended_at, q.attempts, q.failures,
           q.acted_at, p.cycle
    FROM cloudsat.queues AS q
    LEFT JOIN cloudsat.polls AS p ON p.server OPERATOR(pg_catalog.=) q.server
    WHERE q.server OPERATOR(pg_catalog.=) $1
      AND q.intended_at IS NOT NULL
      AND (q.intended_xact IS NULL OR q.intended_xact OPERATOR(pg_catalog.<>) $2::pg_catalog.xid8)
    ORDER BY q.intended_at)",
                                   {TEXTOID, TEXTOID});

pg::Statement withdraw(R"(
    UPDATE cloudsat.queues AS q
    SET intended_at = NULL, intended_xact = NULL, attempts = 0, pending = 'normal'
    WHERE q.server OPERATOR(pg_catalog.=) $1
      AND q.vhost OPERATOR(pg_catalog.=) $2
      AND q.name OPERATOR(pg_catalog.=) $3)",
                       {TEXTOID, TEXTOID, TEXTOID});
pg::Statement fail(R"(
    UPDATE cloudsat.queues AS q
    SET intended_at = NULL, intended_xact = NULL, attempts = 0, pending = 'normal', failures = $4,
           acted_at = coalesce($5, q.acted_at), retry_after = $6
    WHERE q.server OPERATOR(pg_catalog.=) $1
      AND q.vhost OPERATOR(pg_catalog.=) $2
      AND q.name OPERATOR(pg_catalog.=) $3)",
                   {TEXTOID, TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID});
pg::Statement leave_unknown(R"(
    UPDATE cloudsat.queues AS q
    SET attempts = $4, acted_at = $5
    WHERE q.server OPERATOR(pg_catalog.=) $1
      AND q.vhost OPERATOR(pg_catalog.=) $2
      AND q.name OPERATOR(pg_catalog.=) $3)",
                            {TEXTOID, TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID});
pg::Statement bury(R"(
    UPDATE cloudsat.queues AS q
    SET level = 'deleted', pending = 'normal', messages = coalesce($4, q.messages), ready =
           coalesce($5, q.ready), growth = 0, incident = NULL, incident_size = NULL, incident_at =
           NULL, would_delete_at = NULL, intended_at = NULL, intended_xact = NULL, attempts = 0,
           failures = 0, retry_after = NULL, acted_at = coalesce($6, q.acted_at), changed_at = $7,
           gone_at = $7
    WHERE q.server OPERATOR(pg_catalog.=) $1
      AND q.vhost OPERATOR(pg_catalog.=) $2
      AND q.name OPERATOR(pg_catalog.=) $3)",
                   {TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID});
pg::Statement delete_bindings(R"(
    DELETE FROM cloudsat.bindings AS b
    WHERE b.server OPERATOR(pg_catalog.=) $1
      AND b.vhost OPERATOR(pg_catalog.=) $2
      AND b.queue OPERATOR(pg_catalog.=) $3)",
                              {TEXTOID, TEXTOID, TEXTOID});

std::string_view keep(std::pmr::memory_resource* arena, uint64 row, int column) {
    bool isnull = false;
    const Datum value = pg::spi_value(row, column, isnull);
    return isnull ? std::string_view{} : join(arena, {pg::view(value)});
}

std::optional<bool> optional_bool(uint64 row, int column) {
    bool isnull = false;
    const Datum value = pg::spi_value(row, column, isnull);
    return isnull ? std::nullopt : std::optional<bool>(DatumGetBool(value));
}

void read_intention(Intention& intention, uint64 row, std::pmr::memory_resource* arena, TimestampTz now) {
    bool isnull = false;
    intention.vhost = keep(arena, row, 1);
    intention.name = keep(arena, row, 2);
    core::Facts& before = intention.look.before;
    before.type = keep(arena, row, 3);
    before.durable = optional_bool(row, 4);
    before.exclusive = optional_bool(row, 5);
    before.auto_delete = optional_bool(row, 6);
    before.arguments = keep(arena, row, 7);
    const Datum incident = pg::spi_value(row, 8, isnull);
    intention.in_incident = !isnull;
    if (!isnull) {
        intention.incident = *DatumGetUUIDP(incident);
    }
    intention.look.age = now - DatumGetTimestampTz(pg::spi_value(row, 9, isnull));
    intention.attempts = DatumGetInt32(pg::spi_value(row, 10, isnull));
    intention.failures = DatumGetInt32(pg::spi_value(row, 11, isnull));
    const Datum acted_at = pg::spi_value(row, 12, isnull);
    intention.acted_at = isnull ? 0 : DatumGetTimestampTz(acted_at);
    const Datum cycle = pg::spi_value(row, 13, isnull);
    intention.cycle = isnull ? 0 : DatumGetInt64(cycle);
}

// The text that jsonb would print, by which arguments are compared. Needs no transaction.
std::string_view canonical(std::string_view json) {
    if (json.empty()) {
        return {};
    }
    const Datum parsed = DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(json.data(), json.size())));
    return DatumGetCString(DirectFunctionCall1(jsonb_out, parsed));
}

enum class Seen { yes, no, unclear };

// Asks one kind of listing for this one queue.
Seen look_at(Intentions& all, Intention& intention, std::string_view kind) {
    const core::ServerOptions& options = all.server->options;
    const auto base = core::check_base_url(options.management_url, all.arena);
    const auto vhost = core::encode_segment(intention.vhost, all.arena);
    const std::string_view url =
        join(all.arena, {base ? base.value().text : options.management_url, "/api/queues/",
                         vhost.value_or(""), kind, core::look_again_query(intention.name, all.arena)});
    start(*all.http, *all.server, net::Method::get, url, core::Expect::json);
    const net::Reply& reply = finish(*all.http);
    if (reply.kind == FaultKind::not_found) {
        return Seen::no; // the vhost is gone
    }
    if (reply.kind != FaultKind::none) {
        intention.reason = join(all.arena, {reply.error});
        all.unreachable = reply.status == 0;
        return Seen::unclear;
    }
    const auto listing = core::read_queue_listing(reply.json(), all.arena);
    if (!listing) {
        intention.reason = listing.error().detail;
        return Seen::unclear;
    }
    for (const core::QueueRow& row : listing.value().rows) {
        if (row.name == intention.name) {
            core::Facts& seen = intention.look.seen;
            seen.type = row.type;
            seen.state = row.state;
            seen.durable = row.durable;
            seen.exclusive = row.exclusive;
            seen.auto_delete = row.auto_delete;
            seen.arguments = canonical(row.arguments);
            seen.messages = row.messages;
            seen.ready = row.ready;
            return Seen::yes;
        }
    }
    return Seen::no;
}

// Both listings must miss it before it counts as gone.
Seen look_again(Intentions& all, Intention& intention) {
    const Seen with_totals = look_at(all, intention, totals_look);
    if (with_totals == Seen::yes) {
        intention.look.presence = core::Presence::listed;
    }
    if (with_totals != Seen::no) {
        return with_totals;
    }
    const Seen by_name = look_at(all, intention, names_look);
    intention.look.presence = by_name == Seen::yes ? core::Presence::hidden : core::Presence::absent;
    return by_name;
}

void request_deletion(Intentions& all, Intention& intention, std::string_view vhost, std::string_view queue) {
    const core::ServerOptions& options = all.server->options;
    const auto base = core::check_base_url(options.management_url, all.arena);
    const std::string_view url = join(
        all.arena, {base ? base.value().text : options.management_url, "/api/queues/", vhost, "/", queue});
    start(*all.http, *all.server, net::Method::del, url, core::Expect::anything);
    const net::Reply& reply = finish(*all.http);
    intention.reason = join(all.arena, {reply.error});
    switch (core::outcome_of(reply.kind)) {
    case core::Outcome::deleted:
        intention.conclusion = Conclusion::deleted;
        intention.reason = {};
        intention.sent = true;
        break;
    case core::Outcome::failed:
        intention.conclusion = Conclusion::failed;
        intention.sent = true;
        break;
    case core::Outcome::unknown:
        intention.conclusion =
            intention.attempts + 1 < core::most_attempts ? Conclusion::unknown : Conclusion::failed;
        intention.sent = true;
        break;
    case core::Outcome::unsent:
        all.unreachable = true;
        break;
    }
}

} // namespace

Intentions* open_intentions(const Server* server, net::Http& http, MemoryContext context) {
    auto* memory = pg::make<pg::ContextResource>(context, context);
    auto* all = pg::make<Intentions>(context);
    all->server = server;
    all->http = &http;
    all->arena = pg::make<std::pmr::monotonic_buffer_resource>(context, memory);
    pg::make<Hangup>(context, &http);

    pg::spi_begin();
    const FullTransactionId current = GetTopFullTransactionIdIfAny();
    const Datum values[] = {pg::to_text(server->name),
                            pg::to_text(psprintf(UINT64_FORMAT, U64FromFullTransactionId(current)))};
    const uint64 rows = committed_intentions.run(values);
    auto* list =
        static_cast<Intention*>(all->arena->allocate(sizeof(Intention) * rows + 1, alignof(Intention)));
    all->list = {new (list) Intention[rows], rows};
    auto* names = static_cast<QueueName*>(palloc(sizeof(QueueName) * rows + 1));
    const TimestampTz now = GetCurrentTimestamp();
    for (uint64 row = 0; row < rows; ++row) {
        read_intention(all->list[row], row, all->arena, now);
        names[row] = {all->list[row].vhost, all->list[row].name};
    }
    const std::span<Rules> rules = find_rules(*server, {names, rows});
    for (uint64 row = 0; row < rows; ++row) {
        Intention& intention = all->list[row];
        intention.look.limits = rules[row].limits;
        intention.look.owner = rules[row].owner;
        intention.look.enforce = server->options.enforce != 0;
        if (rules[row].owner == core::Owner::person) {
            intention.owner_name = join(all->arena, {rules[row].owner_name});
        }
    }
    pg::spi_end();
    return all;
}

void act(Intentions& all, Intention& intention) {
    // A request whose outcome is unknown may still be under way in the broker.
    if (intention.acted_at != 0 && GetCurrentTimestamp() - intention.acted_at < core::hold_after_action &&
        intention.attempts > 0) {
        return;
    }
    if (const core::Resolution decided = core::resolve_unseen(intention.look);
        decided.resolve == core::Resolve::withdraw && intention.attempts == 0) {
        intention.conclusion = Conclusion::withdrawn;
        intention.reason = decided.reason;
        return;
    }
    const auto vhost = core::encode_segment(intention.vhost, all.arena);
    const auto queue = core::encode_segment(intention.name, all.arena);
    if (!vhost || !queue) {
        intention.conclusion = Conclusion::failed;
        intention.reason = "a name of dots only has no address over HTTP";
        intention.hopeless = true;
        return;
    }
    if (look_again(all, intention) == Seen::unclear) {
        if (intention.look.age > core::oldest_intention && intention.attempts == 0) {
            intention.conclusion = Conclusion::withdrawn;
            intention.reason = "the intention is older than an hour";
        }
        return;
    }
    const core::Resolution resolution = core::resolve(intention.look);
    switch (resolution.resolve) {
    case core::Resolve::gone:
        intention.conclusion = Conclusion::gone;
        intention.reason = "it was gone when looked at again";
        break;
    case core::Resolve::withdraw:
        intention.conclusion = Conclusion::withdrawn;
        intention.reason = resolution.reason;
        break;
    case core::Resolve::proceed:
        request_deletion(all, intention, *vhost, *queue);
        break;
    }
}

void conclude(const Intentions& all, const Intention& intention) {
    if (intention.conclusion == Conclusion::left) {
        return;
    }
    pg::spi_begin();
    const TimestampTz now = GetCurrentTimestamp();
    const Datum server = pg::to_text(all.server->name);
    const Datum vhost = pg::to_text(intention.vhost);
    const Datum name = pg::to_text(intention.name);
    const core::Facts& seen = intention.look.seen;

    core::Incident incident;
    incident.server = all.server->name;
    incident.vhost = intention.vhost;
    incident.queue = intention.name;
    incident.limits = intention.look.limits;
    incident.size = seen.messages;
    const auto reply = [&](core::Disposition disposition, std::string_view text) {
        if (intention.in_incident) {
            reply_in_incident(*all.server, intention.incident, intention.owner_name, disposition, text);
        }
    };

    Audit audit;
    EventLine line{.vhost = intention.vhost,
                   .name = intention.name,
                   .event = Event::deleted,
                   .messages = seen.messages,
                   .incident = intention.in_incident ? &intention.incident : nullptr,
                   .reason = intention.reason,
                   .limits = &intention.look.limits};
    switch (intention.conclusion) {
    case Conclusion::left:
        break;
    case Conclusion::withdrawn: {
        const Datum values[] = {server, vhost, name};
        withdraw.run(values);
        line.event = Event::delete_withdrawn;
        audit.add(line);
        break;
    }
    case Conclusion::deleted:
    case Conclusion::gone: {
        if (intention.conclusion == Conclusion::gone) {
            line.messages.reset(); // nobody knows how many went
            incident.size.reset();
        }
        const Datum values[] = {server,
                                vhost,
                                name,
                                Int64GetDatum(seen.messages.value_or(0)),
                                Int64GetDatum(seen.ready.value_or(0)),
                                TimestampTzGetDatum(now),
                                TimestampTzGetDatum(now)};
        const bool nulls[] = {false, false, false, !seen.messages, !seen.ready, !intention.sent, false};
        bury.run(values, nulls);
        const Datum queue[] = {server, vhost, name};
        delete_bindings.run(queue);
        audit.add(line);
        reply(core::Disposition::end, core::say_deleted(incident, all.arena));
        break;
    }
    case Conclusion::failed: {
        const int failures = intention.failures + 1;
        const TimestampTz retry = intention.hopeless ? DT_NOEND : now + core::retry_wait(failures);
        const Datum values[] = {server,
                                vhost,
                                name,
                                Int32GetDatum(failures),
                                TimestampTzGetDatum(now),
                                TimestampTzGetDatum(retry)};
        const bool nulls[] = {false, false, false, false, !intention.sent, false};
        fail.run(values, nulls);
        line.event = Event::action_failed;
        audit.add(line);
        if (intention.failures == 0) {
            reply(core::Disposition::problem, core::say_failed(incident, intention.reason, all.arena));
        }
        break;
    }
    case Conclusion::unknown: {
        const Datum values[] = {server, vhost, name, Int32GetDatum(intention.attempts + 1),
                                TimestampTzGetDatum(now)};
        leave_unknown.run(values);
        break;
    }
    }
    audit.write(all.server->name, now, intention.cycle);
    pg::spi_end();
}

} // namespace cloudsat::guardian
