// SQL function cloudsat.replay(): archived messages go back to their queue. What the broker has confirmed is
// removed here, in the caller's transaction; whatever is not sure stays, and may so come twice.
//
// A broker confirms what it drops a moment later: messages beyond a queue's limits (or, to make room for
// them, the oldest), and those that do not live long there. So the queue's own document is read first, and of
// a queue with limits no more is sent than fits, counted anew each few hundred messages, when all before are
// confirmed.

#include <algorithm>
#include <limits>
#include <memory_resource>

#include "core/amqp_properties.hpp"
#include "core/broker_name.hpp"
#include "core/queue_detail.hpp"
#include "core/url.hpp"
#include "guardian/amqp.hpp"
#include "guardian/columns.hpp"
#include "guardian/cycle.hpp"
#include "guardian/server.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"
#include "pg/wait.hpp"

extern "C" {
#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
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

constexpr std::int64_t unlimited = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t most_between_counts = 500;

// The statistics of a queue are up to 10 s old, and those of a new queue are not there yet.
constexpr std::int64_t patience = 12 * core::micros_per_second;
constexpr long pause_ms = 500;

struct Replay {
    const Server* server = nullptr;
    net::Amqp* amqp = nullptr;
    MemoryContext context = nullptr; // as long as the call
    MemoryContext turn = nullptr;    // reset at each turn
    Datum server_name{}, vhost{}, queue{};
    std::string_view queue_name; // as the broker has it
    core::QueueDetail detail;    // limits, and how many there were when it was read
    bool limited = false;        // by length or by bytes
    std::int64_t ready = 0;      // in the queue at the last count, and at the first
    std::int64_t first_ready = 0;
    std::int64_t room = 0; // how many messages and bytes may be sent before the next count
    std::int64_t room_bytes = 0;
    std::int64_t sent_bytes = 0;
    std::int64_t short_lived = 0;      // messages that were passed over
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

// One archived message, as it was fetched.
struct Message {
    ItemPointerData place;
    std::string_view properties;
    std::string_view body;

    // The broker counts bodies; newer ones count more of a message.
    std::int64_t bytes() const { return static_cast<std::int64_t>(properties.size() + body.size()); }
};

Message message_at(uint64 row) {
    bool isnull = false;
    Message message;
    message.place = *reinterpret_cast<ItemPointerData*>(DatumGetPointer(pg::spi_value(row, 1, isnull)));
    message.properties = pg::view(pg::spi_value(row, 2, isnull));
    message.body = pg::view(pg::spi_value(row, 3, isnull));
    return message;
}

void put_in_line(Replay& r, const Message& message) {
    {
        pg::ContextResource memory(r.turn);
        // what is no properties can only have been put here by hand
        r.amqp->publish(
            core::amqp::renew_properties(message.properties, &memory).value_or(std::string_view("\0\0", 2)),
            message.body);
    }
    remember(r, message.place);
    r.sent_bytes += message.bytes();
    r.room -= r.limited ? 1 : 0;
    r.room_bytes -= r.limited ? message.bytes() : 0;
}

void stop(Replay& r, std::string_view why) {
    auto* reason = static_cast<char*>(MemoryContextAllocZero(r.context, why.size() + 1));
    why.copy(reason, why.size());
    r.reason = reason;
}

bool count_ready(Replay& r) {
    r.amqp->start_count(r.queue_name);
    if (!finish(*r.amqp)) {
        stop(r, r.amqp->fault().text);
        return false;
    }
    r.ready = r.amqp->count().ready;
    return true;
}

// Waits until enough is confirmed to go on; false when there is a reason to stop.
bool confirm(Replay& r, std::size_t unconfirmed) {
    r.amqp->start_confirming(unconfirmed);
    const std::string_view why = finish(*r.amqp) ? r.amqp->refusal() : r.amqp->fault().text;
    if (!why.empty()) {
        stop(r, why);
    }
    return why.empty();
}

// How much fits into the queue now, when all that was sent is confirmed. Unacknowledged messages may come
// back and then count, too. Who takes messages meanwhile frees bytes, but nobody tells how many.
void measure(Replay& r) {
    r.room = most_between_counts;
    r.room_bytes = unlimited;
    if (r.detail.max_length) {
        r.room = std::min(r.room, *r.detail.max_length - r.ready - r.detail.facts.unacknowledged.value_or(0));
    }
    if (r.detail.max_bytes) {
        r.room_bytes = *r.detail.max_bytes - r.detail.bytes.value_or(0) - r.sent_bytes;
    }
}

bool fits(const Replay& r, const Message& message) {
    return r.room >= 1 && r.room_bytes >= message.bytes();
}

// Makes sure that the message fits into the queue; false when it does not, with the reason.
bool find_room(Replay& r, const Message& message) {
    if (!r.limited || fits(r, message)) {
        return true;
    }
    const bool well = confirm(r, 0);
    remove_confirmed(r);
    if (!well || !count_ready(r)) {
        return false;
    }
    if (r.detail.max_bytes && r.ready > r.first_ready + r.published) {
        stop(r, "others publish to the queue, whose size in bytes is limited");
        return false;
    }
    measure(r);
    if (!fits(r, message)) {
        const bool length = r.room < 1;
        stop(r, psprintf("the queue has no room: its %s is " INT64_FORMAT,
                         length ? "max-length" : "max-length-bytes",
                         length ? *r.detail.max_length : *r.detail.max_bytes));
        return false;
    }
    return true;
}

// One row of what was fetched; false when there is a reason to stop.
bool send_row(Replay& r, uint64 row) {
    MemoryContext before = MemoryContextSwitchTo(r.turn); // a body may be large, and is copied to be read
    const Message message = message_at(row);
    bool more = true;
    if (core::amqp::expiration_ms(message.properties).value_or(unlimited) < core::shortest_life_ms) {
        ++r.short_lived;
    } else if (find_room(r, message)) {
        put_in_line(r, message);
        if (r.amqp->unconfirmed_bytes() >= unconfirmed_limit) {
            more = confirm(r, unconfirmed_limit / 2);
            remove_confirmed(r);
        }
    } else {
        more = false;
    }
    MemoryContextSwitchTo(before);
    return more;
}

void publish_all(Replay& r, std::int64_t max) {
    const Oid types[] = {TEXTOID, TEXTOID, TEXTOID, INT8OID};
    Datum values[] = {r.server_name, r.vhost, r.queue, Int64GetDatum(max)};
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
            const std::int64_t before = r.sent_bytes;
            more = send_row(r, row);
            bytes += static_cast<std::size_t>(r.sent_bytes - before);
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
    if (r.reason == nullptr && r.short_lived > 0) {
        stop(r, psprintf(INT64_FORMAT " stay, because they expire within a minute", r.short_lived));
    }
}

// --- what the broker says of the queue

enum class Known : std::uint8_t { yes, not_yet, missing };

// Reads the queue's own document. Without it nothing is sent: that is an error.
Known look(Replay& r, std::string_view url, std::pmr::memory_resource* arena) {
    net::Http& http = http_of_process();
    start(http, *r.server, net::Method::get, url, core::Expect::json);
    const net::Reply& reply = finish(http);
    if (reply.kind == core::FaultKind::not_found) {
        return Known::missing;
    }
    core::FaultKind kind = reply.kind;
    std::string_view words = reply.error;
    if (kind == core::FaultKind::none) {
        const auto document =
            core::read_queue_detail(reply.json(), arena, pg::view(r.vhost), pg::view(r.queue));
        if (document) {
            r.detail = document.value();
            return r.detail.policies_told ? Known::yes : Known::not_yet;
        }
        kind = document.error().kind;
        if (kind == core::FaultKind::not_found) {
            return Known::missing;
        }
        words = document.error().detail;
    }
    ereport(ERROR, errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
            errmsg("broker \"%s\" does not tell the limits of the queue: %.*s", r.server->name,
                   static_cast<int>(words.size()), words.data()),
            errdetail("The kind of fault is %s.", core::name_of(kind).data()));
    pg_unreachable();
}

// The queue's own document, or where its name has no address over HTTP, the page of a listing that has it.
std::string_view url_of(const Replay& r, std::pmr::memory_resource* arena) {
    constexpr std::string_view columns =
        "?columns=name,vhost,type,messages,messages_ready,messages_unacknowledged,message_bytes,"
        "arguments,effective_policy_definition&";
    const std::string_view management = r.server->options.management_url;
    const auto base = core::check_base_url(management, arena);
    const std::string_view queues = join(arena, {base ? base.value().text : management, "/api/queues"});
    const auto vhost = core::segment_of_text(pg::view(r.vhost), arena);
    const auto queue = core::segment_of_text(pg::view(r.queue), arena);
    if (vhost && queue) {
        return join(arena, {queues, "/", *vhost, "/", *queue});
    }
    return join(arena, {queues, vhost ? "/" : "", vhost.value_or(""), columns,
                        core::look_again_query(r.queue_name, arena)});
}

// Finds out what limits the queue has and how far it is from them; waits for the broker's statistics where
// they are needed. Leaves a reason when nothing may be sent.
void find_limits(Replay& r) {
    auto* memory = pg::make<pg::ContextResource>(r.context, r.context);
    auto* arena = pg::make<std::pmr::monotonic_buffer_resource>(r.context, memory);
    const std::string_view url = url_of(r, arena);
    pg::make<Hangup>(r.context, &http_of_process());
    const TimestampTz end = GetCurrentTimestamp() + std::min(patience, r.server->options.timeout);
    for (;;) {
        const Known known = look(r, url, arena);
        if (known == Known::missing) {
            return; // AMQP will say so
        }
        r.limited = r.detail.max_length || r.detail.max_bytes;
        if (r.limited && !count_ready(r)) {
            return;
        }
        r.first_ready = r.ready;
        const bool behind = r.detail.max_bytes && r.detail.facts.ready != r.ready;
        if ((known == Known::yes && !behind) || GetCurrentTimestamp() >= end) {
            const std::string_view why = core::reason_to_keep(r.detail);
            if (!why.empty() || behind) {
                stop(r, !why.empty() ? why : "the broker does not tell yet how many bytes the queue holds");
            }
            return;
        }
        static const uint32 event = CLOUDSAT_WAIT_EVENT("CloudsatReplay");
        pg::wait(-1, pause_ms, event);
    }
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
    r.server = server;
    r.server_name = PG_GETARG_DATUM(0);
    r.vhost = PG_GETARG_DATUM(1);
    r.queue = PG_GETARG_DATUM(2);
    r.queue_name = queue_name;
    pg::make<AmqpHangup>(context, r.amqp);
    require_connection(connect(*r.amqp, *server, pg::view(r.vhost), server->options.timeout), *server,
                       *r.amqp);
    find_limits(r);
    if (r.reason == nullptr) {
        r.amqp->start_publishing(queue_name);
        require_connection(finish(*r.amqp), *server, *r.amqp);
        pg::spi_begin();
        publish_all(r, max);
        pg::spi_end();
    }
    r.amqp->start_close();
    finish(*r.amqp);
    const Datum row = as_row(fcinfo, r);
    MemoryContextDelete(context);
    return row;
}

} // namespace

SQL_FUNCTION(replay);

} // namespace cloudsat::guardian
