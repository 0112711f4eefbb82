// Archiving; see archive.hpp.

#include "guardian/archive.hpp"

#include <algorithm>

#include "board/append.hpp"
#include "core/guardian/cadence.hpp"
#include "core/guardian/incident_text.hpp"
#include "core/guardian/queue_detail.hpp"
#include "core/wire/amqp_properties.hpp"
#include "core/wire/broker_name.hpp"
#include "core/wire/url.hpp"
#include "guardian/amqp.hpp"
#include "guardian/audit.hpp"
#include "guardian/belay.hpp"
#include "guardian/cycle.hpp"
#include "guardian/incident.hpp"
#include "guardian/result.hpp"
#include "guardian/rules.hpp"
#include "pg/memory.hpp"
#include "pg/names.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "commands/sequence.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

using core::FaultKind;

constexpr std::int64_t shortest_pass = core::micros_per_second;
// Reply timeout while taking messages; after it, this pass is over for the broker.
constexpr std::int64_t reply_timeout = 10 * core::micros_per_second;

// Bytes in flight: enough to keep the broker busy while a batch is committed, but little enough that a crash
// on either side repeats few messages, and that large messages do not fill the broker's memory.
constexpr std::int64_t bytes_on_their_way = 4 * 1024 * 1024;
constexpr std::int64_t most_gets = 100;
constexpr std::int64_t most_deliveries = 1000;
constexpr std::int64_t first_messages = 20;

// Statistics on consumers and policies lag up to 10 s. If they are missing for this long, the broker does not
// report them at all.
constexpr std::int64_t latest_statistics = 60 * core::micros_per_second;

pg::Statement overgrown_queues(R"(
    SELECT q.vhost, q.name, q.type, q.durable, q.exclusive, q.auto_delete,
           q.arguments::text, q.incident, q.archived > 0,
           q.archive_failures, p.cycle, q.belayed_at, q.archive = 'withheld', q.archive_at,
           q.pending = 'deleted' AND NOT q.unbounded
    FROM cloudsat.queues AS q
    LEFT JOIN cloudsat.polls AS p ON p.server = q.server
    WHERE q.server = $1
      AND q.archive = ANY (ARRAY['on', 'withheld'])
      AND (q.archive = 'on' OR q.pending >= 'archiving')
      AND q.intended_at IS NULL
      AND q.gone_at IS NULL
      AND (q.archive_retry IS NULL OR q.archive_retry <= $2
           -- the next poll may decide to delete it, so a last attempt comes first
           OR (q.archive_failures >= $3 AND q.archive = 'on'
               AND q.pending = 'deleted' AND NOT q.unbounded))
    ORDER BY q.vhost, q.name)",
                               {TEXTOID, TIMESTAMPTZOID, INT4OID});

pg::Statement stored_messages(R"(
    SELECT count(*)
    FROM (SELECT FROM cloudsat.archived_messages AS m
          WHERE m.server = $1
            AND m.vhost = $2
            AND m.queue = $3
          LIMIT $4) AS s)",
                              {TEXTOID, TEXTOID, TEXTOID, INT8OID});

pg::Statement note_archived(R"(
    UPDATE cloudsat.queues AS q
    SET archived = q.archived + $4, archive_at = $5,
           archive_failures = 0, archive_retry = NULL
    WHERE q.server = $1
      AND q.vhost = $2
      AND q.name = $3)",
                            {TEXTOID, TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID});
pg::Statement note_small(R"(
    UPDATE cloudsat.queues AS q
    SET acted_at = $4, archive = NULL
    WHERE q.server = $1
      AND q.vhost = $2
      AND q.name = $3)",
                         {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID});
pg::Statement note_state(R"(
    UPDATE cloudsat.queues AS q
    SET archive = $4, archive_at = $5
    WHERE q.server = $1
      AND q.vhost = $2
      AND q.name = $3)",
                         {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID});
pg::Statement note_failure(R"(
    UPDATE cloudsat.queues AS q
    SET archive_failures = $4, archive_retry = $5
    WHERE q.server = $1
      AND q.vhost = $2
      AND q.name = $3)",
                           {TEXTOID, TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID});

pg::Statement last_withheld(R"(
    SELECT e.detail ->> 'reason'
    FROM cloudsat.queue_events AS e
    WHERE e.server = $1
      AND e.vhost = $2
      AND e.name = $3
      AND e.event = 'archive_withheld'
    ORDER BY e.id DESC LIMIT 1)",
                            {TEXTOID, TEXTOID, TEXTOID});

pg::Name archive_table(pg::Name::Kind::table, "archived_messages");
pg::Name archive_sequence(pg::Name::Kind::table, "archived_messages_id_seq");

void read_queue(ArchiveQueue& queue, uint64 row, std::pmr::memory_resource* arena) {
    bool isnull = false;
    queue.vhost = kept_text(arena, row, 1);
    queue.name = kept_text(arena, row, 2);
    queue.before.type = kept_text(arena, row, 3);
    queue.before.durable = optional_bool(row, 4);
    queue.before.exclusive = optional_bool(row, 5);
    queue.before.auto_delete = optional_bool(row, 6);
    queue.before.arguments = kept_text(arena, row, 7);
    const Datum incident = pg::spi_value(row, 8, isnull);
    queue.in_incident = !isnull;
    if (!isnull) {
        queue.incident = *DatumGetUUIDP(incident);
    }
    queue.begun = DatumGetBool(pg::spi_value(row, 9, isnull));
    queue.failures = DatumGetInt32(pg::spi_value(row, 10, isnull));
    const Datum cycle = pg::spi_value(row, 11, isnull);
    queue.cycle = isnull ? 0 : DatumGetInt64(cycle);
    const Datum belayed_at = pg::spi_value(row, 12, isnull);
    queue.belayed_at = isnull ? 0 : DatumGetTimestampTz(belayed_at);
    queue.withheld = DatumGetBool(pg::spi_value(row, 13, isnull));
    const Datum at = pg::spi_value(row, 14, isnull);
    queue.at = isnull ? 0 : DatumGetTimestampTz(at);
    queue.at_stake = DatumGetBool(pg::spi_value(row, 15, isnull));
}

bool is_belayed(const Server& server, const ArchiveQueue& queue) {
    return queue.in_incident && is_belayed(server, {.incident = queue.incident,
                                                    .owner = queue.owner_name,
                                                    .belayed_at = queue.belayed_at});
}

// The queues to archive, by the limits in force now: the judge may have used older ones.
std::span<ArchiveQueue> choose(const Server& server, std::pmr::memory_resource* arena, TimestampTz now) {
    const Datum values[] = {pg::to_text(server.name), TimestampTzGetDatum(now),
                            Int32GetDatum(core::archive_failures_for_good)};
    const uint64 rows = overgrown_queues.run(values);
    if (rows == 0) {
        return {};
    }
    auto* list =
        static_cast<ArchiveQueue*>(arena->allocate(sizeof(ArchiveQueue) * rows, alignof(ArchiveQueue)));
    auto* names = static_cast<QueueName*>(palloc(sizeof(QueueName) * rows));
    new (list) ArchiveQueue[rows];
    for (uint64 row = 0; row < rows; ++row) {
        read_queue(list[row], row, arena);
        names[row] = {list[row].vhost, list[row].name};
    }
    const std::span<Rules> rules = find_rules(server, {names, rows});
    uint64 chosen = 0;
    for (uint64 row = 0; row < rows; ++row) {
        const Rules& rule = rules[row];
        if (!rule.limits.archive_size || rule.limits.exempt || rule.owner == core::Owner::reserved ||
            !watches(server, list[row].vhost)) {
            continue; // the judge will end it
        }
        ArchiveQueue& queue = list[chosen];
        queue = list[row];
        queue.limits = rule.limits;
        queue.by_policy = rule.archived_by_policy;
        if (rule.owner == core::Owner::person) {
            queue.owner_name = join(arena, {rule.owner_name});
        }
        chosen += is_belayed(server, queue) ? 0 : 1;
    }
    return {list, chosen};
}

void conclude(ArchiveQueue& queue, ArchiveOutcome outcome, std::string_view reason = {}) {
    queue.outcome = outcome;
    queue.reason = reason;
}

bool statistics_may_be_late(const ArchiveQueue& queue) {
    return GetCurrentTimestamp() < queue.at + latest_statistics;
}

// The statistics lack the needed data: waits for them first, then withholds archiving.
void await_statistics(ArchiveQueue& queue, std::string_view reason) {
    const bool told = queue.withheld || statistics_may_be_late(queue);
    conclude(queue, told ? ArchiveOutcome::passed : ArchiveOutcome::withheld, reason);
}

void fail(Archiving& a, ArchiveQueue& queue, std::string_view reason) {
    conclude(queue, ArchiveOutcome::failed, join(a.arena, {reason}));
}

void fail_by_amqp(Archiving& a, ArchiveQueue& queue) {
    a.vhost = {};
    fail(a, queue, a.amqp->connection.fault().text);
    a.unreachable = core::nobody_to_ask(a.amqp->connection.fault().kind) ? queue.reason : std::string_view{};
}

// Prefetch: as many messages as fill a few megabytes.
std::uint16_t window_for(std::int64_t average_bytes, net::Taking way) {
    const std::int64_t most = way == net::Taking::get ? most_gets : most_deliveries;
    return static_cast<std::uint16_t>(std::clamp<std::int64_t>(bytes_on_their_way / average_bytes, 1, most));
}

// Average size of a message by the statistics; 0 if they lack it, as they lag up to 10 s.
std::int64_t average_of(const core::QueueDetail& detail) {
    const std::int64_t ready = detail.facts.ready.value_or(0);
    return detail.ready_bytes && ready > 0 ? std::max<std::int64_t>(*detail.ready_bytes / ready, 1) : 0;
}

std::int64_t average_of(std::span<const net::Delivery> batch) {
    std::size_t bytes = 0;
    for (const net::Delivery& message : batch) {
        bytes += message.body_size + message.properties.size();
    }
    return std::max<std::int64_t>(static_cast<std::int64_t>(bytes / batch.size()), 1);
}

// The queue's own document; or, without an address over HTTP, a page of a listing with its row.
std::string_view url_of(const Archiving& a, const ArchiveQueue& queue) {
    constexpr std::string_view columns =
        "columns=name,vhost,type,state,durable,exclusive,auto_delete,messages,messages_ready,"
        "messages_unacknowledged,message_bytes_ready,consumers,consumer_details,exclusive_consumer_tag,"
        "arguments,effective_policy_definition&";
    const Api api(*a.server, a.arena);
    const std::string_view own = api.queue_url(queue.vhost, queue.name);
    return !own.empty() ? own : api.queue_row_url(queue.vhost, queue.name, columns);
}

// Reads the queue's own document to find out whether messages may be taken. Needs no connection to the queue,
// so it disturbs nothing.
void look(Archiving& a, ArchiveQueue& queue) {
    start(*a.http, *a.server, net::Method::get, url_of(a, queue), core::Expect::json);
    const net::Reply& reply = finish(*a.http);
    if (reply.kind == FaultKind::not_found) {
        conclude(queue, ArchiveOutcome::passed); // the next poll will show what happened to it
        return;
    }
    if (reply.kind != FaultKind::none) {
        fail(a, queue, reply.error);
        a.unreachable = reply.status == 0 ? queue.reason : std::string_view{};
        return;
    }
    const auto document = core::read_queue_detail(reply.json(), a.arena, queue.vhost, queue.name);
    if (!document && document.error().kind == FaultKind::not_found) {
        conclude(queue, ArchiveOutcome::passed);
        return;
    }
    if (!document) {
        fail(a, queue, document.error().detail);
        return;
    }
    const core::QueueDetail& detail = document.value();
    queue.seen = detail.facts;
    queue.seen.arguments = canonical_json(detail.facts.arguments);
    if (core::liveness_of(queue.seen.state) == core::Liveness::dead ||
        core::declared_differently(queue.before, queue.seen)) {
        conclude(queue, ArchiveOutcome::passed);
        return;
    }
    if (const std::string_view reason = core::reason_to_stand_back(detail, queue.by_policy);
        !reason.empty()) {
        conclude(queue, ArchiveOutcome::withheld, reason);
        return;
    }
    if (!detail.policies_told) {
        await_statistics(queue, "the broker does not report which policies apply to it");
        return;
    }
    // A quorum queue writes to the disks of all members when it answers a get. The reasons against a consumer
    // do not apply to it: it cannot be exclusive, and is not deleted with its last consumer.
    const bool quorum = queue.seen.type == "quorum";
    if (quorum && queue.failures >= core::most_failures_of_quorum) {
        conclude(queue, ArchiveOutcome::withheld,
                 "attempts have failed, and each brings its messages closer to the delivery limit");
        return;
    }
    queue.way = quorum ? net::Taking::consume : net::Taking::get;
    queue.average_bytes = average_of(detail);
    queue.consumers_told = detail.consumers_told;
}

// Connects to the queue's virtual host and counts the present messages.
bool count_messages(Archiving& a, ArchiveQueue& queue) {
    if (!a.amqp->connection.connected() || a.vhost != queue.vhost) {
        a.amqp->connection.start_close();
        finish(*a.amqp);
        if (!connect(*a.amqp, *a.server, queue.vhost, reply_timeout)) {
            fail_by_amqp(a, queue);
            return false;
        }
        a.vhost = queue.vhost;
    }
    a.amqp->connection.start_count(core::name_of_text(queue.name, a.arena));
    if (!finish(*a.amqp)) {
        fail_by_amqp(a, queue);
        return false;
    }
    return true;
}

// Begins to take the excess messages.
void begin_round(Archiving& a, ArchiveQueue& queue) {
    if (!count_messages(a, queue)) {
        return;
    }
    const net::QueueCount count = a.amqp->connection.count();
    // A recent consumer may want the queue for itself, and the statistics do not show it yet. A quorum queue
    // keeps counting the archive's own consumer of the last round for some seconds; if another client has it
    // exclusively, the start of the consumer fails.
    const bool ours = queue.way == net::Taking::consume && queue.taken;
    if (count.consumers > queue.consumers_told.value_or(0) && !ours) {
        await_statistics(queue, "the broker does not report whether a consumer is exclusive");
        return;
    }
    const std::int64_t held =
        queue.limits.basis == core::Basis::total ? queue.seen.unacknowledged.value_or(0) : 0;
    queue.size = count.ready + held;
    const std::int64_t surplus =
        std::min(count.ready, queue.size - core::rearm_size(queue.limits.archive_size.value_or(0)));
    if (count.ready == 0 && queue.size > core::rearm_size(queue.limits.archive_size.value_or(0))) {
        conclude(queue, queue.taken ? ArchiveOutcome::passed : ArchiveOutcome::withheld,
                 "consumers hold all of its messages, so none can be taken");
        return;
    }
    if (surplus <= 0) {
        conclude(queue, queue.taken ? ArchiveOutcome::small : ArchiveOutcome::passed);
        return;
    }
    std::int64_t most = surplus;
    if (queue.limits.max_archive_size) {
        most = std::min(most, *queue.limits.max_archive_size - queue.stored);
        if (most <= 0) {
            conclude(queue, ArchiveOutcome::full);
            return;
        }
    }
    if (queue.withheld) {
        conclude(queue, ArchiveOutcome::resumed);
        return;
    }
    // If the size of messages is unknown, takes a few first.
    const bool known = queue.average_bytes > 0;
    if (!known) {
        most = std::min(most, first_messages);
    }
    const std::uint16_t window =
        known ? window_for(queue.average_bytes, queue.way) : static_cast<std::uint16_t>(first_messages);
    a.amqp->consumer.start(core::name_of_text(queue.name, a.arena), queue.way, window,
                           static_cast<std::uint64_t>(most));
    if (!finish(*a.amqp)) {
        fail_by_amqp(a, queue);
    }
}

// One batch; true if it has messages.
bool take_batch(Archiving& a, ArchiveQueue& queue) {
    net::BatchLimits limits;
    limits.lead = VARHDRSZ;
    a.amqp->consumer.start_batch(limits, a.batch_memory);
    if (!finish(*a.amqp)) {
        fail_by_amqp(a, queue);
        return false;
    }
    return !a.amqp->consumer.batch().empty();
}

bool is_late(const Archiving& a) {
    return GetCurrentTimestamp() >= a.end;
}

core::Incident incident_of(const Archiving& a, const ArchiveQueue& queue) {
    core::Incident incident;
    incident.server = a.server->name;
    incident.vhost = queue.vhost;
    incident.queue = queue.name;
    incident.size = queue.size;
    incident.limits = queue.limits;
    incident.enforce = true;
    return incident;
}

// The changes of one queue in one transaction.
class ChangeWriter {
public:
    ChangeWriter(Archiving& a, ArchiveQueue& queue) : a_(a), queue_(queue), now_(GetCurrentTimestamp()) {}

    void write() {
        pg::spi_begin();
        if (!a_.amqp->consumer.batch().empty()) {
            note_batch();
            queue_.belayed = is_belayed(*a_.server, queue_);
        }
        switch (queue_.outcome) {
        case ArchiveOutcome::none:
        case ArchiveOutcome::passed:
            break;
        case ArchiveOutcome::small: { // so it ends; listings may show stale numbers for a while
            const Datum values[] = {server(), vhost(), name(), TimestampTzGetDatum(now_)};
            note_small.run(values);
            break;
        }
        case ArchiveOutcome::full:
            state("full");
            event(Event::archive_full, &queue_.limits);
            reply(core::Disposition::problem, core::say_archive_full(incident(), a_.arena));
            break;
        case ArchiveOutcome::withheld:
            state("withheld");
            if (queue_.withheld) { // which was reported
                if (reason_withheld(*a_.server, queue_.vhost, queue_.name, a_.arena, Sight::latest) !=
                    queue_.reason) {
                    event(Event::archive_withheld, &queue_.limits);
                }
                break;
            }
            event(Event::archive_withheld, &queue_.limits);
            reply(core::Disposition::info, core::say_archive_withheld(incident(), queue_.reason, a_.arena));
            break;
        case ArchiveOutcome::resumed:
            state({});
            break;
        case ArchiveOutcome::failed:
            failure();
            break;
        }
        audit_.write(a_.server->name, now_, queue_.cycle);
        pg::spi_end();
    }

private:
    Datum server() const { return pg::to_text(a_.server->name); }
    Datum vhost() const { return pg::to_text(queue_.vhost); }
    Datum name() const { return pg::to_text(queue_.name); }
    core::Incident incident() const { return incident_of(a_, queue_); }

    void note_batch() {
        append_messages();
        const auto count = static_cast<std::int64_t>(a_.amqp->consumer.batch().size());
        const Datum values[] = {server(), vhost(), name(), Int64GetDatum(count), TimestampTzGetDatum(now_)};
        note_archived.run(values);
        if (!queue_.begun) {
            event(Event::archive_started, &queue_.limits);
            reply(core::Disposition::info, core::say_archive_started(incident(), a_.arena));
        }
    }

    void append_messages() const {
        const Datum server_name = server();
        const Datum vhost_name = vhost();
        const Datum queue_name = name();
        const Oid sequence = archive_sequence.oid();
        board::Appender to = board::append_begin(archive_table.oid());
        for (const net::Delivery& message : a_.amqp->consumer.batch()) {
            char* body = message.body - VARHDRSZ;
            SET_VARSIZE(body, message.body_size + VARHDRSZ);
            const Datum values[] = {
                server_name,
                vhost_name,
                queue_name,
                Int64GetDatum(nextval_internal(sequence, false)),
                TimestampTzGetDatum(now_),
                pg::to_text(core::amqp::as_text(message.exchange, a_.batch_memory)),
                pg::to_text(core::amqp::as_text(message.routing_key, a_.batch_memory)),
                BoolGetDatum(message.redelivered),
                pg::to_text(message.properties), // a bytea is built like a text
                PointerGetDatum(body),
            };
            constexpr bool nulls[sizeof values / sizeof values[0]] = {};
            board::append_row(to, {values, nulls});
        }
        board::append_end(to);
    }

    void state(std::string_view what) const {
        const Datum values[] = {server(), vhost(), name(), pg::to_text(what), TimestampTzGetDatum(now_)};
        const bool nulls[] = {false, false, false, what.empty(), false};
        note_state.run(values, nulls);
    }

    void failure() {
        const int failures = queue_.failures + 1;
        const Datum values[] = {server(), vhost(), name(), Int32GetDatum(failures),
                                TimestampTzGetDatum(now_ + core::retry_wait(failures))};
        note_failure.run(values);
        if (queue_.failures == 0) {
            event(Event::action_failed, &queue_.limits);
            reply(core::Disposition::problem, core::say_archive_failed(incident(), queue_.reason, a_.arena));
        }
    }

    void event(Event which, const core::Limits* limits) {
        audit_.add({.vhost = queue_.vhost,
                    .name = queue_.name,
                    .event = which,
                    .messages = queue_.size > 0 ? std::optional(queue_.size) : queue_.seen.messages,
                    .incident = queue_.in_incident ? &queue_.incident : nullptr,
                    .reason = queue_.reason,
                    .limits = limits});
    }

    void reply(core::Disposition disposition, std::string_view text) const {
        if (queue_.in_incident) {
            reply_in_incident(*a_.server, queue_.incident, queue_.owner_name, disposition, text);
        }
    }

    Archiving& a_;
    ArchiveQueue& queue_;
    TimestampTz now_;
    Audit audit_;
};
static_assert(pg::Plain<ChangeWriter>);

} // namespace

Archiving* open_archiving(const Server* server, net::Http& http, MemoryContext context) {
    if (server->options.enforce == 0 || server->options.amqp_url.empty()) {
        return nullptr;
    }
    const TimestampTz now = GetCurrentTimestamp();
    auto* memory = pg::make<pg::ContextResource>(context, context);
    auto* arena = pg::make<std::pmr::monotonic_buffer_resource>(context, memory);
    pg::spi_begin();
    const std::span<ArchiveQueue> queues = choose(*server, arena, now);
    for (ArchiveQueue& queue : queues) {
        if (const auto most = queue.limits.max_archive_size; most && !queue.withheld) {
            queue.stored = count_archived(*server, queue.vhost, queue.name, *most);
        }
    }
    pg::spi_end();
    if (queues.empty()) {
        return nullptr;
    }
    auto* a = pg::make<Archiving>(context);
    a->server = server;
    a->http = &http;
    a->amqp = &amqp_of_process();
    a->arena = arena;
    a->batch_context = pg::new_context(context, "cloudsat batch");
    a->batch_memory = pg::make<pg::ContextResource>(context, a->batch_context);
    a->end = now + std::clamp(server->options.poll_interval, shortest_pass, longest_pass);
    a->queues = queues;
    // Sorted by name, so that each virtual host is connected to once; each pass starts with another queue.
    const auto first = static_cast<std::size_t>(queues.front().cycle) % queues.size();
    std::rotate(queues.begin(), queues.begin() + static_cast<std::ptrdiff_t>(first), queues.end());
    pg::make<Hangup>(context, &http);
    pg::make<AmqpHangup>(context, a->amqp);
    return a;
}

std::int64_t count_archived(const Server& server, std::string_view vhost, std::string_view queue,
                            std::int64_t most) {
    const Datum values[] = {pg::to_text(server.name), pg::to_text(vhost), pg::to_text(queue),
                            Int64GetDatum(most)};
    stored_messages.run(values, {}, false, 1);
    bool isnull = false;
    return DatumGetInt64(pg::spi_value(0, 1, isnull));
}

std::string_view reason_withheld(const Server& server, std::string_view vhost, std::string_view queue,
                                 std::pmr::memory_resource* arena, Sight sight) {
    const Datum values[] = {pg::to_text(server.name), pg::to_text(vhost), pg::to_text(queue)};
    return last_withheld.run(values, {}, sight == Sight::of_query, 1) > 0 ? kept_text(arena, 0, 1)
                                                                          : std::string_view{};
}

bool may_be_archived(const Server& server, net::Http& http, std::string_view& connected,
                     std::pmr::memory_resource* arena, ArchiveQueue& queue) {
    Archiving a;
    a.server = &server;
    a.http = &http;
    a.amqp = &amqp_of_process();
    a.arena = arena;
    a.vhost = connected;
    queue.withheld = true;
    look(a, queue);
    if (queue.outcome == ArchiveOutcome::none) {
        begin_round(a, queue);
    }
    connected = a.vhost;
    return queue.outcome == ArchiveOutcome::resumed ||
           (queue.outcome == ArchiveOutcome::passed && statistics_may_be_late(queue));
}

namespace {

// The next queue to archive. If the broker does not answer, every queue whose deletion waits for archiving
// counts a failed attempt: trying each on its own would delay the deletions with the number of queues.
ArchiveQueue* next_queue(Archiving& a) {
    while (a.next < a.queues.size() && (!a.unreachable.empty() || !is_late(a))) {
        ArchiveQueue& queue = a.queues[a.next++];
        if (a.unreachable.empty()) {
            return &queue;
        }
        if (queue.at_stake) {
            fail(a, queue, a.unreachable);
            return &queue;
        }
    }
    return nullptr;
}

} // namespace

bool take(Archiving& a) {
    for (;;) {
        if (a.at == nullptr) {
            a.at = next_queue(a);
            if (a.at == nullptr) {
                a.amqp->connection.start_close();
                finish(*a.amqp);
                return false;
            }
            a.stage = Archiving::Stage::look;
            if (a.at->outcome != ArchiveOutcome::none) {
                return true;
            }
        }
        ArchiveQueue& queue = *a.at;
        switch (a.stage) {
        case Archiving::Stage::look:
            look(a, queue);
            a.stage = Archiving::Stage::round;
            break;
        case Archiving::Stage::round:
            begin_round(a, queue);
            a.stage = Archiving::Stage::taking;
            break;
        case Archiving::Stage::taking:
            if (is_late(a) || queue.belayed) {
                a.amqp->consumer.stop(); // messages in flight still arrive
            }
            if (take_batch(a, queue)) {
                return true;
            }
            if (queue.outcome == ArchiveOutcome::none && a.amqp->consumer.exhausted()) {
                // count the messages again, unless time is up
                a.stage = Archiving::Stage::round;
                queue.outcome = is_late(a) || queue.belayed ? ArchiveOutcome::passed : ArchiveOutcome::none;
            }
            break;
        }
        if (queue.outcome == ArchiveOutcome::passed) {
            a.at = nullptr;
        } else if (queue.outcome != ArchiveOutcome::none) {
            return true;
        }
    }
}

void store(Archiving& a) {
    MemoryContext before = MemoryContextSwitchTo(a.batch_context);
    ChangeWriter(a, *a.at).write();
    MemoryContextSwitchTo(before);
}

void settle(Archiving& a) {
    ArchiveQueue& queue = *a.at;
    const auto count = static_cast<std::int64_t>(a.amqp->consumer.batch().size());
    if (count > 0) {
        queue.begun = queue.taken = true;
        queue.failures = 0;
        queue.stored += count;
        if (queue.average_bytes == 0) {
            queue.average_bytes = average_of(a.amqp->consumer.batch());
        }
        a.amqp->consumer.acknowledge();
    }
    if (queue.outcome != ArchiveOutcome::none) {
        a.at = nullptr;
    }
    MemoryContextReset(a.batch_context);
}

void give_back(Archiving& a, std::string_view reason) {
    a.amqp->connection.abandon();
    a.vhost = {};
    if (a.at != nullptr) {
        fail(a, *a.at, reason);
    }
    MemoryContextReset(a.batch_context);
}

namespace {

Datum amqp_properties(FunctionCallInfo fcinfo) {
    bytea* properties = PG_GETARG_BYTEA_PP(0);
    const char* json = nullptr;
    {
        pg::ContextResource memory(CurrentMemoryContext);
        const auto shown = core::amqp::render_properties(
            {VARDATA_ANY(properties), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(properties))}, &memory);
        json = shown ? shown->data() : nullptr; // it ends with a NUL
    }
    if (json == nullptr) {
        PG_RETURN_NULL();
    }
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

} // namespace

SQL_FUNCTION(amqp_properties);

} // namespace cloudsat::guardian
