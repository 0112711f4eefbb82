// Recording, see record.hpp: one short transaction that judges and writes a sweep, set by set. Core decides
// (sweep_diff, judge, cadence); this file turns the decisions into rows, events and messages on the board.

#include "guardian/record.hpp"

#include <algorithm>
#include <new>
#include <optional>

#include "core/guardian/cadence.hpp"
#include "core/guardian/incident_text.hpp"
#include "guardian/account.hpp"
#include "guardian/archive.hpp"
#include "guardian/audit.hpp"
#include "guardian/belay.hpp"
#include "guardian/enforcement.hpp"
#include "guardian/incident.hpp"
#include "guardian/outbox.hpp"
#include "guardian/poll_row.hpp"
#include "guardian/queue_row.hpp"
#include "guardian/rules.hpp"
#include "pg/memory.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/xact.h"
#include "common/pg_prng.h"
#include "portability/instr_time.h"
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

pg::Statement insert_history(R"(
    INSERT INTO cloudsat.queue_history ("time", server, vhost, name, messages, ready,
           unacknowledged)
    SELECT $1, $2, n.*
    FROM unnest($3, $4, $5, $6, $7) AS n)",
                             {TIMESTAMPTZOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
                              INT8ARRAYOID});

// Merges known and reported bindings, and deletes those that were not reported. Grouping uses a hash or a
// sort, whatever the planner's statistics say: an anti-join may become a nested loop.
pg::Statement delete_bindings(R"(
    DELETE FROM cloudsat.bindings AS d
    WHERE d.ctid = ANY (ARRAY(
        SELECT min(u.tid)
        FROM (SELECT b.queue, b.source, b.routing_key, b.arguments_hash, b.ctid AS tid, false AS told
              FROM cloudsat.bindings AS b
              WHERE b.server = $1
                AND b.vhost = $2
                AND ($3 IS NULL OR b.queue = $3)
              UNION ALL
              SELECT n.queue, n.source, n.routing_key,
                     jsonb_hash_extended(n.arguments::jsonb, 0), NULL, true
              FROM unnest($4, $5, $6, $7) AS n(queue, source, routing_key, arguments)) AS u
        GROUP BY u.queue, u.source, u.routing_key, u.arguments_hash
        HAVING NOT bool_or(u.told))))",
                              {TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
                               TEXTARRAYOID});
pg::Statement insert_bindings(R"(
    INSERT INTO cloudsat.bindings (server, vhost, queue, source, routing_key, arguments_hash, arguments,
           first_seen)
    SELECT $1, $2, n.queue, n.source, n.routing_key,
           jsonb_hash_extended(n.arguments::jsonb, 0), n.arguments::jsonb, $3
    FROM unnest($4, $5, $6, $7) AS n(queue, source, routing_key, arguments)
    ON CONFLICT DO NOTHING)",
                              {TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
                               TEXTARRAYOID});
// OFFSET 0 keeps the queues apart, so that each is an index scan on the key.
pg::Statement delete_bindings_of(R"(
    DELETE FROM cloudsat.bindings AS d
    WHERE d.ctid = ANY (ARRAY(
        SELECT q.ctid
        FROM unnest($2, $3) AS n(vhost, name)
        CROSS JOIN LATERAL (SELECT b.ctid FROM cloudsat.bindings AS b
            WHERE b.server = $1
              AND b.vhost = n.vhost
              AND b.queue = n.name
            OFFSET 0) AS q)))",
                                 {TEXTOID, TEXTARRAYOID, TEXTARRAYOID});

// The writes of one batch.
struct BatchWrites {
    QueueRows rows;
    Audit audit;
    Outbox outbox;
    Column sample_vhosts, sample_names, sample_messages, sample_ready, sample_unacknowledged;
    Column lost_vhosts, lost_names; // queues that no longer exist, and so lose their bindings
};
static_assert(pg::Plain<BatchWrites>);

// A queue that may have to be written. Its texts live as long as its batch.
struct Candidate {
    core::Entry entry;
    RowExtras kept;
};

// Maximum number of queues whose full state is in memory at a time.
constexpr std::size_t batch_size = 2048;

// Maximum number of archived messages counted per batch. The queues take turns; the others are neither
// archived nor deleted.
constexpr std::int64_t most_counted = 1'000'000;

struct Recording {
    explicit Recording(Cycle& which) : cycle(which) {}

    Cycle& cycle;
    TimestampTz now = 0;
    std::string_view rules; // fingerprint in force now; empty if nothing was matched
    bool all_rules = false; // it differs from that of the last poll
    core::StepContext context;
    std::int64_t changed = 0, events = 0;

    // of the batch, which has its own SPI connection and ends with it
    Candidate* candidates = nullptr;
    std::size_t count = 0;
    std::pmr::memory_resource* arena = nullptr;
    std::size_t absent = 0; // but too many to be believed
    std::int64_t seen = 0;
    TimestampTz up_since = 0;
    bool users_synced = false;
    BatchWrites* writes = nullptr;
};

// There is a thread that may have new messages.
bool is_open(const core::Entry& entry, const RowExtras& kept) {
    return kept.incident && !entry.row.gone;
}

// Whose limits and owner must be looked up: new queues, and all queues if the rules have changed.
bool needs_rules(const Recording& r, const core::Entry& entry) {
    return r.all_rules || !entry.known || (entry.row.gone && entry.named);
}

void apply_rules(Recording& r) {
    const std::span<Candidate> candidates(r.candidates, r.count);
    auto* names = static_cast<QueueName*>(palloc(sizeof(QueueName) * candidates.size()));
    std::size_t wanted = 0;
    for (const auto& [entry, kept] : candidates) {
        if (needs_rules(r, entry)) {
            names[wanted++] = {r.cycle.sweep->vhost_of(entry), entry.name};
        }
    }
    const std::span<Rules> found = find_rules(*r.cycle.server, {names, wanted});
    std::size_t next = 0;
    for (auto& [entry, kept] : candidates) {
        if (!needs_rules(r, entry)) {
            continue;
        }
        const Rules& rule = found[next++];
        entry.ruled =
            entry.known && (entry.row.limits != rule.limits || entry.row.policy != rule.policy ||
                            entry.row.owner != rule.owner || entry.row.owner_name != rule.owner_name);
        if (entry.ruled && entry.row.standing.archive == core::Archive::withheld) {
            entry.row.standing.archive = core::Archive::none; // it may be taken under other rules
        }
        // What failed under other rules, options or permissions is retried at once.
        if (r.all_rules && (entry.row.standing.retry_after != 0 || kept.archive_retry != 0)) {
            entry.row.standing.retry_after = 0;
            kept.archive_retry = 0;
            // and before this poll decides to delete it
            entry.row.standing.archive_failures =
                std::min(entry.row.standing.archive_failures, core::archive_failures_for_good - 1);
            entry.ruled = true;
        }
        entry.row.limits = rule.limits;
        entry.row.policy = rule.policy;
        entry.row.owner = rule.owner;
        entry.row.owner_name = rule.owner_name;
    }
}

// Counts the archived messages of queues whose archive is full, to find out whether there is room again.
void count_archived(Recording& r) {
    std::int64_t counted = 0;
    const std::span<Candidate> candidates(r.candidates, r.count);
    const std::size_t first = r.count == 0 ? 0 : static_cast<std::size_t>(r.cycle.past.cycle) % r.count;
    for (std::size_t i = 0; i < r.count && counted < most_counted; ++i) {
        core::Entry& entry = candidates[(first + i) % r.count].entry;
        const core::Limits& limits = entry.row.limits;
        if (entry.row.standing.archive == core::Archive::full && !entry.row.gone && limits.max_archive_size) {
            entry.archived = count_archived(*r.cycle.server, r.cycle.sweep->vhost_of(entry), entry.name,
                                            *limits.max_archive_size);
            counted += *entry.archived;
        }
    }
}

core::Incident incident_of(const Cycle& cycle, const core::Entry& entry, const core::Known& row) {
    core::Incident incident;
    incident.server = cycle.server->name;
    incident.vhost = cycle.sweep->vhost_of(entry);
    incident.queue = entry.name;
    incident.size =
        core::judged_size({.messages = row.facts.messages, .ready = row.facts.ready}, row.limits.basis);
    incident.limits = row.limits;
    incident.stream = row.facts.type == "stream";
    incident.enforce = cycle.server->options.enforce != 0;
    return incident;
}

// One queue's step, as events, messages and a row.
class ChangeWriter {
public:
    ChangeWriter(Recording& r, const core::Entry& entry, const core::Step& step, RowExtras& kept)
        : r_(r), entry_(entry), step_(step), kept_(kept) {}

    void write() {
        end_former();
        if (step_.appeared) {
            kept_ = RowExtras{};
            kept_.first_seen = r_.now;
            event(Event::appeared, step_.redeclared ? "declared again" : "");
        }
        judge_events();
        if (step_.vanished) {
            event(Event::vanished, "");
            kept_.gone_at = r_.now;
        }
        if (step_.vanished || step_.redeclared) {
            r_.writes->lost_vhosts.add_text(vhost());
            r_.writes->lost_names.add_text(entry_.name);
        }
        kept_.would_delete_at = !step_.row.standing.would_delete ? 0
                                : kept_.would_delete_at != 0     ? kept_.would_delete_at
                                                                 : r_.now;
        r_.writes->rows.add(vhost(), entry_.name, step_.row, kept_);
        if (step_.sample) {
            sample();
        }
    }

private:
    std::string_view vhost() const { return r_.cycle.sweep->vhost_of(entry_); }

    core::Incident incident() const { return incident_of(r_.cycle, entry_, step_.row); }

    void event(Event which, std::string_view reason, const core::Limits* limits = nullptr) {
        r_.writes->audit.add({.vhost = vhost(),
                              .name = entry_.name,
                              .event = which,
                              .messages = step_.row.facts.messages,
                              .incident = kept_.incident ? &*kept_.incident : nullptr,
                              .reason = reason,
                              .limits = limits});
    }

    // Returns the notified addresses.
    Addresses reply(core::Disposition disposition, std::string_view text) {
        if (!kept_.incident) {
            return {};
        }
        const core::Known& row = entry_.row;
        return reply_in_incident(*r_.cycle.server, *kept_.incident,
                                 row.owner == core::Owner::person ? row.owner_name : std::string_view{},
                                 disposition, text);
    }

    // Reports the end of archiving.
    void end_archiving() {
        if (kept_.archived > 0) {
            r_.writes->audit.add({.vhost = vhost(),
                                  .name = entry_.name,
                                  .event = Event::archived,
                                  .messages = kept_.archived,
                                  .incident = kept_.incident ? &*kept_.incident : nullptr,
                                  .reason = {},
                                  .limits = nullptr});
            reply(core::Disposition::info, core::say_archived(incident(), kept_.archived, r_.arena));
        }
        kept_.archived = 0;
    }

    void mail(core::NoticeKind kind, Addresses recipients, core::NoticeText text) {
        for (const std::string_view recipient : recipients) {
            r_.writes->outbox.add({.kind = kind,
                                   .recipient = recipient,
                                   .vhost = vhost(),
                                   .queue = entry_.name,
                                   .messages = step_.row.facts.messages,
                                   .incident = &*kept_.incident,
                                   .text = text});
        }
    }

    std::string_view thread() const { return thread_name(*kept_.incident, r_.arena); }

    // The queue of the incident no longer exists.
    void end_former() {
        if (step_.vanished || step_.redeclared) {
            end_archiving();
        }
        if (step_.withdrawn) {
            event(Event::delete_withdrawn, "it was declared again");
        }
        if (kept_.incident && (step_.vanished || step_.redeclared)) {
            const std::string_view how = step_.vanished ? "has vanished" : "was declared again";
            const Addresses told = reply(core::Disposition::end, core::say_gone(incident(), how, r_.arena));
            mail(core::NoticeKind::vanished, told, core::mail_vanished(incident(), how, thread(), r_.arena));
        }
        if (step_.redeclared) {
            kept_.incident = std::nullopt;
        }
    }

    void judge_events() {
        const core::Verdict& verdict = step_.verdict;
        if (verdict.warned) {
            const Addresses owners = owners_of(*r_.cycle.server, step_.row.owner_name);
            kept_.incident = open_incident(*r_.cycle.server, owners, core::say_warned(incident(), r_.arena));
            kept_.incident_at = r_.now;
            kept_.incident_size = incident().size.value_or(0);
            mail(core::NoticeKind::warned, owners, core::mail_warned(incident(), thread(), r_.arena));
            event(Event::warned, "", &step_.row.limits);
        }
        if (verdict.deletable && kept_.incident) {
            const Addresses told = reply(core::Disposition::info, core::say_deletable(incident(), r_.arena));
            mail(core::NoticeKind::deletable, told, core::mail_deletable(incident(), thread(), r_.arena));
            event(Event::deletable, "", &step_.row.limits);
        }
        if (verdict.archive_ended) {
            end_archiving();
        }
        if (verdict.archive_wanted || step_.row.standing.archive == core::Archive::none) {
            kept_.archive_at = verdict.archive_wanted ? r_.now : 0;
            kept_.archive_failures = 0;
            kept_.archive_retry = 0;
        }
        // An owner may have lost the ownership while the queue was archived; warned addresses get the end.
        const bool over = kept_.incident && entry_.row.standing.level == core::Level::archiving &&
                          step_.row.standing.level == core::Level::normal;
        if (verdict.recovered || over) {
            event(Event::recovered, "", &step_.row.limits);
            const Addresses told = reply(core::Disposition::end, core::say_recovered(incident(), r_.arena));
            mail(core::NoticeKind::recovered, told, core::mail_recovered(incident(), thread(), r_.arena));
            kept_.incident = std::nullopt;
        }
        if (verdict.would_delete) {
            event(Event::would_delete, r_.cycle.server->why_not, &step_.row.limits);
            reply(core::Disposition::info, core::say_would_delete(incident(), r_.arena));
        }
        if (verdict.delete_intended) {
            event(Event::delete_intended, "", &step_.row.limits);
            kept_.intended_at = r_.now;
            kept_.intended_xact = U64FromFullTransactionId(GetTopFullTransactionId());
            kept_.attempts = 0;
        }
    }

    void sample() {
        const core::Facts& facts = step_.row.facts;
        r_.writes->sample_vhosts.add_text(vhost());
        r_.writes->sample_names.add_text(entry_.name);
        r_.writes->sample_messages.add_int8(facts.messages);
        r_.writes->sample_ready.add_int8(facts.ready);
        r_.writes->sample_unacknowledged.add_int8(facts.unacknowledged);
    }

    Recording& r_;
    const core::Entry& entry_;
    const core::Step& step_;
    RowExtras& kept_;
};

// Turns a message of an incident into an event, an answer, and a change of the row.
void take_word(Recording& r, const OpenThread& thread, core::Entry& entry, RowExtras& kept) {
    const bool belayed = thread.is_belayed();
    if (belayed == entry.row.standing.belayed) {
        return;
    }
    entry.row.standing.belayed = belayed;
    entry.row.standing.pending = core::Level::normal; // after the end of a hold, two polls are needed
    entry.ruled = true;
    kept.belayed_by = belayed ? join(r.arena, {thread.by}) : std::string_view{};
    kept.belayed_at = belayed ? thread.at : 0;
    r.writes->audit.add({.vhost = r.cycle.sweep->vhost_of(entry),
                         .name = entry.name,
                         .event = belayed ? Event::belayed : Event::belay_ended,
                         .messages = entry.row.facts.messages,
                         .incident = &*kept.incident,
                         .reason = join(r.arena, {"requested by ", thread.by}),
                         .limits = nullptr});
    const core::Incident incident = incident_of(r.cycle, entry, entry.row);
    answer(*r.cycle.server, thread,
           belayed ? core::say_belayed(incident, thread.by, r.arena)
                   : core::say_belay_ended(incident, thread.by, r.arena));
}

// Allows for late commits.
constexpr std::int64_t grace_of_strangers = 60 * core::micros_per_second;

// Reads the messages in the threads of open incidents.
void hear(Recording& r) {
    const std::span<Candidate> candidates(r.candidates, r.count);
    auto* threads = static_cast<OpenThread*>(palloc(sizeof(OpenThread) * candidates.size()));
    auto* indexes = static_cast<std::size_t*>(palloc(sizeof(std::size_t) * candidates.size()));
    std::size_t open = 0;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const auto& [entry, kept] = candidates[i];
        if (is_open(entry, kept)) {
            const core::Known& row = entry.row;
            indexes[open] = i;
            new (&threads[open++])
                OpenThread{.incident = *kept.incident,
                           .owner = row.owner == core::Owner::person ? row.owner_name : std::string_view{},
                           .belayed_at = row.standing.belayed ? kept.belayed_at : 0};
        }
    }
    if (open == 0) {
        return;
    }
    listen(*r.cycle.server, {threads, open});
    const TimestampTz last = r.cycle.past.last_success;
    const std::span<const UnheardBelay> strangers = listen_to_strangers(
        *r.cycle.server, {threads, open}, (last == 0 ? r.now : last) - grace_of_strangers);
    for (std::size_t i = 0; i < open; ++i) {
        Candidate& candidate = candidates[indexes[i]];
        take_word(r, threads[i], candidate.entry, candidate.kept);
    }
    for (const UnheardBelay& stranger : strangers) {
        const core::Entry& entry = candidates[indexes[stranger.thread]].entry;
        reply_to(*r.cycle.server, stranger.reply, stranger.poster, core::Disposition::info,
                 core::say_not_obeyed(incident_of(r.cycle, entry, entry.row), r.arena));
    }
}

core::StepContext context_of(const Recording& r, bool believe_absent) {
    core::StepContext context;
    context.circumstances.now = r.now;
    context.circumstances.up_since = r.up_since;
    context.circumstances.enforce = r.cycle.server->options.enforce != 0;
    context.circumstances.may_delete = r.cycle.complete;
    context.circumstances.archives = r.cycle.archives;
    context.last_poll = r.cycle.past.last_success;
    context.believe_absent = believe_absent;
    return context;
}

// A broker that has just come back may not list all queues yet, and clients redeclare those that were lost.
bool is_starting(const Recording& r) {
    return r.up_since != 0 && r.now < r.up_since + core::hold_after_return;
}

// Whether queues that both listings miss are recorded as gone; notes how many are not.
bool believe_absence(Recording& r) {
    const Cycle& cycle = r.cycle;
    if (!cycle.complete || is_starting(r)) {
        return false;
    }
    std::size_t absent = 0;
    for (const core::Sighting& sighting : cycle.sweep->sightings()) {
        absent += core::is_absent(sighting, cycle.sweep->vhosts()[sighting.vhost()]) ? 1 : 0;
    }
    const core::AbsenceBrake brake{cycle.past.missing_polls, cycle.past.missing_since};
    const bool believed = core::believe_absence(absent, cycle.sweep->live(), brake, r.now);
    r.absent = believed ? 0 : absent;
    return believed;
}

std::int64_t count_seen(const core::Sweep& sweep) {
    const auto& sightings = sweep.sightings();
    return std::count_if(sightings.begin(), sightings.end(), [](const core::Sighting& s) {
        return s.named() || (s.known() && s.seen_in() != core::SizeSource::none);
    });
}

void write_samples(const Recording& r) {
    const BatchWrites& h = *r.writes;
    if (h.sample_names.size() > 0) {
        const Datum values[] = {TimestampTzGetDatum(r.now),
                                pg::to_text(r.cycle.server->name),
                                h.sample_vhosts.array(TEXTOID),
                                h.sample_names.array(TEXTOID),
                                h.sample_messages.array(INT8OID),
                                h.sample_ready.array(INT8OID),
                                h.sample_unacknowledged.array(INT8OID)};
        insert_history.run(values);
    }
}

void forget_bindings(const Recording& r) {
    const BatchWrites& h = *r.writes;
    if (h.lost_names.size() > 0) {
        const Datum values[] = {pg::to_text(r.cycle.server->name), h.lost_vhosts.array(TEXTOID),
                                h.lost_names.array(TEXTOID)};
        delete_bindings_of.run(values);
    }
}

void begin_batch(Recording& r) {
    pg::spi_begin();
    r.candidates = nullptr;
    r.count = 0;
    auto* memory = pg::make<pg::ContextResource>(CurrentMemoryContext, CurrentMemoryContext);
    r.arena = pg::make<std::pmr::monotonic_buffer_resource>(CurrentMemoryContext, memory);
    r.writes = new (palloc(sizeof(BatchWrites))) BatchWrites;
}

void end_batch(Recording& r) {
    if (r.count > 0) {
        apply_rules(r);
        count_archived(r);
        hear(r);
        for (auto& [entry, kept] : std::span(r.candidates, r.count)) {
            const core::Step step = core::step(entry, r.cycle.sweep->vhosts()[entry.vhost], r.context);
            if (step.write) {
                ChangeWriter(r, entry, step, kept).write();
            }
        }
        const BatchWrites& h = *r.writes;
        h.rows.write(*r.cycle.server);
        write_samples(r);
        h.audit.write(r.cycle.server->name, r.now, r.cycle.past.cycle + 1);
        h.outbox.write(*r.cycle.server, r.now);
        forget_bindings(r);
        r.changed += h.rows.size();
        r.events += h.audit.size();
    }
    pg::spi_end();
}

void add(Recording& r, const core::Entry& entry, const RowExtras& kept) {
    if (r.count == batch_size) {
        end_batch(r);
        begin_batch(r);
    }
    if (r.candidates == nullptr) {
        r.candidates = static_cast<Candidate*>(palloc(sizeof(Candidate) * batch_size));
    }
    Candidate& candidate = *new (&r.candidates[r.count++]) Candidate{entry, kept};
    core::Known& row = candidate.entry.row; // the next row of the table overwrites it
    row.facts.type = join(r.arena, {row.facts.type});
    row.facts.state = join(r.arena, {row.facts.state});
    row.owner_name = join(r.arena, {row.owner_name});
    candidate.kept.belayed_by = join(r.arena, {kept.belayed_by});
}

// Keeps the reported arguments of known queues only where they differ: equal ones are not compared again.
void compare_arguments(Recording& r, QueueScan& scan, core::Entry& entry) {
    if (entry.row.gone || entry.seen.arguments.empty()) {
        return;
    }
    if (const auto before = scan.other_arguments(entry.seen.arguments)) {
        entry.row.facts.arguments = join(r.arena, {*before});
    } else {
        entry.seen.arguments = {};
    }
}

// The rows of the table, each with its sighting.
void judge_known(Recording& r) {
    core::Sweep& sweep = *r.cycle.sweep;
    QueueScan scan(r.cycle);
    core::Entry entry;
    std::size_t ordinal = 0;
    begin_batch(r);
    while (const QueueRow* row = scan.next()) {
        const auto vhost = sweep.find_vhost(row->vhost);
        core::Sighting* sighting = vhost ? sweep.find(*vhost, row->name, ordinal++) : nullptr;
        if (sighting == nullptr || !sighting->known()) {
            continue; // a row added since the sweep began: the next sweep will know it
        }
        sighting->met = true;
        entry.row = row->known;
        entry.see(*sighting);
        compare_arguments(r, scan, entry);
        if (needs_rules(r, entry) || is_open(entry, row->extras) ||
            entry.row.standing.archive == core::Archive::full ||
            core::step(entry, sweep.vhosts()[entry.vhost], r.context).write) {
            add(r, entry, row->extras);
        }
    }
    end_batch(r);
    scan.end();
}

// Queues without a row.
void judge_new(Recording& r) {
    begin_batch(r);
    for (const core::Sighting& sighting : r.cycle.sweep->sightings()) {
        if (!sighting.met && sighting.named()) {
            core::Entry entry;
            entry.see(sighting);
            entry.known = false; // nor one whose row was removed since the sweep began
            add(r, entry, RowExtras{});
        }
    }
    end_batch(r);
}

void write_bindings(const Recording& r) {
    const Cycle& cycle = r.cycle;
    for (const BindingsRead& read : *cycle.bindings) {
        Column queues, sources, keys, arguments;
        for (const core::BindingRow& row : read.rows) {
            if (row.destination_type == "queue" && (read.queue.empty() || row.destination == read.queue)) {
                queues.add_text(row.destination);
                sources.add_text(row.source);
                keys.add_text(row.routing_key);
                arguments.add_text(row.arguments.empty() ? std::string_view("{}") : row.arguments);
            }
        }
        const Datum server = pg::to_text(cycle.server->name);
        const Datum vhost = pg::to_text(cycle.sweep->vhosts()[read.vhost].name);
        const Datum q = queues.array(TEXTOID);
        const Datum s = sources.array(TEXTOID);
        const Datum k = keys.array(TEXTOID);
        const Datum a = arguments.array(TEXTOID);
        const Datum stale[] = {server, vhost, pg::to_text(read.queue), q, s, k, a};
        const bool nulls[] = {false, false, read.queue.empty(), false, false, false, false};
        delete_bindings.run(stale, nulls);
        const Datum fresh[] = {server, vhost, TimestampTzGetDatum(r.now), q, s, k, a};
        insert_bindings.run(fresh);
    }
}

// Logs changes of the state only, not each poll.
void log_change(const Cycle& cycle, bool ok) {
    const PollRow& past = cycle.past;
    const std::string_view kind = core::name_of(cycle.fault.kind);
    if (!ok && (past.failures == 0 || past.error_kind != kind)) {
        const std::string_view hint = core::plugin_hint(cycle.fault.kind, core::Plugin::management);
        ereport(LOG,
                errmsg("broker \"%s\" cannot be polled: %.*s (%.*s)", cycle.server->name,
                       static_cast<int>(cycle.fault.text.size()), cycle.fault.text.data(),
                       static_cast<int>(kind.size()), kind.data()),
                hint.empty() ? 0 : errhint("%s", hint.data()));
    } else if (ok && past.failures > 0) {
        ereport(LOG,
                errmsg("broker \"%s\" is polled again after %d failures", cycle.server->name, past.failures));
    }
}

void write_poll(const Recording& r, Report& report) {
    const Cycle& cycle = r.cycle;
    const Server& server = *cycle.server;
    const core::ServerOptions& options = server.options;
    const PollRow& past = cycle.past;
    PollRow row = past; // keeps what this poll cannot tell
    row.home = home_of(server, cycle.arena);
    row.enforce_home = home_of_enforcement();
    row.enforce_held_back = server.held_back;
    ++row.cycle;
    row.last_poll = cycle.began;
    row.failures = report.ok ? 0 : past.failures + 1;
    const core::Cadence cadence{options.poll_interval, options.max_poll_interval};
    report.next_poll = core::next_poll(cadence, cycle.began, GetCurrentTimestamp(), row.failures,
                                       pg_prng_double(&pg_global_prng_state));
    row.next_poll = report.next_poll;
    row.up_since = r.up_since;
    row.fetch_ms = report.fetch_ms;
    row.record_ms = report.record_ms;
    row.bytes = cycle.bytes;
    if (report.ok) {
        row.last_success = cycle.began;
        row.queues = r.seen;
        row.unusable = static_cast<std::int64_t>(cycle.unusable);
    }
    if (cycle.fault.kind != core::FaultKind::none) {
        row.error_kind = core::name_of(cycle.fault.kind);
        row.error = cycle.fault.text;
        row.error_at = cycle.began;
    }
    row.missing = static_cast<std::int64_t>(r.absent);
    // Counts polls with too many absent queues. An incomplete poll proves nothing about absence.
    if (cycle.complete) {
        row.missing_polls = r.absent > 0 ? past.missing_polls + 1 : 0;
    }
    row.missing_since = row.missing_polls == 0 ? 0 : past.missing_polls > 0 ? past.missing_since : r.now;
    if (cycle.all_names && cycle.complete) {
        row.names_at = cycle.began;
    }
    if (cycle.all_bindings) {
        row.bindings_at = cycle.began;
    }
    if (r.users_synced) {
        row.users_at = cycle.began;
    }
    if (!r.rules.empty()) {
        row.rules = r.rules;
    }
    write_poll(server, row);
    // while enforce is off here, a later switch-on is intended for this database
    if (options.enforce == 0 && !server.held_back && past.enforce_home != row.enforce_home) {
        enforce_here(server.name);
    }
}

} // namespace

Report record(Cycle& cycle) {
    instr_time began;
    INSTR_TIME_SET_CURRENT(began);
    Recording r(cycle);
    r.now = GetCurrentTimestamp();
    // Notes when the broker answers again; decisions are suspended for a while after it.
    const PollRow& past = cycle.past;
    r.up_since = !cycle.reached ? 0 : past.failures > 0 && past.up_since == 0 ? cycle.began : past.up_since;

    Report report;
    report.ok = cycle.reached && cycle.complete;
    if (cycle.reached) {
        pg::spi_begin();
        r.rules = join(cycle.arena, {fingerprint_rules(*cycle.server)});
        pg::spi_end();
        r.all_rules = r.rules != past.rules;
        r.seen = count_seen(*cycle.sweep);
        r.context = context_of(r, believe_absence(r));
        judge_known(r);
        judge_new(r);
    }
    pg::spi_begin();
    if (cycle.reached) {
        write_bindings(r);
        r.users_synced = cycle.users_asked && (cycle.users.empty() || sync_users(*cycle.server, cycle.users,
                                                                                 cycle.began, cycle.arena));
    }
    instr_time ended;
    INSTR_TIME_SET_CURRENT(ended);
    INSTR_TIME_SUBTRACT(ended, began);
    report.queues = r.seen;
    report.changed = r.changed;
    report.events = r.events;
    report.bytes = cycle.bytes;
    report.fetch_ms = static_cast<double>(cycle.fetch_us) / 1000.0;
    report.record_ms = INSTR_TIME_GET_MILLISEC(ended);
    report.kind = cycle.fault.kind;
    report.error = cycle.fault.text.empty() ? "" : cycle.fault.text.data();
    write_poll(r, report);
    log_change(cycle, report.ok);
    tell_admins(*cycle.server,
                {.failures = report.ok ? 0 : past.failures + 1,
                 .before = past.failures,
                 .last_success = past.last_success,
                 .fault = cycle.fault.text},
                r.now, cycle.arena);
    pg::spi_end();
    return report;
}

} // namespace cloudsat::guardian
