// The board clock, see board_clock.hpp.
//
// The current era follows from cloudsat.eras and the identity of the cluster alone. It is the era of the
// newest row if that was written in this cluster, otherwise the next one, and 0 if there is no row. So a
// reader need not see the row of an era that is just beginning.

#include "board/board_clock.hpp"

#include "board/append.hpp"
#include "pg/names.hpp"
#include "pg/table_scan.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "commands/trigger.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace cloudsat::board {
namespace {

pg::Name eras_table(pg::Name::Kind::table, "eras");

enum Column : std::size_t { c_era, c_system_identifier, c_began, columns };

struct Known {
    Oid table = InvalidOid; // invalid: not read yet
    std::uint32_t era = 0;
    bool began = false; // its row exists
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

Known read_eras() {
    const Oid table = eras_table.oid();
    Relation eras = table_open(table, AccessShareLock);
    std::int64_t newest = -1;
    bool ours = false;
    // Reads rows committed by now, whatever our snapshot, and those of this transaction. There are few rows.
    pg::TableScan scan;
    scan.begin(eras, SnapshotSelf);
    while (TupleTableSlot* row = scan.next()) {
        bool isnull = false;
        const auto value = [&](Column column) {
            return slot_getattr(row, static_cast<int>(column) + 1, &isnull);
        };
        const std::int64_t era = DatumGetInt32(value(c_era));
        if (era > newest) {
            newest = era;
            ours = static_cast<uint64>(DatumGetInt64(value(c_system_identifier))) == GetSystemIdentifier();
        }
    }
    scan.end();
    table_close(eras, AccessShareLock); // a reader that waits later must not hold it
    const std::int64_t era = newest + (ours ? 0 : 1);
    if (era > core::max_era) {
        ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the board has too many eras"),
                errdetail("Each restore into another cluster begins an era, and cloudsat.eras can hold %u.",
                          core::max_era + 1));
    }
    return {table, static_cast<std::uint32_t>(era), ours};
}

// The name first: its look-up may process invalidations that change this state.
const Known& know() {
    const Oid table = eras_table.oid();
    if (known.table != table) {
        known = read_eras();
    }
    return known;
}

// A writer that comes before the era's first row is committed adds its own row. Waiting for the other's would
// make posters wait for each other, and leave the era without a row if that one is rolled back.
void begin_era() {
    const Oid table = eras_table.oid();
    const Datum values[columns] = {Int32GetDatum(static_cast<int32>(know().era)),
                                   Int64GetDatum(static_cast<int64>(GetSystemIdentifier())),
                                   TimestampTzGetDatum(GetCurrentTimestamp())};
    const bool nulls[columns] = {};
    Appender eras = append_begin(table);
    append_row(eras, {values, nulls});
    append_end(eras);
    CacheInvalidateRelcacheByRelid(table);
    known.table = InvalidOid;
    has_written = true;
}

} // namespace

void watch_board_clock() {
    CacheRegisterRelcacheCallback(forget, 0);
    RegisterXactCallback(at_transaction_end, nullptr);
    RegisterSubXactCallback(at_subtransaction_end, nullptr);
}

std::uint64_t era_offset() {
    return core::on_board_clock(know().era, 0);
}

std::uint64_t began_era_offset() {
    if (!know().began) {
        begin_era();
    }
    return era_offset();
}

} // namespace cloudsat::board

using namespace cloudsat;

// On any change of the table, above all a restore, every session reads it again.
static Datum era_changed(PG_FUNCTION_ARGS) {
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                errmsg("this is a trigger function"));
    }
    const auto* trigger = reinterpret_cast<const TriggerData*>(fcinfo->context);
    CacheInvalidateRelcache(trigger->tg_relation);
    return PointerGetDatum(nullptr);
}
SQL_FUNCTION(era_changed);
