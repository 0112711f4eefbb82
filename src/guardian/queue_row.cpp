// Rows of cloudsat.queues, see queue_row.hpp. Both directions use the same list of fields.

#include "guardian/queue_row.hpp"

#include "board/indexes.hpp"
#include "guardian/fields.hpp"
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
}

namespace cloudsat::guardian {
namespace {

pg::Name queues_table(pg::Name::Kind::table, "queues");

// Values of an enum are oids: the label of each is looked up once.
core::Level level_of(Oid label) {
    struct Known {
        Oid label;
        core::Level level;
    };
    static Known known[4]; // a recreated type has new ones, which replace these
    static std::size_t next = 0;
    for (const Known& one : known) {
        if (one.label == label) {
            return one.level;
        }
    }
    const char* name = DatumGetCString(OidFunctionCall1(F_ENUM_OUT, ObjectIdGetDatum(label)));
    known[next] = {label, core::parse_level(name).value_or(core::Level::normal)};
    const core::Level level = known[next].level;
    next = (next + 1) % std::size(known);
    return level;
}

struct AsLevel : AsText {
    static constexpr const char* cast = "::cloudsat.level";
    static void add(Column& column, core::Level level) { column.add_text(core::to_string(level)); }
    static void read(Datum value, core::Level& out) { out = level_of(DatumGetObjectId(value)); }
};
struct AsSource : AsText {
    static void add(Column& column, core::SizeSource source) { column.add_told(core::to_string(source)); }
    static void read(Datum value, core::SizeSource& out) { out = core::parse_size_source(pg::view(value)); }
};
struct AsOwner : AsText {
    static void add(Column& column, core::Owner owner) { column.add_told(to_string(owner)); }
    static void read(Datum value, core::Owner& out) { out = parse_owner(pg::view(value)); }
};
struct AsBasis : AsText {
    static void add(Column& column, core::Basis basis) { column.add_text(to_string(basis)); }
    static void read(Datum value, core::Basis& out) { out = parse_basis(pg::view(value)); }
};
struct AsArchive : AsText {
    static void add(Column& column, core::Archive archive) { column.add_told(core::to_string(archive)); }
    static void read(Datum value, core::Archive& out) { out = core::parse_archive(pg::view(value)); }
};
struct AsInterval : AsInt8 { // microseconds
    static constexpr Oid type = INTERVALOID;
    static void add(Column& column, core::Micros micros) {
        auto* interval = static_cast<Interval*>(palloc0(sizeof(Interval)));
        interval->time = micros;
        column.add(IntervalPGetDatum(interval));
    }
    static void read(Datum value, core::Micros& out) { out = micros_of(*DatumGetIntervalP(value)); }
};

// The beginning of a cycle reads these only. The first two are of the key.
constexpr std::tuple sweep_fields{field<AsText>("vhost", CLOUDSAT_MEMBER(vhost)),
                                  field<AsText>("name", CLOUDSAT_MEMBER(name)),
                                  field<AsSource>("size_source", CLOUDSAT_MEMBER(known.source)),
                                  field<AsTime>("gone_at", CLOUDSAT_MEMBER(extras.gone_at))};
constexpr std::tuple queue_fields = std::tuple_cat(
    sweep_fields,
    std::tuple{field<AsText>("type", CLOUDSAT_MEMBER(known.facts.type)),
               field<AsBool>("durable", CLOUDSAT_MEMBER(known.facts.durable)),
               field<AsBool>("exclusive", CLOUDSAT_MEMBER(known.facts.exclusive)),
               field<AsBool>("auto_delete", CLOUDSAT_MEMBER(known.facts.auto_delete)),
               field<AsJson>("arguments", CLOUDSAT_MEMBER(known.facts.arguments), OnUpdate::keep_if_null),
               field<AsText>("state", CLOUDSAT_MEMBER(known.facts.state)),
               field<AsInt8>("messages", CLOUDSAT_MEMBER(known.facts.messages)),
               field<AsInt8>("ready", CLOUDSAT_MEMBER(known.facts.ready)),
               field<AsInt8>("unacknowledged", CLOUDSAT_MEMBER(known.facts.unacknowledged)),
               field<AsInt8>("consumers", CLOUDSAT_MEMBER(known.facts.consumers)),
               field<AsInt8>("memory", CLOUDSAT_MEMBER(known.facts.memory)),
               field<AsText>("owner", CLOUDSAT_MEMBER(known.owner_name)),
               field<AsOwner>("owner_kind", CLOUDSAT_MEMBER(known.owner)),
               field<AsLevel>("level", CLOUDSAT_MEMBER(known.standing.level)),
               field<AsLevel>("pending", CLOUDSAT_MEMBER(known.standing.pending)),
               field<AsId>("policy", CLOUDSAT_MEMBER(known.policy)),
               field<AsInt8>("warn_size", CLOUDSAT_MEMBER(known.limits.warn_size)),
               field<AsInt8>("delete_size", CLOUDSAT_MEMBER(known.limits.delete_size)),
               field<AsInt8>("archive_size", CLOUDSAT_MEMBER(known.limits.archive_size)),
               field<AsInt8>("max_archive_size", CLOUDSAT_MEMBER(known.limits.max_archive_size)),
               field<AsInterval>("delete_delay", CLOUDSAT_MEMBER(known.limits.delete_delay)),
               field<AsBool>("unbounded", CLOUDSAT_MEMBER(known.limits.unbounded)),
               field<AsBool>("exempt", CLOUDSAT_MEMBER(known.limits.exempt)),
               field<AsBasis>("basis", CLOUDSAT_MEMBER(known.limits.basis)),
               field<AsFloat8>("growth", CLOUDSAT_MEMBER(known.growth)),
               field<AsUuid>("incident", CLOUDSAT_MEMBER(extras.incident)),
               field<AsId>("incident_size", CLOUDSAT_MEMBER(extras.incident_size)),
               field<AsTime>("incident_at", CLOUDSAT_MEMBER(extras.incident_at)),
               field<AsText>("belayed_by", CLOUDSAT_MEMBER(extras.belayed_by)),
               field<AsTime>("belayed_at", CLOUDSAT_MEMBER(extras.belayed_at)),
               field<AsTime>("would_delete_at", CLOUDSAT_MEMBER(extras.would_delete_at)),
               field<AsTime>("delay_from", CLOUDSAT_MEMBER(known.standing.delay_from)),
               field<AsArchive>("archive", CLOUDSAT_MEMBER(known.standing.archive)),
               field<AsTime>("archive_at", CLOUDSAT_MEMBER(extras.archive_at)),
               field<AsInt8>("archived", CLOUDSAT_MEMBER(extras.archived)),
               field<AsInt4>("archive_failures", CLOUDSAT_MEMBER(extras.archive_failures)),
               field<AsTime>("archive_retry", CLOUDSAT_MEMBER(extras.archive_retry)),
               field<AsTime>("intended_at", CLOUDSAT_MEMBER(extras.intended_at)),
               field<AsXid>("intended_xact", CLOUDSAT_MEMBER(extras.intended_xact)),
               field<AsInt4>("attempts", CLOUDSAT_MEMBER(extras.attempts)),
               field<AsInt4>("failures", CLOUDSAT_MEMBER(extras.failures)),
               field<AsTime>("acted_at", CLOUDSAT_MEMBER(known.standing.acted_at)),
               field<AsTime>("retry_after", CLOUDSAT_MEMBER(known.standing.retry_after)),
               field<AsTime>("first_seen", CLOUDSAT_MEMBER(extras.first_seen)),
               field<AsTime>("changed_at", CLOUDSAT_MEMBER(known.changed_at))});

ServerTable queue_table("queues", 2);
// Derives what has no column of its own.
void derive(QueueRow& row) {
    const RowExtras& extras = row.extras;
    core::Standing& standing = row.known.standing;
    standing.would_delete = extras.would_delete_at != 0;
    standing.belayed = extras.belayed_at != 0;
    standing.intended = extras.intended_at != 0;
    standing.archive_failures = extras.archive_failures;
    row.known.gone = extras.gone_at != 0;
}

// Whether most rows of the table are of other servers. The index of the key saves reading those; measured
// with ten equal servers, a poll takes half the time. For a server alone, the order of the table is faster:
// by the index, a poll takes a fifth longer. Old statistics cost time only.
bool is_minority(const Cycle& cycle, Relation table) {
    return static_cast<float>(cycle.past.queues.value_or(0)) < table->rd_rel->reltuples / 2;
}

} // namespace

struct QueueReader : RowReader<queue_table, queue_fields> {
    using RowReader::RowReader;
};
struct QueueColumns : Rows<queue_table, queue_fields> {};

QueueScan::QueueScan(const Cycle& cycle)
    : context_(CurrentMemoryContext), table_(table_open(queues_table.oid(), AccessShareLock)) {
    CommandCounterIncrement(); // sees earlier changes of this transaction
    snapshot_ = RegisterSnapshot(GetTransactionSnapshot());
    TupleDesc descriptor = RelationGetDescr(table_);
    const AttrNumber server = queue_table.find(descriptor, "server");
    Relation index = is_minority(cycle, table_) ? board::open_index(table_, {server}) : nullptr;
    ScanKeyData key;
    ScanKeyEntryInitialize(&key, 0, server, BTEqualStrategyNumber, InvalidOid,
                           TupleDescAttr(descriptor, server - 1)->attcollation, F_TEXTEQ,
                           pg::to_text(cycle.server->name));
    scan_.begin(table_, index == nullptr ? InvalidOid : RelationGetRelid(index), snapshot_, key);
    if (index != nullptr) {
        index_close(index, AccessShareLock); // the scan has it open
    }
    scratch_ = pg::new_context(CurrentMemoryContext, "cloudsat arguments");
    reader_ = new (palloc(sizeof(QueueReader))) QueueReader(descriptor);
    arguments_column_ = queue_table.find(descriptor, "arguments");
}

const QueueRow* QueueScan::next() {
    CHECK_FOR_INTERRUPTS();
    MemoryContext caller = MemoryContextSwitchTo(context_); // an index scan keeps what it allocates
    slot_ = scan_.next();
    MemoryContextSwitchTo(caller);
    if (slot_ == nullptr) {
        return nullptr;
    }
    reader_->read(slot_, row_);
    derive(row_);
    return &row_;
}

std::optional<std::string_view> QueueScan::other_arguments(std::string_view told) {
    MemoryContextReset(scratch_);
    MemoryContext outer = MemoryContextSwitchTo(scratch_);
    std::optional<std::string_view> other;
    bool isnull = false;
    const Datum arguments = slot_getattr(slot_, arguments_column_, &isnull);
    if (isnull) {
        other = std::string_view{};
    } else {
        Jsonb* known = DatumGetJsonbP(arguments);
        const bool both_empty = told == "{}" && JB_ROOT_IS_OBJECT(known) && JB_ROOT_COUNT(known) == 0;
        if (!both_empty) { // as for most queues
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
    scan_.end();
    UnregisterSnapshot(snapshot_);
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
    // about as many as last time, and some new ones
    const auto before = static_cast<std::size_t>(cycle.past.queues.value_or(0));
    cycle.sweep->reserve(before + before / 8);
    std::string_view last; // most rows have the same vhost as the previous one
    std::uint32_t vhost = 0;
    QueueScan scan(cycle);
    const RowReader<queue_table, sweep_fields> reader(RelationGetDescr(scan.table_));
    QueueRow row;
    while (TupleTableSlot* slot = scan.scan_.next()) {
        CHECK_FOR_INTERRUPTS();
        reader.read(slot, row);
        if (row.vhost != last || last.empty()) {
            last = join(cycle.arena, {row.vhost});
            vhost = cycle.sweep->vhost(last);
        }
        cycle.sweep->know(vhost, row.name, row.extras.gone_at != 0, row.known.source);
    }
    scan.end();
}

bool read_queue(const Server& server, std::string_view vhost, std::string_view name,
                std::pmr::memory_resource* arena, QueueRow& row) {
    static pg::Statement one_queue(R"(
    SELECT q.*
    FROM cloudsat.queues AS q
    WHERE q.server = $1
      AND q.vhost = $2
      AND q.name = $3)",
                                   {TEXTOID, TEXTOID, TEXTOID});
    const Datum key[] = {pg::to_text(server.name), pg::to_text(vhost), pg::to_text(name)};
    if (one_queue.run(key, {}, true, 1) == 0) {
        return false;
    }
    read_result<queue_table, queue_fields>(row, arena);
    derive(row);
    return true;
}

void QueueRows::add(std::string_view vhost, std::string_view name, const core::Known& known,
                    const RowExtras& extras) {
    QueueRow row{vhost, name, known, extras};
    if (!extras.incident) {
        row.extras.incident_size = 0;
        row.extras.incident_at = 0;
    }
    if (!known.standing.belayed) {
        row.extras.belayed_by = {};
        row.extras.belayed_at = 0;
    }
    columns_->add(row);
}

QueueRows::QueueRows() : columns_(new (palloc(sizeof(QueueColumns))) QueueColumns) {}

std::int64_t QueueRows::size() const {
    return columns_->size();
}

void QueueRows::write(const Server& server) const {
    if (size() > 0) {
        columns_->write(server.name);
    }
}

} // namespace cloudsat::guardian
