// Acting on intentions; see act.hpp.

#include "guardian/act.hpp"

#include <limits>

#include "core/guardian/cadence.hpp"
#include "core/guardian/incident_text.hpp"
#include "core/guardian/queue_detail.hpp"
#include "core/wire/broker_name.hpp"
#include "core/wire/queue_listing.hpp"
#include "core/wire/url.hpp"
#include "guardian/amqp.hpp"
#include "guardian/archive.hpp"
#include "guardian/audit.hpp"
#include "guardian/belay.hpp"
#include "guardian/cycle.hpp"
#include "guardian/incident.hpp"
#include "guardian/outbox.hpp"
#include "guardian/queue_row.hpp"
#include "guardian/result.hpp"
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

constexpr std::string_view totals_look = "disable_stats=true&enable_queue_totals=true&";
constexpr std::string_view names_look = "disable_stats=true&";

// Intentions of earlier transactions only: they are committed, or they would be invisible.
pg::Statement committed_intentions(R"(
    SELECT q.vhost, q.name, q.type, q.durable, q.exclusive, q.auto_delete,
           q.arguments::text, q.incident, q.intended_at, q.attempts, q.failures,
           q.acted_at, p.cycle, q.consumers, q.unacknowledged, q.archived, q.belayed_at,
           q.archive = 'full', q.delay_from,
           q.archive IS NULL OR q.archive = 'withheld', q.archive_failures,
           coalesce(q.archive_at, q.intended_at)
    FROM cloudsat.queues AS q
    LEFT JOIN cloudsat.polls AS p ON p.server = q.server
    WHERE q.server = $1
      AND q.intended_at IS NOT NULL
      AND (q.intended_xact IS NULL OR q.intended_xact <> $2::xid8)
    ORDER BY q.intended_at)",
                                   {TEXTOID, TEXTOID});

pg::Statement withdraw(R"(
    UPDATE cloudsat.queues AS q
    SET intended_at = NULL, intended_xact = NULL, attempts = 0, pending = 'normal', consumers =
           coalesce($4, q.consumers)
    WHERE q.server = $1
      AND q.vhost = $2
      AND q.name = $3)",
                       {TEXTOID, TEXTOID, TEXTOID, INT8OID});
pg::Statement fail(R"(
    UPDATE cloudsat.queues AS q
    SET intended_at = NULL, intended_xact = NULL, attempts = 0, pending = 'normal', failures = $4,
           acted_at = coalesce($5, q.acted_at), retry_after = $6
    WHERE q.server = $1
      AND q.vhost = $2
      AND q.name = $3)",
                   {TEXTOID, TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID});
pg::Statement leave_unknown(R"(
    UPDATE cloudsat.queues AS q
    SET attempts = $4, acted_at = $5
    WHERE q.server = $1
      AND q.vhost = $2
      AND q.name = $3)",
                            {TEXTOID, TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID});
pg::Statement mark_deleted(R"(
    UPDATE cloudsat.queues AS q
    SET level = 'deleted', pending = 'normal', messages = coalesce($4, q.messages), ready =
           coalesce($5, q.ready), growth = 0, incident = NULL, incident_size = NULL, incident_at =
           NULL, belayed_by = NULL, belayed_at = NULL, would_delete_at = NULL, intended_at =
           NULL, intended_xact = NULL, attempts = 0, failures = 0, retry_after = NULL, archive =
           NULL, archive_at = NULL, archived = 0, archive_failures = 0, archive_retry = NULL,
           acted_at = coalesce($6, q.acted_at), changed_at = $7, gone_at = $7
    WHERE q.server = $1
      AND q.vhost = $2
      AND q.name = $3)",
                           {TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID});
pg::Statement delete_bindings(R"(
    DELETE FROM cloudsat.bindings AS b
    WHERE b.server = $1
      AND b.vhost = $2
      AND b.queue = $3)",
                              {TEXTOID, TEXTOID, TEXTOID});

void read_intention(Intention& intention, uint64 row, std::pmr::memory_resource* arena, TimestampTz now) {
    bool isnull = false;
    intention.vhost = kept_text(arena, row, 1);
    intention.name = kept_text(arena, row, 2);
    core::Facts& before = intention.look.before;
    before.type = kept_text(arena, row, 3);
    before.durable = optional_bool(row, 4);
    before.exclusive = optional_bool(row, 5);
    before.auto_delete = optional_bool(row, 6);
    before.arguments = kept_text(arena, row, 7);
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
    before.consumers = optional_int8(row, 14);
    before.unacknowledged = optional_int8(row, 15);
    intention.archived = optional_int8(row, 16).value_or(0);
    const Datum belayed_at = pg::spi_value(row, 17, isnull);
    intention.belayed_at = isnull ? 0 : DatumGetTimestampTz(belayed_at);
    intention.archive_full = optional_bool(row, 18).value_or(false);
    const Datum delay_from = pg::spi_value(row, 19, isnull);
    intention.delay_from = isnull ? 0 : DatumGetTimestampTz(delay_from);
    intention.archive_idle = DatumGetBool(pg::spi_value(row, 20, isnull));
    intention.archive_failures = DatumGetInt32(pg::spi_value(row, 21, isnull));
    intention.archive_at = DatumGetTimestampTz(pg::spi_value(row, 22, isnull));
}

enum class Seen { yes, no, unclear };

// Requests one kind of listing for this queue.
Seen look_at(Intentions& all, Intention& intention, std::string_view kind) {
    const Api api(*all.server, all.arena);
    const std::string_view url = api.queue_row_url(intention.vhost, intention.name, kind);
    start(*all.http, *all.server, net::Method::get, url, core::Expect::json);
    const net::Reply& reply = finish(*all.http);
    if (reply.kind == FaultKind::not_found) {
        return Seen::no; // the vhost does not exist
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
        if (row.name == intention.name && (row.vhost.empty() || row.vhost == intention.vhost)) {
            core::Facts& seen = intention.look.seen;
            seen.type = row.type;
            seen.state = row.state;
            seen.durable = row.durable;
            seen.exclusive = row.exclusive;
            seen.auto_delete = row.auto_delete;
            seen.arguments = canonical_json(row.arguments);
            seen.messages = row.messages;
            seen.ready = row.ready;
            seen.unacknowledged = row.unacknowledged;
            return Seen::yes;
        }
    }
    return Seen::no;
}

// The queue is gone only if both listings miss it.
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

// Empty if the queue has no address over HTTP.
std::string_view url_of(const Intentions& all, const Intention& intention) {
    return Api(*all.server, all.arena).queue_url(intention.vhost, intention.name);
}

// Number of consumers from the queue's own document; nothing if it lacks them.
std::optional<std::int64_t> consumers_over_http(Intentions& all, const Intention& intention) {
    const std::string_view url = url_of(all, intention);
    if (url.empty()) {
        return std::nullopt;
    }
    start(*all.http, *all.server, net::Method::get, url, core::Expect::json);
    const net::Reply& reply = finish(*all.http);
    if (reply.kind != FaultKind::none) {
        return std::nullopt;
    }
    const auto document = core::read_queue_detail(reply.json(), all.arena);
    return document ? document.value().facts.consumers : std::nullopt;
}

bool connect_amqp(Intentions& all, const Intention& intention) {
    if (all.amqp == nullptr) {
        return false;
    }
    if (!all.amqp->connection.connected() || all.vhost != intention.vhost) {
        disconnect(all);
        if (!connect(*all.amqp, *all.server, intention.vhost, all.server->options.timeout)) {
            all.amqp = nullptr; // HTTP must do
            return false;
        }
        all.vhost = intention.vhost;
    }
    return true;
}

// A request over AMQP counts as use of a classic queue, and would delay the expiry of the queue.
bool expires(const Intention& intention) {
    return intention.look.seen.arguments.find("\"x-expires\"") != std::string_view::npos;
}

// Gets the latest numbers. False if the conclusion is already drawn.
bool look_closer(Intentions& all, Intention& intention) {
    core::Facts& seen = intention.look.seen;
    if (!expires(intention) && connect_amqp(all, intention)) {
        all.amqp->connection.start_count(core::name_of_text(intention.name, all.arena));
        if (finish(*all.amqp)) {
            // Only the listing reports messages held by consumers; it is up to 5 s old for quorum queues.
            seen.ready = all.amqp->connection.count().ready;
            seen.messages = all.amqp->connection.count().ready + seen.unacknowledged.value_or(0);
            seen.consumers = all.amqp->connection.count().consumers;
            return true;
        }
        const net::AmqpFault& fault = all.amqp->connection.fault();
        if (fault.kind == FaultKind::forbidden || fault.kind == FaultKind::not_found) {
            // It is exclusive to one connection; or it is listed but unavailable, because its process or node
            // is down.
            intention.conclusion =
                fault.kind == FaultKind::forbidden ? Conclusion::failed : Conclusion::withdrawn;
            intention.reason = join(all.arena, {fault.text});
            return false;
        }
        all.amqp = nullptr; // HTTP must do
    }
    if (const auto consumers = consumers_over_http(all, intention)) {
        seen.consumers = consumers;
    }
    return true;
}

// Archiving was withheld, or has not begun: checks whether it may take messages now.
bool is_to_be_archived(Intentions& all, const Intention& intention) {
    if (!intention.archive_idle || !intention.look.limits.archive_size ||
        all.server->options.amqp_url.empty()) {
        return false;
    }
    ArchiveQueue queue;
    queue.vhost = intention.vhost;
    queue.name = intention.name;
    queue.before = intention.look.before;
    queue.limits = intention.look.limits;
    queue.by_policy = intention.archived_by_policy;
    queue.failures = intention.archive_failures;
    queue.at = intention.archive_at;
    return may_be_archived(*all.server, *all.http, all.vhost, all.arena, queue);
}

// The outcome of a request that ended in such a fault.
void judge_outcome(Intentions& all, Intention& intention, FaultKind kind, std::string_view words) {
    intention.reason = join(all.arena, {words});
    switch (core::outcome_of(kind)) {
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

// Over AMQP, the broker reports the number of deleted messages.
void request_deletion(Intentions& all, Intention& intention) {
    if (connect_amqp(all, intention)) {
        all.amqp->connection.start_remove(core::name_of_text(intention.name, all.arena));
        if (finish(*all.amqp)) {
            core::Facts& seen = intention.look.seen;
            seen.ready = all.amqp->connection.removed();
            seen.messages = all.amqp->connection.removed() + seen.unacknowledged.value_or(0);
        }
        judge_outcome(all, intention, all.amqp->connection.fault().kind, all.amqp->connection.fault().text);
        return;
    }
    const std::string_view url = url_of(all, intention);
    if (url.empty()) {
        intention.conclusion = Conclusion::failed;
        intention.reason = "it can be deleted only over AMQP, and the broker could not be reached over AMQP";
        return;
    }
    start(*all.http, *all.server, net::Method::del, url, core::Expect::anything);
    const net::Reply& reply = finish(*all.http);
    judge_outcome(all, intention, reply.kind, reply.error);
}

// Which of them are on hold now, by the replies on the board.
void hear(const Server& server, std::span<Intention> list) {
    auto* threads = static_cast<OpenThread*>(palloc(sizeof(OpenThread) * list.size() + 1));
    std::size_t count = 0;
    for (const Intention& intention : list) {
        if (intention.in_incident) {
            new (&threads[count++]) OpenThread{.incident = intention.incident,
                                               .owner = intention.owner_name,
                                               .belayed_at = intention.belayed_at};
        }
    }
    listen(server, {threads, count});
    const OpenThread* next = threads;
    for (Intention& intention : list) {
        intention.look.belayed = intention.in_incident && next++->is_belayed();
    }
}

bool archive_has_room(const Server& server, const Intention& intention) {
    const core::Limits& limits = intention.look.limits;
    return limits.archive_size &&
           (!limits.max_archive_size ||
            core::has_room(
                limits, count_archived(server, intention.vhost, intention.name, *limits.max_archive_size)));
}

// The present state on this side: limits, owners, the board.
void consult(const Intentions& all, std::span<Intention> list) {
    auto* names = static_cast<QueueName*>(palloc(sizeof(QueueName) * list.size() + 1));
    for (std::size_t i = 0; i < list.size(); ++i) {
        names[i] = {list[i].vhost, list[i].name};
    }
    const std::span<Rules> rules = find_rules(*all.server, {names, list.size()});
    for (std::size_t i = 0; i < list.size(); ++i) {
        Intention& intention = list[i];
        intention.look.limits = rules[i].limits;
        intention.look.owner = rules[i].owner;
        intention.look.watched = watches(*all.server, intention.vhost);
        intention.look.archives = all.archives;
        intention.archived_by_policy = rules[i].archived_by_policy;
        intention.look.enforce = all.server->options.enforce != 0;
        intention.look.delay = core::delay_left(rules[i].limits, intention.delay_from, GetCurrentTimestamp());
        intention.look.archive_resumes = intention.archive_full && archive_has_room(*all.server, intention);
        if (rules[i].owner == core::Owner::person) {
            intention.owner_name = join(all.arena, {rules[i].owner_name});
        }
    }
    hear(*all.server, list);
}

} // namespace

Intentions* open_intentions(const Server* server, net::Http& http, MemoryContext context, ActedBy by) {
    auto* memory = pg::make<pg::ContextResource>(context, context);
    auto* all = pg::make<Intentions>(context);
    all->server = server;
    all->http = &http;
    all->archives = by == ActedBy::guard;
    all->arena = pg::make<std::pmr::monotonic_buffer_resource>(context, memory);
    pg::make<Hangup>(context, &http);
    if (!server->options.amqp_url.empty()) {
        all->amqp = &amqp_of_process();
        pg::make<AmqpHangup>(context, all->amqp);
    }

    pg::spi_begin();
    const FullTransactionId current = GetTopFullTransactionIdIfAny();
    const Datum values[] = {pg::to_text(server->name),
                            pg::to_text(psprintf(UINT64_FORMAT, U64FromFullTransactionId(current)))};
    const uint64 rows = committed_intentions.run(values);
    auto* list =
        static_cast<Intention*>(all->arena->allocate(sizeof(Intention) * rows + 1, alignof(Intention)));
    all->list = {new (list) Intention[rows], rows};
    const TimestampTz now = GetCurrentTimestamp();
    for (uint64 row = 0; row < rows; ++row) {
        read_intention(all->list[row], row, all->arena, now);
    }
    consult(*all, all->list);
    pg::spi_end();
    return all;
}

void look(Intentions& all, Intention& intention) {
    // A request with unknown outcome may still be in progress in the broker.
    if (intention.acted_at != 0 && GetCurrentTimestamp() - intention.acted_at < core::hold_after_action &&
        intention.attempts > 0) {
        return;
    }
    if (const core::Resolution decided = core::resolve_unseen(intention.look);
        decided.resolve == core::Resolve::withdraw && intention.attempts == 0) {
        intention.conclusion = Conclusion::withdrawn;
        intention.reason = decided.reason == core::reason_of(core::Blocker::not_enforced)
                               ? all.server->why_not
                               : decided.reason;
        return;
    }
    if (url_of(all, intention).empty() && all.server->options.amqp_url.empty()) {
        intention.conclusion = Conclusion::failed;
        intention.reason = core::no_address;
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
    core::Resolution resolution = core::resolve(intention.look);
    if (resolution.resolve == core::Resolve::proceed) {
        if (!look_closer(all, intention)) {
            return;
        }
        resolution = core::resolve(intention.look);
        if (resolution.resolve == core::Resolve::proceed && is_to_be_archived(all, intention)) {
            resolution = {core::Resolve::withdraw, core::reason_of(core::Blocker::archive_first)};
        }
    }
    switch (resolution.resolve) {
    case core::Resolve::gone:
        intention.conclusion = Conclusion::gone;
        intention.reason = "it was gone at the second look";
        break;
    case core::Resolve::withdraw:
        intention.conclusion = Conclusion::withdrawn;
        intention.reason = resolution.reason;
        break;
    case core::Resolve::proceed:
        intention.due = true;
        break;
    }
}

void reconsider(const Intentions& all, Intention& intention) {
    if (!intention.due) {
        return;
    }
    pg::spi_begin();
    consult(all, {&intention, 1});
    pg::spi_end();
    if (const core::Resolution decided = core::resolve(intention.look);
        decided.resolve != core::Resolve::proceed) {
        intention.due = false;
        intention.conclusion = Conclusion::withdrawn;
        intention.reason = decided.reason;
    }
}

void act(Intentions& all, Intention& intention) {
    if (!intention.due || (all.called_off != nullptr && all.called_off())) {
        return; // the next look decides by the state then
    }
    request_deletion(all, intention);
}

namespace {

// The outcome of an intention, for the tables, the board and the mail.
struct Record {
    const Intentions& all;
    const Intention& intention;
    TimestampTz now;
    Datum server, vhost, name;
    core::Incident incident;
    EventLine line;
    Audit audit;
};
static_assert(pg::Plain<Record>);

Record record_of(const Intentions& all, const Intention& intention) {
    Record r{.all = all,
             .intention = intention,
             .now = GetCurrentTimestamp(),
             .server = pg::to_text(all.server->name),
             .vhost = pg::to_text(intention.vhost),
             .name = pg::to_text(intention.name),
             .incident = {},
             .line = {.vhost = intention.vhost,
                      .name = intention.name,
                      .event = Event::deleted,
                      .messages = intention.look.seen.messages,
                      .incident = intention.in_incident ? &intention.incident : nullptr,
                      .reason = intention.reason,
                      .limits = &intention.look.limits},
             .audit = {}};
    r.incident.server = all.server->name;
    r.incident.vhost = intention.vhost;
    r.incident.queue = intention.name;
    r.incident.limits = intention.look.limits;
    r.incident.size = intention.look.seen.messages;
    return r;
}

// Returns the addresses that were notified.
Addresses reply(const Record& r, core::Disposition disposition, std::string_view text) {
    return r.intention.in_incident ? reply_in_incident(*r.all.server, r.intention.incident,
                                                       r.intention.owner_name, disposition, text)
                                   : owners_of(*r.all.server, r.intention.owner_name);
}

void record_withdrawn(Record& r) {
    const auto& consumers = r.intention.look.seen.consumers;
    const Datum values[] = {r.server, r.vhost, r.name, Int64GetDatum(consumers.value_or(0))};
    const bool nulls[] = {false, false, false, !consumers};
    withdraw.run(values, nulls);
    r.line.event = Event::delete_withdrawn;
    r.audit.add(r.line);
}

void mail_deletion(const Record& r, Addresses told) {
    const Intention& intention = r.intention;
    const std::string_view thread =
        intention.in_incident ? thread_name(intention.incident, r.all.arena) : std::string_view{};
    Outbox outbox;
    for (const std::string_view recipient : told) {
        outbox.add({.kind = core::NoticeKind::deleted,
                    .recipient = recipient,
                    .vhost = intention.vhost,
                    .queue = intention.name,
                    .messages = r.incident.size,
                    .incident = r.line.incident,
                    .text = core::mail_deleted(r.incident, thread, r.all.arena)});
    }
    outbox.write(*r.all.server, r.now);
}

void record_deleted(Record& r) {
    const Intention& intention = r.intention;
    const core::Facts& seen = intention.look.seen;
    if (intention.conclusion == Conclusion::gone) {
        r.line.messages.reset(); // the number of deleted messages is unknown
        r.incident.size.reset();
    }
    const Datum values[] = {r.server,
                            r.vhost,
                            r.name,
                            Int64GetDatum(seen.messages.value_or(0)),
                            Int64GetDatum(seen.ready.value_or(0)),
                            TimestampTzGetDatum(r.now),
                            TimestampTzGetDatum(r.now)};
    const bool nulls[] = {false, false, false, !seen.messages, !seen.ready, !intention.sent, false};
    mark_deleted.run(values, nulls);
    const Datum queue[] = {r.server, r.vhost, r.name};
    delete_bindings.run(queue);
    if (intention.archived > 0) {
        EventLine archived = r.line;
        archived.event = Event::archived;
        archived.messages = intention.archived;
        archived.reason = {};
        archived.limits = nullptr;
        r.audit.add(archived);
        reply(r, core::Disposition::info, core::say_archived(r.incident, intention.archived, r.all.arena));
    }
    r.audit.add(r.line);
    mail_deletion(r, reply(r, core::Disposition::end, core::say_deleted(r.incident, r.all.arena)));
}

void record_failed(Record& r) {
    const int failures = r.intention.failures + 1;
    const TimestampTz retry =
        r.now + (r.intention.hopeless ? core::hopeless_wait : core::retry_wait(failures));
    const Datum values[] = {r.server,
                            r.vhost,
                            r.name,
                            Int32GetDatum(failures),
                            TimestampTzGetDatum(r.now),
                            TimestampTzGetDatum(retry)};
    const bool nulls[] = {false, false, false, false, !r.intention.sent, false};
    fail.run(values, nulls);
    r.line.event = Event::action_failed;
    r.audit.add(r.line);
    if (failures == 1) {
        reply(r, core::Disposition::problem, core::say_failed(r.incident, r.intention.reason, r.all.arena));
    }
}

void record_unknown(const Record& r) {
    const Datum values[] = {r.server, r.vhost, r.name, Int32GetDatum(r.intention.attempts + 1),
                            TimestampTzGetDatum(r.now)};
    leave_unknown.run(values);
}

} // namespace

void conclude(const Intentions& all, const Intention& intention) {
    if (intention.conclusion == Conclusion::left) {
        return;
    }
    pg::spi_begin();
    Record record = record_of(all, intention);
    switch (intention.conclusion) {
    case Conclusion::left:
        break;
    case Conclusion::withdrawn:
        record_withdrawn(record);
        break;
    case Conclusion::deleted:
    case Conclusion::gone:
        record_deleted(record);
        break;
    case Conclusion::failed:
        record_failed(record);
        break;
    case Conclusion::unknown:
        record_unknown(record);
        break;
    }
    record.audit.write(all.server->name, record.now, intention.cycle);
    pg::spi_end();
}

void disconnect(Intentions& all) {
    if (all.amqp != nullptr) {
        all.amqp->connection.start_close();
        finish(*all.amqp);
        all.vhost = {};
    }
}

} // namespace cloudsat::guardian
