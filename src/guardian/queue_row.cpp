// Rows of cloudsat.queues, see queue_row.hpp. `Field` is what both directions agree on.

#include "guardian/queue_row.hpp"

#include "pg/memory.hpp"
#include "pg/names.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"
}

namespace cloudsat::guardian {
namespace {

// The columns of cloudsat.queues, in the order of the table.
// clang-format off
enum Field : int {
    f_server, f_vhost, f_name, f_type, f_durable, f_exclusive, f_auto_delete, f_arguments, f_state,
    f_messages, f_ready, f_unacknowledged, f_consumers, f_memory, f_size_source, f_owner,
    f_owner_kind, f_level, f_pending, f_policy, f_warn_size, f_delete_size, f_archive_size,
    f_max_archive_size, f_delete_delay, f_unbounded, f_exempt, f_basis, f_growth, f_time_to_delete, f_incident,
    f_incident_size, f_incident_at, f_belayed_by, f_belayed_at, f_would_delete_at, f_delay_from, f_archive,
    f_archive_at, f_archived, f_archive_failures, f_archive_retry, f_intended_at, f_intended_xact,
    f_attempts, f_failures, f_acted_at, f_retry_after, f_first_seen, f_changed_at, f_gone_at, fields
};
// clang-format on

pg::Name queues_table(pg::Name::Kind::table, "queues");

pg::Statement upsert(R"(
    INSERT INTO cloudsat.queues AS q (server,
        vhost, name, type, durable, exclusive, auto_delete, arguments, state, messages, ready,
        unacknowledged, consumers, memory, size_source, owner, owner_kind, level, pending, policy,
        warn_size, delete_size, archive_size, max_archive_size, delete_delay, unbounded, exempt, basis, growth,
        incident, incident_size, incident_at, belayed_by, belayed_at, would_delete_at, delay_from, archive,
        archive_at, archived, archive_failures, archive_retry, intended_at, intended_xact,
        attempts, failures, acted_at, retry_after, first_seen, changed_at, gone_at)
    SELECT $1, n.vhost, n.name, n.type, n.durable, n.exclusive, n.auto_delete,
    n.arguments::jsonb, n.state, n.messages, n.ready, n.unacknowledged, n.consumers,
    n.memory, n.size_source, n.owner, n.owner_kind, n.level::cloudsat.level,
    n.pending::cloudsat.level, n.policy, n.warn_size, n.delete_size, n.archive_size,
    n.max_archive_size,
    make_interval(secs => n.delete_delay::float8 / 1000000),
    n.unbounded, n.exempt, n.basis, n.growth, n.incident, n.incident_size,
    n.incident_at, n.belayed_by, n.belayed_at, n.would_delete_at, n.delay_from, n.archive, n.archive_at,
    n.archived, n.archive_failures, n.archive_retry, n.intended_at,
    n.intended_xact::xid8, n.attempts, n.failures, n.acted_at, n.retry_after,
    n.first_seen, n.changed_at, n.gone_at
    FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
    $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38,
    $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50) AS n(
        vhost, name, type, durable, exclusive, auto_delete, arguments, state, messages, ready,
        unacknowledged, consumers, memory, size_source, owner, owner_kind, level, pending, policy,
        warn_size, delete_size, archive_size, max_archive_size, delete_delay, unbounded, exempt, basis, growth,
        incident, incident_size, incident_at, belayed_by, belayed_at, would_delete_at, delay_from, archive,
        archive_at, archived, archive_failures, archive_retry, intended_at, intended_xact,
        attempts, failures, acted_at, retry_after, first_seen, changed_at, gone_at)
    ON CONFLICT (server, vhost, name) DO UPDATE SET
        type = EXCLUDED.type, durable = EXCLUDED.durable, exclusive = EXCLUDED.exclusive,
        auto_delete = EXCLUDED.auto_delete, arguments = coalesce(EXCLUDED.arguments, q.arguments),
        state = EXCLUDED.state, messages = EXCLUDED.messages, ready = EXCLUDED.ready,
        unacknowledged = EXCLUDED.unacknowledged, consumers = EXCLUDED.consumers,
        memory = EXCLUDED.memory, size_source = EXCLUDED.size_source, owner = EXCLUDED.owner,
        owner_kind = EXCLUDED.owner_kind, level = EXCLUDED.level, pending = EXCLUDED.pending,
        policy = EXCLUDED.policy, warn_size = EXCLUDED.warn_size,
        delete_size = EXCLUDED.delete_size, archive_size = EXCLUDED.archive_size,
        max_archive_size = EXCLUDED.max_archive_size, delete_delay = EXCLUDED.delete_delay, unbounded = EXCLUDED.unbounded,
        exempt = EXCLUDED.exempt, basis = EXCLUDED.basis, growth = EXCLUDED.growth,
        incident = EXCLUDED.incident, incident_size = EXCLUDED.incident_size,
        incident_at = EXCLUDED.incident_at, belayed_by = EXCLUDED.belayed_by,
        belayed_at = EXCLUDED.belayed_at, would_delete_at = EXCLUDED.would_delete_at, delay_from = EXCLUDED.delay_from,
        archive = EXCLUDED.archive, archive_at = EXCLUDED.archive_at,
        archived = EXCLUDED.archived, archive_failures = EXCLUDED.archive_failures,
        archive_retry = EXCLUDED.archive_retry,
        intended_at = EXCLUDED.intended_at, intended_xact = EXCLUDED.intended_xact,
        attempts = EXCLUDED.attempts, failures = EXCLUDED.failures, acted_at = EXCLUDED.acted_at,
        retry_after = EXCLUDED.retry_after, first_seen = EXCLUDED.first_seen,
        changed_at = EXCLUDED.changed_at, gone_at = EXCLUDED.gone_at)",
                     // clang-format off
    {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BOOLARRAYOID, BOOLARRAYOID, BOOLARRAYOID,
     TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
     INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
     INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, BOOLARRAYOID,
     BOOLARRAYOID, TEXTARRAYOID, FLOAT8ARRAYOID, UUIDARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID,
     TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
     INT8ARRAYOID, INT4ARRAYOID,
     TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID,
     TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID});
// clang-format on

// The types that the columns are sent as; those without one are not sent.
// clang-format off
constexpr Oid field_types[] = {
    InvalidOid, TEXTOID, TEXTOID, TEXTOID, BOOLOID, BOOLOID, BOOLOID, TEXTOID, TEXTOID,
    INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID, TEXTOID,
    TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID,
    INT8OID, INT8OID, BOOLOID, BOOLOID, TEXTOID, FLOAT8OID, InvalidOid, UUIDOID,
    INT8OID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID, INT8OID,
    INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, INT4OID, INT4OID, TIMESTAMPTZOID,
    TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
// clang-format on
static_assert(sizeof field_types / sizeof field_types[0] == fields);

// One row that was taken apart.
class Reader {
public:
    explicit Reader(TupleTableSlot* slot) : values_(slot->tts_values), nulls_(slot->tts_isnull) {}

    void read(core::Known& row, LevelNames& levels) const {
        row.facts.arguments = {};
        row.facts.type = text(f_type);
        row.facts.state = text(f_state);
        row.facts.durable = optional_bool(f_durable);
        row.facts.exclusive = optional_bool(f_exclusive);
        row.facts.auto_delete = optional_bool(f_auto_delete);
        row.facts.messages = optional_int8(f_messages);
        row.facts.ready = optional_int8(f_ready);
        row.facts.unacknowledged = optional_int8(f_unacknowledged);
        row.facts.consumers = optional_int8(f_consumers);
        row.facts.memory = optional_int8(f_memory);
        row.source = source();
        row.owner_name = text(f_owner);
        row.owner = parse_owner(text(f_owner_kind));
        row.standing.level = levels.level(DatumGetObjectId(values_[f_level]));
        row.standing.pending = levels.level(DatumGetObjectId(values_[f_pending]));
        row.standing.would_delete = !nulls_[f_would_delete_at];
        row.standing.belayed = !nulls_[f_belayed_at];
        row.standing.intended = !nulls_[f_intended_at];
        row.standing.archive = core::parse_archive(text(f_archive));
        row.standing.archive_failures = DatumGetInt32(values_[f_archive_failures]);
        row.standing.delay_from = time(f_delay_from);
        row.standing.acted_at = time(f_acted_at);
        row.standing.retry_after = time(f_retry_after);
        row.policy = int8(f_policy);
        row.limits.warn_size = int8(f_warn_size);
        row.limits.delete_size = int8(f_delete_size);
        row.limits.archive_size = optional_int8(f_archive_size);
        row.limits.max_archive_size = optional_int8(f_max_archive_size);
        row.limits.delete_delay = micros_of(*DatumGetIntervalP(values_[f_delete_delay]));
        row.limits.unbounded = DatumGetBool(values_[f_unbounded]);
        row.limits.exempt = DatumGetBool(values_[f_exempt]);
        row.limits.basis = parse_basis(text(f_basis));
        row.growth = DatumGetFloat8(values_[f_growth]);
        row.changed_at = time(f_changed_at);
        row.gone = gone();
    }

    Keepsake keepsake() const {
        Keepsake kept;
        kept.first_seen = time(f_first_seen);
        kept.gone_at = time(f_gone_at);
        kept.would_delete_at = time(f_would_delete_at);
        kept.intended_at = time(f_intended_at);
        kept.incident_at = time(f_incident_at);
        kept.belayed_by = text(f_belayed_by);
        kept.belayed_at = time(f_belayed_at);
        kept.archive_at = time(f_archive_at);
        kept.archived = int8(f_archived);
        kept.archive_failures = DatumGetInt32(values_[f_archive_failures]);
        kept.archive_retry = time(f_archive_retry);
        kept.incident_size = int8(f_incident_size);
        kept.intended_xact =
            nulls_[f_intended_xact]
                ? 0
                : U64FromFullTransactionId(DatumGetFullTransactionId(values_[f_intended_xact]));
        kept.attempts = DatumGetInt32(values_[f_attempts]);
        kept.failures = DatumGetInt32(values_[f_failures]);
        kept.in_incident = !nulls_[f_incident];
        if (kept.in_incident) {
            kept.incident = *DatumGetUUIDP(values_[f_incident]);
        }
        return kept;
    }

    std::string_view text(Field field) const {
        return nulls_[field] ? std::string_view{} : pg::view(values_[field]);
    }
    core::SizeSource source() const { return core::parse_size_source(text(f_size_source)); }
    bool gone() const { return !nulls_[f_gone_at]; }

private:
    std::int64_t int8(Field field) const { return nulls_[field] ? 0 : DatumGetInt64(values_[field]); }
    TimestampTz time(Field field) const { return nulls_[field] ? 0 : DatumGetTimestampTz(values_[field]); }
    std::optional<std::int64_t> optional_int8(Field field) const {
        return nulls_[field] ? std::nullopt : std::optional<std::int64_t>(DatumGetInt64(values_[field]));
    }
    std::optional<bool> optional_bool(Field field) const {
        return nulls_[field] ? std::nullopt : std::optional<bool>(DatumGetBool(values_[field]));
    }

    const Datum* values_;
    const bool* nulls_;
};

// Without SQL in between: this is done in every cycle, and for ten thousand rows that are the same as before
// it would else take longer than all the rest.
Relation open_queues() {
    Relation table = table_open(queues_table.oid(), AccessShareLock);
    if (RelationGetDescr(table)->natts != fields) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("cloudsat.queues has %d columns instead of %d", RelationGetDescr(table)->natts,
                       static_cast<int>(fields)),
                errdetail("The library and the installed extension do not fit together."),
                errhint("Use ALTER EXTENSION cloudsat UPDATE."));
    }
    return table;
}

} // namespace

core::Level LevelNames::level(Oid label) {
    for (int i = 0; i < known_; ++i) {
        if (labels_[i] == label) {
            return levels_[i];
        }
    }
    const char* name = DatumGetCString(OidFunctionCall1(F_ENUM_OUT, ObjectIdGetDatum(label)));
    const core::Level found = core::parse_level(name).value_or(core::Level::normal);
    if (known_ < 4) {
        labels_[known_] = label;
        levels_[known_] = found;
        ++known_;
    }
    return found;
}

QueueScan::QueueScan(const Cycle& cycle)
    : server_(cycle.server->name), table_(open_queues()), slot_(table_slot_create(table_, nullptr)) {
    CommandCounterIncrement(); // what this transaction did to the rows before counts
    snapshot_ = RegisterSnapshot(GetTransactionSnapshot());
    scan_ = table_beginscan(table_, snapshot_, 0, nullptr);
    scratch_ = pg::new_context(CurrentMemoryContext, "cloudsat arguments");
}

bool QueueScan::next(std::string_view& vhost, std::string_view& name, core::Known& row) {
    const std::string_view wanted = server_;
    while (table_scan_getnextslot(scan_, ForwardScanDirection, slot_)) {
        CHECK_FOR_INTERRUPTS();
        bool isnull = false;
        if (pg::view(slot_getattr(slot_, f_server + 1, &isnull)) == wanted) {
            slot_getallattrs(slot_);
            const Reader reader(slot_);
            vhost = reader.text(f_vhost);
            name = reader.text(f_name);
            reader.read(row, levels_);
            return true;
        }
    }
    return false;
}

bool QueueScan::archive_is_full() const {
    return core::parse_archive(Reader(slot_).text(f_archive)) == core::Archive::full;
}

bool QueueScan::in_incident() const {
    return !slot_->tts_isnull[f_incident] && slot_->tts_isnull[f_gone_at];
}

Keepsake QueueScan::kept() const {
    return Reader(slot_).keepsake();
}

std::optional<std::string_view> QueueScan::other_arguments(std::string_view told) {
    MemoryContextReset(scratch_);
    MemoryContext outer = MemoryContextSwitchTo(scratch_);
    std::optional<std::string_view> other;
    if (slot_->tts_isnull[f_arguments]) {
        other = std::string_view{};
    } else {
        Jsonb* known = DatumGetJsonbP(slot_->tts_values[f_arguments]);
        const bool both_empty = told == "{}" && JB_ROOT_IS_OBJECT(known) && JB_ROOT_COUNT(known) == 0;
        if (!both_empty) { // of most queues they are
            const Datum now =
                DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(told.data(), told.size())));
            if (compareJsonbContainers(&known->root, &DatumGetJsonbP(now)->root) != 0) {
                other = JsonbToCString(nullptr, &known->root, VARSIZE(known));
            }
        }
    }
    MemoryContextSwitchTo(outer);
    return other;
}

void QueueScan::end() {
    MemoryContextDelete(scratch_);
    table_endscan(scan_);
    UnregisterSnapshot(snapshot_);
    ExecDropSingleTupleTableSlot(slot_);
    table_close(table_, AccessShareLock);
}

std::string_view to_string(core::Owner owner) noexcept {
    switch (owner) {
    case core::Owner::person:
        return "person";
    case core::Owner::reserved:
        return "reserved";
    case core::Owner::none:
        break;
    }
    return {};
}
std::string_view to_string(core::Basis basis) noexcept {
    return basis == core::Basis::ready ? "ready" : "total";
}
core::Owner parse_owner(std::string_view text) noexcept {
    return text == "person"     ? core::Owner::person
           : text == "reserved" ? core::Owner::reserved
                                : core::Owner::none;
}
core::Basis parse_basis(std::string_view text) noexcept {
    return text == "ready" ? core::Basis::ready : core::Basis::total;
}

core::Micros micros_of(const Interval& interval) noexcept {
    constexpr std::int64_t days_per_month = 30; // as PostgreSQL compares intervals
    return interval.time + (interval.day + interval.month * days_per_month) * USECS_PER_DAY;
}

void lock_queues() {
    LockRelationOid(queues_table.oid(), AccessShareLock);
}

void load_queues(Cycle& cycle) {
    CommandCounterIncrement(); // what this transaction did to the rows before counts
    PushActiveSnapshot(GetTransactionSnapshot());
    Relation table = open_queues();
    // about as many as last time, and some that are new
    cycle.sweep->reserve(static_cast<std::size_t>(cycle.past.queues + cycle.past.queues / 8));
    const std::string_view wanted = cycle.server->name;
    std::string_view last; // most rows are of the same vhost as the one before
    std::uint32_t vhost = 0;
    TupleTableSlot* slot = table_slot_create(table, nullptr);
    TableScanDesc scan = table_beginscan(table, GetActiveSnapshot(), 0, nullptr);
    while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
        CHECK_FOR_INTERRUPTS();
        bool isnull = false;
        if (pg::view(slot_getattr(slot, f_server + 1, &isnull)) != wanted) {
            continue;
        }
        slot_getallattrs(slot);
        const Reader row(slot);
        if (row.text(f_vhost) != last || last.empty()) {
            last = join(cycle.arena, {row.text(f_vhost)});
            vhost = cycle.sweep->vhost(last);
        }
        cycle.sweep->know(vhost, row.text(f_name), row.gone(), row.source());
    }
    table_endscan(scan);
    ExecDropSingleTupleTableSlot(slot);
    table_close(table, AccessShareLock);
    PopActiveSnapshot();
}

void QueueRows::add(std::string_view vhost, std::string_view name, const core::Known& row,
                    const Keepsake& kept) {
    static_assert(column_count == fields);
    columns_[f_vhost].add_text(vhost);
    columns_[f_name].add_text(name);
    columns_[f_type].add_told(row.facts.type);
    columns_[f_durable].add_bool(row.facts.durable);
    columns_[f_exclusive].add_bool(row.facts.exclusive);
    columns_[f_auto_delete].add_bool(row.facts.auto_delete);
    columns_[f_arguments].add_told(row.facts.arguments);
    columns_[f_state].add_told(row.facts.state);
    columns_[f_messages].add_int8(row.facts.messages);
    columns_[f_ready].add_int8(row.facts.ready);
    columns_[f_unacknowledged].add_int8(row.facts.unacknowledged);
    columns_[f_consumers].add_int8(row.facts.consumers);
    columns_[f_memory].add_int8(row.facts.memory);
    columns_[f_size_source].add_told(core::to_string(row.source));
    columns_[f_owner].add_told(row.owner_name);
    columns_[f_owner_kind].add_told(to_string(row.owner));
    columns_[f_level].add_text(core::to_string(row.standing.level));
    columns_[f_pending].add_text(core::to_string(row.standing.pending));
    columns_[f_policy].add_int8(row.policy == 0 ? std::nullopt : std::optional(row.policy));
    columns_[f_warn_size].add_int8(row.limits.warn_size);
    columns_[f_delete_size].add_int8(row.limits.delete_size);
    columns_[f_archive_size].add_int8(row.limits.archive_size);
    columns_[f_max_archive_size].add_int8(row.limits.max_archive_size);
    columns_[f_delete_delay].add_int8(row.limits.delete_delay);
    columns_[f_unbounded].add_bool(row.limits.unbounded);
    columns_[f_exempt].add_bool(row.limits.exempt);
    columns_[f_basis].add_text(to_string(row.limits.basis));
    columns_[f_growth].add(Float8GetDatum(row.growth));
    if (kept.in_incident) {
        auto* incident = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
        *incident = kept.incident;
        columns_[f_incident].add(UUIDPGetDatum(incident));
        columns_[f_incident_size].add_int8(kept.incident_size);
    } else {
        columns_[f_incident].add_null();
        columns_[f_incident_size].add_null();
    }
    columns_[f_incident_at].add_time(kept.in_incident ? kept.incident_at : 0);
    const bool belayed = row.standing.belayed;
    columns_[f_belayed_by].add_told(belayed ? kept.belayed_by : std::string_view{});
    columns_[f_belayed_at].add_time(belayed ? kept.belayed_at : 0);
    columns_[f_would_delete_at].add_time(kept.would_delete_at);
    columns_[f_delay_from].add_time(row.standing.delay_from);
    columns_[f_archive].add_told(core::to_string(row.standing.archive));
    columns_[f_archive_at].add_time(kept.archive_at);
    columns_[f_archived].add_int8(kept.archived);
    columns_[f_archive_failures].add(Int32GetDatum(kept.archive_failures));
    columns_[f_archive_retry].add_time(kept.archive_retry);
    columns_[f_intended_at].add_time(kept.intended_at);
    if (kept.intended_xact != 0) {
        columns_[f_intended_xact].add_text(psprintf(UINT64_FORMAT, kept.intended_xact));
    } else {
        columns_[f_intended_xact].add_null();
    }
    columns_[f_attempts].add(Int32GetDatum(kept.attempts));
    columns_[f_failures].add(Int32GetDatum(kept.failures));
    columns_[f_acted_at].add_time(row.standing.acted_at);
    columns_[f_retry_after].add_time(row.standing.retry_after);
    columns_[f_first_seen].add_time(kept.first_seen);
    columns_[f_changed_at].add_time(row.changed_at);
    columns_[f_gone_at].add_time(kept.gone_at);
}

void QueueRows::write(const Server& server) const {
    if (size() == 0) {
        return;
    }
    Datum values[fields];
    std::size_t count = 0;
    values[count++] = pg::to_text(server.name);
    for (int i = 0; i < fields; ++i) {
        if (OidIsValid(field_types[i])) {
            values[count++] = columns_[i].array(field_types[i]);
        }
    }
    upsert.run({values, count});
}

} // namespace cloudsat::guardian
