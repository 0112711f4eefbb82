// SQL function cloudsat.replay(): archived messages go back to their queue. What the broker has confirmed is
// removed here, in the caller's transaction; whatever is not sure stays, and may so come twice.

#include <algorithm>

#include "core/amqp_properties.hpp"
#include "core/broker_name.hpp"
#include "guardian/amqp.hpp"
#include "guardian/columns.hpp"
#include "guardian/server.hpp"
#include "pg/memory.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/htup_details.h"
#include "miscadmin.h"
}

namespace cloudsat::guardian {
namespace {

// What is published and not confirmed yet. A broker under an alarm reads no more than its buffers hold.
constexpr std::size_t unconfirmed_limit = 1024 * 1024;
constexpr int most_rows = 500; // fetched at once

constexpr const char* chosen_messages = R"(
    SELECT m.ctid, m.properties, m.body
    FROM cloudsat.archived_messages AS m
    WHERE m.server OPERATOR(pg_catalog.=) $1
      AND m.vhost OPERATOR(pg_catalog.=) $2
      AND m.queue OPERATOR(pg_catalog.=) $3
    ORDER BY m.id LIMIT $4 FOR UPDATE SKIP LOCKED)";

// By their places: they are locked by us, so they stay there; and a search by key would find its way through
// those that were removed before.
pg::Statement remove_messages(R"(
    DELETE FROM cloudsat.archived_messages AS m
    WHERE m.ctid OPERATOR(pg_catalog.=) ANY ($1))",
                              {TIDARRAYOID});

struct Replay {
    net::Amqp* amqp = nullptr;
    MemoryContext context = nullptr; // as long as the call
    MemoryContext turn = nullptr;    // reset at each turn
    Datum server{}, vhost{}, queue{};
    ItemPointerData* places = nullptr; // by the number that the connection gave them, from 1
    std::int64_t published = 0;
    std::int64_t capacity = 0;
    std::int64_t removed = 0;
    const char* reason = nullptr; // why it stopped
};

void remember(Replay& r, const ItemPointerData& place) {
    if (r.published == r.capacity) {
        r.capacity = std::max<std::int64_t>(r.capacity * 2, 1024);
        const auto size = static_cast<Size>(r.capacity) * sizeof place;
        r.places = static_cast<ItemPointerData*>(r.places == nullptr ? MemoryContextAllocHuge(r.context, size)
                                                                     : repalloc_huge(r.places, size));
    }
    r.places[r.published++] = place;
}

// Those that the broker has taken over are removed here.
void remove_confirmed(Replay& r) {
    const auto confirmed = r.amqp->confirmed();
    if (confirmed.empty()) {
        return;
    }
    Column places;
    for (const std::uint64_t number : confirmed) {
        places.add(PointerGetDatum(&r.places[number - 1]));
    }
    r.removed += places.size();
    r.amqp->clear_confirmed();
    const Datum values[] = {places.array(TIDOID)};
    remove_messages.run(values);
}

void put_in_line(Replay& r, uint64 row) {
    MemoryContext before = MemoryContextSwitchTo(r.turn); // a body may be large, and is copied to be read
    bool isnull = false;
    const auto* place =
        reinterpret_cast<const ItemPointerData*>(DatumGetPointer(pg::spi_value(row, 1, isnull)));
    const std::string_view properties = pg::view(pg::spi_value(row, 2, isnull));
    const std::string_view body = pg::view(pg::spi_value(row, 3, isnull));
    {
        pg::ContextResource memory(r.turn);
        // what is no properties can only have been put here by hand
        r.amqp->publish(
            core::amqp::renew_properties(properties, &memory).value_or(std::string_view("\0\0", 2)), body);
    }
    MemoryContextSwitchTo(before);
    remember(r, *place);
}

// Waits until enough is confirmed to go on; false when there is a reason to stop.
bool confirm(Replay& r, std::size_t unconfirmed) {
    r.amqp->start_confirming(unconfirmed);
    const std::string_view why = finish(*r.amqp) ? r.amqp->refusal() : r.amqp->fault().text;
    if (!why.empty()) {
        auto* reason = static_cast<char*>(MemoryContextAllocZero(r.context, why.size() + 1));
        why.copy(reason, why.size());
        r.reason = reason;
    }
    return why.empty();
}

void publish_all(Replay& r, std::int64_t max) {
    const Oid types[] = {TEXTOID, TEXTOID, TEXTOID, INT8OID};
    Datum values[] = {r.server, r.vhost, r.queue, Int64GetDatum(max)};
    SPIPlanPtr plan = SPI_prepare(chosen_messages, 4, const_cast<Oid*>(types));
    if (plan == nullptr) {
        elog(ERROR, "could not prepare \"%s\": %s", chosen_messages, SPI_result_code_string(SPI_result));
    }
    Portal portal = SPI_cursor_open(nullptr, plan, values, nullptr, false);
    long rows = 1; // the first one tells how large they are
    bool more = true;
    while (more) {
        SPI_cursor_fetch(portal, true, rows);
        SPITupleTable* fetched = SPI_tuptable;
        const uint64 count = SPI_processed;
        std::size_t bytes = 1;
        for (uint64 row = 0; row < count && more; ++row) {
            SPI_tuptable = fetched; // whatever else was asked meanwhile
            const std::size_t before = r.amqp->unconfirmed_bytes();
            put_in_line(r, row);
            bytes += r.amqp->unconfirmed_bytes() - before;
            if (r.amqp->unconfirmed_bytes() >= unconfirmed_limit) {
                more = confirm(r, unconfirmed_limit / 2);
                remove_confirmed(r);
            }
        }
        more = more && count > 0;
        SPI_freetuptable(fetched);
        MemoryContextReset(r.turn);
        rows = std::clamp<long>(static_cast<long>(unconfirmed_limit * count / bytes), 1, most_rows);
    }
    SPI_cursor_close(portal);
    if (r.reason == nullptr && r.published > 0) {
        confirm(r, 0);
    }
    remove_confirmed(r); // what was confirmed before a fault, too
}

Datum as_row(FunctionCallInfo fcinfo, const Replay& r) {
    TupleDesc columns;
    if (get_call_result_type(fcinfo, nullptr, &columns) != TYPEFUNC_COMPOSITE) {
        elog(ERROR, "return type must be a row type");
    }
    Datum values[] = {Int64GetDatum(r.removed), Int64GetDatum(r.published - r.removed),
                      r.reason == nullptr ? Datum{0} : pg::to_text(r.reason)};
    bool nulls[] = {false, false, r.reason == nullptr};
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls));
}

void require_connection(bool well, const Server& server, const net::Amqp& amqp) {
    if (!well) {
        const net::AmqpFault& fault = amqp.fault();
        ereport(ERROR, errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
                errmsg("broker \"%s\" could not be reached over AMQP: %.*s", server.name,
                       static_cast<int>(fault.text.size()), fault.text.data()),
                errdetail("The kind of fault is %s.", core::name_of(fault.kind).data()));
    }
}

Datum replay(FunctionCallInfo fcinfo) {
    pg::require_argument(fcinfo, 0, "server");
    pg::require_argument(fcinfo, 1, "vhost");
    pg::require_argument(fcinfo, 2, "queue");
    pg::require_argument(fcinfo, 3, "max");
    PreventCommandIfReadOnly("cloudsat.replay()"); // before anything is published
    const std::int64_t max = PG_GETARG_INT64(3);
    if (max < 0) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max must not be negative"));
    }
    MemoryContext context = pg::new_context(CurrentMemoryContext, "cloudsat replay");
    auto* arena = pg::make<pg::ContextResource>(context, context);
    const std::string_view queue_name = core::name_of_text(pg::view(PG_GETARG_DATUM(2)), arena);
    if (queue_name.empty() || queue_name.size() > core::amqp::longest_short_string) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("the name of a queue has between 1 and 255 bytes"));
    }
    const Server* server = load_server(find_server(pg::view(PG_GETARG_DATUM(0))), context);
    if (server->options.amqp_url.empty()) {
        ereport(ERROR, errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
                errmsg("server \"%s\" has no amqp_url", server->name),
                errhint("Use ALTER SERVER ... OPTIONS (ADD amqp_url 'amqp://host')."));
    }
    Replay r;
    r.amqp = &amqp_of_process();
    r.context = context;
    r.turn = pg::new_context(context, "cloudsat turn");
    r.server = PG_GETARG_DATUM(0);
    r.vhost = PG_GETARG_DATUM(1);
    r.queue = PG_GETARG_DATUM(2);
    pg::make<AmqpHangup>(context, r.amqp);
    require_connection(connect(*r.amqp, *server, pg::view(r.vhost), server->options.timeout), *server,
                       *r.amqp);
    r.amqp->start_publishing(queue_name);
    require_connection(finish(*r.amqp), *server, *r.amqp);

    pg::spi_begin();
    publish_all(r, max);
    pg::spi_end();
    r.amqp->start_close();
    finish(*r.amqp);
    const Datum row = as_row(fcinfo, r);
    MemoryContextDelete(context);
    return row;
}

} // namespace

SQL_FUNCTION(replay);

} // namespace cloudsat::guardian
