// The board clock, see board_clock.hpp.
//
// The era in force follows from cloudsat.eras and the life of the cluster alone. It is the era of the newest
// row if that was written in this life, otherwise the next one, and 0 if there is no row. So a reader need
// not see the row of an era that is just beginning. A life is known by the system identifier, the timeline,
// and the end of the recovery at its start. A clean start continues the last life.

#include "board/board_clock.hpp"

#include <algorithm>
#include <utility>

#include "board/append.hpp"
#include "pg/array.hpp"
#include "pg/names.hpp"
#include "pg/table_scan.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "utils/inval.h"
#include "utils/pg_lsn.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"
}

namespace cloudsat::board {
namespace {

pg::Name eras_table(pg::Name::Kind::table, "eras");

enum Column : std::size_t {
    c_era,
    c_system_identifier,
    c_timeline,
    c_recovered_to,
    c_next_xact,
    c_began,
    columns
};

// A life of a cluster, in which it assigns each transaction number once.
struct Life {
    std::int64_t system_identifier = 0;
    std::int32_t timeline = 0;
    XLogRecPtr recovered_to = 0; // 0: it was shut down cleanly before
};

Life present_life() {
    Life life{static_cast<std::int64_t>(GetSystemIdentifier()), 0, 0};
    if (!RecoveryInProgress()) {
        life.timeline = static_cast<std::int32_t>(GetWALInsertionTimeLine());
        life.recovered_to = GetXLogReplayRecPtr(nullptr); // at its end, if there was a recovery
    }
    return life;
}

bool is_same(const Life& row, const Life& now) {
    const bool ours = row.system_identifier == now.system_identifier;
    if (now.timeline == 0) { // a standby reads what its primary writes
        return ours;
    }
    return ours && row.timeline == now.timeline &&
           (now.recovered_to == 0 || row.recovered_to == now.recovered_to);
}

struct Known {
    Oid table = InvalidOid; // invalid: not read yet
    bool on_standby = false;
    bool began = false;        // the row of the last era exists
    core::Era* eras = nullptr; // of this cluster, ascending; in TopMemoryContext
    std::size_t count = 0;
};
Known known;
bool has_written = false; // in this transaction

void forget(Datum, Oid relation) noexcept {
    if (relation == InvalidOid || relation == known.table) {
        known.table = InvalidOid;
    }
}

// A row of this transaction may be gone. A failed command does not send its invalidations to its own session.
void at_transaction_end(XactEvent event, void*) {
    if (event == XACT_EVENT_ABORT && has_written) {
        known.table = InvalidOid;
    }
    if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE) {
        has_written = false;
    }
}
void at_subtransaction_end(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
    if (event == SUBXACT_EVENT_ABORT_SUB && has_written) {
        known.table = InvalidOid;
    }
}

struct EraRow {
    core::Era era;
    Life life;
};

EraRow read_row(TupleTableSlot* row) {
    bool isnull = false;
    const auto value = [&](Column column) {
        return slot_getattr(row, static_cast<int>(column) + 1, &isnull);
    };
    EraRow read;
    read.era.number = static_cast<std::uint32_t>(DatumGetInt32(value(c_era)));
    read.era.next = U64FromFullTransactionId(DatumGetFullTransactionId(value(c_next_xact)));
    read.life.system_identifier = DatumGetInt64(value(c_system_identifier));
    read.life.timeline = DatumGetInt32(value(c_timeline));
    const Datum recovered_to = value(c_recovered_to);
    read.life.recovered_to = isnull ? InvalidXLogRecPtr : DatumGetLSN(recovered_to);
    return read;
}

// The rows committed by now, whatever our snapshot, and those of this transaction; by era.
std::span<EraRow> read_rows(Oid table) {
    Relation relation = table_open(table, AccessShareLock);
    pg::Array<EraRow> rows;
    pg::TableScan scan;
    scan.begin(relation, SnapshotSelf);
    while (TupleTableSlot* row = scan.next()) {
        rows.add(read_row(row));
    }
    scan.end();
    table_close(relation, AccessShareLock); // a reader that waits later must not hold it
    std::ranges::sort(rows.span(), {},
                      [](const EraRow& row) { return std::pair(row.era.number, row.era.next); });
    return rows.span();
}

void read_eras(Oid table) {
    const std::span<EraRow> rows = read_rows(table);
    const Life life = present_life();
    const bool began = !rows.empty() && is_same(rows.back().life, life);
    auto* all =
        static_cast<core::Era*>(MemoryContextAlloc(TopMemoryContext, sizeof(core::Era) * (rows.size() + 1)));
    std::size_t count = 0;
    for (const EraRow& row : rows) {
        if (row.life.system_identifier != life.system_identifier) {
            count = 0; // another cluster's numbers say nothing about ours
        } else if (count == 0 || all[count - 1].number != row.era.number) {
            all[count++] = row.era; // of several rows, the one with the first number
        }
    }
    if (!began) {
        const std::uint32_t next = rows.empty() ? 0 : rows.back().era.number + 1;
        all[count++] = {next, UINT64_MAX};
        if (next > core::max_era) {
            pfree(all);
            ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the board has too many eras"),
                    errdetail("Each recovery, promotion, and restore into another cluster begins an era, and"
                              " cloudsat.eras can hold %u.",
                              core::max_era + 1));
        }
    }
    if (known.eras != nullptr) {
        pfree(known.eras);
    }
    known = {table, life.timeline == 0, began, all, count};
}

// The name first: its look-up may process invalidations that change this state.
const Known& know() {
    const Oid table = eras_table.oid();
    if (known.table != table || (known.on_standby && !RecoveryInProgress())) {
        read_eras(table);
    }
    return known;
}

// A writer that comes before the era's first row is committed adds its own row. Waiting for the other's would
// make posters wait for each other, and leave the era without a row if that one is rolled back.
void begin_era() {
    const Oid table = eras_table.oid();
    const std::uint32_t number = know().eras[know().count - 1].number;
    const Life life = present_life();
    const Datum values[columns] = {Int32GetDatum(static_cast<int32>(number)),
                                   Int64GetDatum(life.system_identifier),
                                   Int32GetDatum(life.timeline),
                                   LSNGetDatum(life.recovered_to),
                                   FullTransactionIdGetDatum(ReadNextFullTransactionId()),
                                   TimestampTzGetDatum(GetCurrentTimestamp())};
    bool nulls[columns] = {};
    nulls[c_recovered_to] = life.recovered_to == InvalidXLogRecPtr;
    Appender rows = append_begin(table);
    append_row(rows, {values, nulls});
    append_end(rows);
    CacheInvalidateRelcacheByRelid(table);
    known.table = InvalidOid;
    has_written = true;
    if (number > 0) {
        ereport(LOG, errmsg("the board begins era %u", number),
                errdetail("The cluster has been recovered, promoted or restored: it may assign transaction"
                          " numbers again that it had assigned before."));
    }
}

} // namespace

void watch_board_clock() {
    CacheRegisterRelcacheCallback(forget, 0);
    RegisterXactCallback(at_transaction_end, nullptr);
    RegisterSubXactCallback(at_subtransaction_end, nullptr);
}

std::span<const core::Era> eras() {
    const Known& now = know();
    return {now.eras, now.count};
}

core::Xact began_xact(std::uint64_t full_xid) {
    if (!know().began) {
        begin_era();
    }
    return core::on_board_clock(eras().back().number, full_xid);
}

namespace {

// On any change of the table, above all a restore, every session reads it again.
Datum era_changed(FunctionCallInfo fcinfo) {
    CacheInvalidateRelcache(pg::require_trigger(fcinfo).tg_relation);
    return PointerGetDatum(nullptr);
}

} // namespace

SQL_FUNCTION(era_changed);

} // namespace cloudsat::board
