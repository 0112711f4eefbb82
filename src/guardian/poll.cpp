// SQL function cloudsat.poll(server): one cycle in the calling session. Unlike in a worker, the transaction
// stays open while the broker is asked; so this is for people, tests and small brokers.

#include <string_view>

#include "guardian/act.hpp"
#include "guardian/cycle.hpp"
#include "guardian/enforcement.hpp"
#include "guardian/fetch.hpp"
#include "guardian/record.hpp"
#include "guardian/server.hpp"
#include "guardian/watch.hpp"
#include "pg/boundary.hpp"
#include "pg/memory.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/htup_details.h"
#include "miscadmin.h"
}

namespace cloudsat::guardian {
namespace {

Datum as_row(FunctionCallInfo fcinfo, const Report& report) {
    TupleDesc columns;
    if (get_call_result_type(fcinfo, nullptr, &columns) != TYPEFUNC_COMPOSITE) {
        elog(ERROR, "return type must be a row type");
    }
    Datum values[] = {Int64GetDatum(report.queues),    Int64GetDatum(report.changed),
                      Int64GetDatum(report.events),    Int64GetDatum(report.bytes),
                      Float8GetDatum(report.fetch_ms), Float8GetDatum(report.record_ms)};
    bool nulls[] = {!report.ok, false, false, false, false, false};
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls));
}

Datum poll(FunctionCallInfo fcinfo) {
    pg::require_argument(fcinfo, 0, "server");
    PreventCommandIfReadOnly("cloudsat.poll()"); // before any queue is changed
    const Oid oid = find_server(pg::view(PG_GETARG_DATUM(0)));
    lock_server(oid, LockKind::transaction);

    MemoryContext context = pg::new_context(CurrentMemoryContext, "cloudsat poll");
    const Server* server = load_server(oid, context); // after the lock: it may have waited for long
    require_watch(*server);
    if (server->held_back) {
        ereport(WARNING, errmsg("enforce is held back for broker \"%s\"", server->name),
                errdetail("%s", not_confirmed), errhint("%s", how_to_confirm(*server)));
    }
    forget_namesake(*server);
    net::Http& http = http_of_process();

    Intentions* intentions = open_intentions(server, http, context, ActedBy::poll);
    for (Intention& intention : intentions->list) {
        if (intentions->unreachable) {
            break;
        }
        look(*intentions, intention);
        reconsider(*intentions, intention);
        act(*intentions, intention);
        conclude(*intentions, intention);
    }
    disconnect(*intentions);

    Cycle* cycle = begin(server, http, context);
    cycle->archives = false;
    fetch(*cycle);
    const Report report = record(*cycle);
    if (!report.ok) {
        const std::string_view hint = core::plugin_hint(report.kind, core::Plugin::management);
        ereport(WARNING, errmsg("broker \"%s\" could not be polled: %s", server->name, report.error),
                errdetail("The kind of fault is %s.", core::name_of(report.kind).data()),
                errhint("%s", hint.empty() ? "See cloudsat.polls." : hint.data()));
    }
    const Datum row = as_row(fcinfo, report);
    MemoryContextDelete(context);
    return row;
}

} // namespace

SQL_FUNCTION(poll);

} // namespace cloudsat::guardian
