// SQL function cloudsat.replay(): publishes archived messages back to their queue. Messages that the broker
// has confirmed are removed here, in the caller's transaction; uncertain ones stay, and may be delivered
// twice.
//
// A broker confirms messages that it drops a moment later: messages beyond a queue's limits (or the oldest
// ones, to make room for them), and those with a short life. So the limits are read first. A queue with
// limits gets no more than fits, counted again every few hundred messages, when all earlier ones are
// confirmed. Nor is the queue raised above the size at which the guardian itself archives or deletes it.
//
// Limits may change meanwhile. They are read again each second and at the end, and confirmed messages are
// removed only if the limits are not stricter than before.

#include <algorithm>
#include <limits>
#include <memory_resource>

#include "core/guardian/queue_detail.hpp"
#include "core/wire/amqp_properties.hpp"
#include "core/wire/broker_name.hpp"
#include "guardian/amqp.hpp"
#include "guardian/columns.hpp"
#include "guardian/cycle.hpp"
#include "guardian/queue_limits.hpp"
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

// Bytes published and not confirmed yet. A broker under an alarm reads no more than its buffers hold.
constexpr std::size_t unconfirmed_limit = 1024 * 1024;
constexpr int most_rows = 500; // fetched at once
// Skipped messages do not count, but the search for others is limited.
constexpr std::int64_t most_passed_over = 10'000;

constexpr const char* chosen_messages = R"(
    SELECT m.ctid, m.properties, m.body
    FROM cloudsat.archived_messages AS m
    WHERE m.server = $1
      AND m.vhost = $2
      AND m.queue = $3
    ORDER BY m.id LIMIT $4 FOR UPDATE SKIP LOCKED)";

// By ctid: the rows are locked, so they stay in place; a search by key would scan the entries of removed
// rows.
pg::Statement remove_messages(R"(
    DELETE FROM cloudsat.archived_messages AS m
    WHERE m.ctid = ANY ($1))",
                              {TIDARRAYOID});

constexpr std::int64_t unlimited = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t most_between_counts = 500;

// Statistics of a queue are up to 10 s old, and those of a new queue do not exist yet.
constexpr std::int64_t statistics_timeout = 12 * core::micros_per_second;
// The broker collects the number of bytes apart from the number of messages, up to 5 s later (measured).
constexpr std::int64_t bytes_delay = 6 * core::micros_per_second;
constexpr long pause_ms = 500;
constexpr std::int64_t look_interval = core::micros_per_second;

struct Replay {
    const Server* server = nullptr;
    net::Amqp* amqp = nullptr;
    MemoryContext context = nullptr; // as long as the call
    MemoryContext turn = nullptr;    // reset at each turn
    Datum server_name{}, vhost{}, queue{};
    std::string_view queue_name;  // as in the broker
    QueueLimits limits;           // as last read
    MemoryContext look = nullptr; // holds their texts
    TimestampTz looked_at = 0;
    core::DropLimits promised;      // those in force for the sent messages
    std::int64_t first_bytes = 0;   // in the queue
    std::int64_t below_ceiling = 0; // messages that may be sent in this call
    bool limited = false;           // by length or by bytes
    std::int64_t ready = 0;         // in the queue at the last count, and at the first
    std::int64_t first_ready = 0;
    std::int64_t room = 0; // messages and bytes that may be sent before the next count
    std::int64_t room_bytes = 0;
    std::int64_t sent_bytes = 0;
    std::int64_t short_lived = 0;      // skipped messages
    ItemPointerData* places = nullptr; // by the connection's message number, from 1
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

// Removes the messages that the broker has taken over.
void remove_confirmed(Replay& r) {
    const auto confirmed = r.amqp->publisher.confirmed();
    if (confirmed.empty()) {
        return;
    }
    Column places;
    for (const std::uint64_t number : confirmed) {
        places.add(PointerGetDatum(&r.places[number - 1]));
    }
    r.removed += places.size();
    r.amqp->publisher.clear_confirmed();
    const Datum values[] = {places.array(TIDOID)};
    remove_messages.run(values);
}

// One archived message as fetched.
struct Message {
    ItemPointerData place;
    std::string_view properties;
    std::string_view body;

    // The broker counts bodies; newer versions count more of a message.
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
        // invalid properties can only have been inserted manually
        r.amqp->publisher.publish(
            core::amqp::renew_properties(message.properties, &memory).value_or(std::string_view("\0\0", 2)),
            message.body);
    }
    remember(r, message.place);
    r.sent_bytes += message.bytes();
    r.below_ceiling -= r.limits.ceiling.size ? 1 : 0;
    r.room -= r.limited ? 1 : 0;
    r.room_bytes -= r.limited ? message.bytes() : 0;
}

void stop(Replay& r, std::string_view why) {
    auto* reason = static_cast<char*>(MemoryContextAllocZero(r.context, why.size() + 1));
    why.copy(reason, why.size());
    r.reason = reason;
}

bool count_ready(Replay& r) {
    r.amqp->connection.start_count(r.queue_name);
    if (!finish(*r.amqp)) {
        stop(r, r.amqp->connection.fault().text);
        return false;
    }
    r.ready = r.amqp->connection.count().ready;
    return true;
}

// Waits until enough is confirmed to continue; false if there is a reason to stop.
bool confirm(Replay& r, std::size_t unconfirmed) {
    r.amqp->publisher.start_confirming(unconfirmed);
    const std::string_view why =
        finish(*r.amqp) ? r.amqp->publisher.refusal() : r.amqp->connection.fault().text;
    if (!why.empty()) {
        stop(r, why);
    }
    return why.empty();
}

// Computes the present room in the queue, once all sent messages are confirmed. Unacknowledged messages may
// come back, so they count. Consumers free bytes meanwhile, but the broker does not report how many.
void measure(Replay& r) {
    r.room = most_between_counts;
    r.room_bytes = unlimited;
    const core::QueueDetail& detail = r.limits.detail;
    if (detail.max_length) {
        r.room = std::min(r.room, *detail.max_length - r.ready - detail.facts.unacknowledged.value_or(0));
    }
    if (detail.max_bytes) {
        r.room_bytes = *detail.max_bytes - r.first_bytes - r.sent_bytes;
    }
}

bool fits(const Replay& r, const Message& message) {
    return r.room >= 1 && r.room_bytes >= message.bytes();
}

// Makes sure that the message fits into the queue; false if it does not, with the reason.
bool find_room(Replay& r, const Message& message) {
    const core::Ceiling& ceiling = r.limits.ceiling;
    if (ceiling.size && r.below_ceiling < 1) {
        if (!confirm(r, 0)) {
            return false;
        }
        stop(r, psprintf("the queue would exceed its %s, " INT64_FORMAT ", and be %s",
                         ceiling.archived ? "archive_size" : "delete_size", *ceiling.size,
                         ceiling.archived ? "archived again" : "deleted"));
        return false;
    }
    if (!r.limited || fits(r, message)) {
        return true;
    }
    if (!confirm(r, 0) || !count_ready(r)) {
        return false;
    }
    const core::QueueDetail& detail = r.limits.detail;
    if (detail.max_bytes && r.ready > r.first_ready + r.published) {
        stop(r, "other clients publish to the queue, whose size in bytes is limited");
        return false;
    }
    measure(r);
    if (!fits(r, message)) {
        const bool length = r.room < 1;
        stop(r, psprintf("the queue has no room: its %s is " INT64_FORMAT,
                         length ? "max-length" : "max-length-bytes",
                         length ? *detail.max_length : *detail.max_bytes));
        return false;
    }
    return true;
}

// --- the broker's reports on the queue

// Reads the limits again and frees the previous ones.
void look(Replay& r) {
    MemoryContext context = pg::new_context(r.context, "cloudsat look");
    MemoryContext before = MemoryContextSwitchTo(context);
    auto* memory = pg::make<pg::ContextResource>(context, context);
    auto* arena = pg::make<std::pmr::monotonic_buffer_resource>(context, memory);
    r.limits = look_at_limits(*r.server, pg::view(r.vhost), pg::view(r.queue), arena);
    r.looked_at = GetCurrentTimestamp();
    r.limited = r.limits.detail.max_length || r.limits.detail.max_bytes;
    MemoryContextSwitchTo(before);
    if (r.look != nullptr) {
        MemoryContextDelete(r.look);
    }
    r.look = context;
}

bool counts(const Replay& r) {
    return r.limited || r.limits.ceiling.size;
}

core::Room room_below_ceiling(const Replay& r) {
    return core::room_below(r.limits.ceiling.size.value_or(unlimited), r.limits.detail, r.limits.basis,
                            r.ready);
}

// Computes how much may be sent; false while the statistics lag in a relevant number.
bool reckon(Replay& r, std::int64_t max) {
    const core::QueueDetail& detail = r.limits.detail;
    const core::Room room = room_below_ceiling(r);
    r.first_ready = r.ready;
    r.first_bytes = detail.bytes.value_or(0);
    r.promised = detail;
    r.below_ceiling = room.least;
    return !counts(r) || detail.facts.ready == r.ready ||
           (!detail.max_bytes && room.least >= std::min(room.most, max));
}

// How long the queue has been as it is reported.
class Stillness {
public:
    // Since the first look with the same numbers.
    std::int64_t after_look(std::int64_t ready, std::int64_t bytes, TimestampTz now) {
        if (since_ == 0 || ready != ready_ || bytes != bytes_) {
            ready_ = ready;
            bytes_ = bytes;
            since_ = now;
        }
        return now - since_;
    }
    void end() { since_ = 0; }

private:
    std::int64_t ready_ = 0, bytes_ = 0;
    TimestampTz since_ = 0;
};

// Whether a relevant number of the statistics lags behind the queue.
bool lags(Replay& r, std::int64_t max, Stillness& still) {
    if (!reckon(r, max)) {
        still.end();
        return true;
    }
    return r.limits.detail.max_bytes &&
           still.after_look(r.ready, r.first_bytes, GetCurrentTimestamp()) < bytes_delay;
}

// Reads the limits of the queue and the distance from them; waits for the broker's statistics if they are
// needed. Sets a reason if nothing may be sent. If the limits cannot be read, nothing is sent: that is an
// error.
void find_limits(Replay& r, std::int64_t max) {
    pg::make<Hangup>(r.context, &http_of_process());
    const TimestampTz end = GetCurrentTimestamp() + std::min(statistics_timeout, r.server->options.timeout);
    Stillness still;
    for (;;) {
        look(r);
        if (r.limits.known == Known::fault) {
            ereport(ERROR, errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
                    errmsg("broker \"%s\" does not report the limits of the queue: %.*s", r.server->name,
                           static_cast<int>(r.limits.words.size()), r.limits.words.data()),
                    errdetail("The kind of fault is %s.", core::name_of(r.limits.kind).data()));
        }
        if (r.limits.known == Known::missing || (counts(r) && !count_ready(r))) {
            return; // AMQP will report it
        }
        const bool behind = lags(r, max, still);
        const TimestampTz latest = end + (r.limits.detail.max_bytes ? bytes_delay : 0);
        if ((r.limits.known == Known::yes && !behind) || GetCurrentTimestamp() >= latest) {
            const core::QueueDetail& detail = r.limits.detail;
            const std::string_view why = core::reason_to_keep(detail);
            if (!why.empty() || (behind && detail.max_bytes)) {
                stop(r, !why.empty() ? why : "the broker does not report yet how many bytes the queue holds");
            }
            return;
        }
        static const uint32 event = CLOUDSAT_WAIT_EVENT("CloudsatReplay");
        pg::wait(-1, pause_ms, event);
    }
}

// Why the queue may not have kept the messages confirmed since the last look; empty if it has.
std::string_view reason_to_doubt(const Replay& r) {
    switch (r.limits.known) {
    case Known::missing:
        return "the queue does not exist";
    case Known::fault:
        return "the broker no longer reports the limits of the queue";
    case Known::not_yet:
        return "the policies that apply to the queue are changing";
    case Known::yes:
        break;
    }
    return r.limits.detail.allows_less_than(r.promised)
               ? "the limits of the queue became stricter during the replay"
               : "";
}

// Removes messages that the broker has confirmed and the queue has kept; false if there is a reason to stop.
bool settle(Replay& r) {
    if (r.amqp->publisher.confirmed().empty()) {
        return true;
    }
    look(r);
    if (const std::string_view why = reason_to_doubt(r); !why.empty()) {
        stop(r, why);
        return false;
    }
    remove_confirmed(r);
    return true;
}

// Looks at everything again from time to time. Messages taken by clients meanwhile make room below the
// ceiling only for the next call: they may still come back.
bool go_on(Replay& r) {
    if (GetCurrentTimestamp() < r.looked_at + look_interval) {
        return true;
    }
    if (!confirm(r, 0) || !settle(r) || (counts(r) && !count_ready(r))) {
        return false;
    }
    r.looked_at = GetCurrentTimestamp();
    r.below_ceiling = std::min(r.below_ceiling, room_below_ceiling(r).least);
    return true;
}

// One fetched row; false if there is a reason to stop.
bool send_row(Replay& r, uint64 row) {
    MemoryContext before = MemoryContextSwitchTo(r.turn); // a body may be large, and is copied to be read
    const Message message = message_at(row);
    bool more = go_on(r);
    if (!more) {
        // go_on() has set the reason
    } else if (core::amqp::expiration_ms(message.properties).value_or(unlimited) < core::shortest_life_ms) {
        more = ++r.short_lived < most_passed_over;
    } else if (find_room(r, message)) {
        put_in_line(r, message);
        if (r.amqp->publisher.unconfirmed_bytes() >= unconfirmed_limit) {
            more = confirm(r, unconfirmed_limit / 2);
        }
    } else {
        more = false;
    }
    MemoryContextSwitchTo(before);
    return more;
}

void publish_all(Replay& r, std::int64_t max) {
    const Oid types[] = {TEXTOID, TEXTOID, TEXTOID, INT8OID};
    const std::int64_t most = max == 0 ? 0 : std::min(max, unlimited - most_passed_over) + most_passed_over;
    Datum values[] = {r.server_name, r.vhost, r.queue, Int64GetDatum(most)};
    SPIPlanPtr plan = SPI_prepare(chosen_messages, 4, const_cast<Oid*>(types));
    if (plan == nullptr) {
        elog(ERROR, "could not prepare \"%s\": %s", chosen_messages, SPI_result_code_string(SPI_result));
    }
    Portal portal = SPI_cursor_open(nullptr, plan, values, nullptr, false);
    long rows = 1; // the first one shows how large they are
    bool more = true;
    while (more) {
        SPI_cursor_fetch(portal, true, rows);
        SPITupleTable* fetched = SPI_tuptable;
        const uint64 count = SPI_processed;
        std::size_t bytes = 1;
        for (uint64 row = 0; row < count && more; ++row) {
            SPI_tuptable = fetched; // other statements ran in between
            const std::int64_t before = r.sent_bytes;
            more = send_row(r, row);
            bytes += static_cast<std::size_t>(r.sent_bytes - before);
        }
        more = more && count > 0 && r.published < max;
        SPI_freetuptable(fetched);
        MemoryContextReset(r.turn);
        const auto wanted = static_cast<long>(std::min<std::int64_t>(most_rows, max - r.published));
        rows = std::clamp(static_cast<long>(unconfirmed_limit * count / bytes), 1L, std::max(wanted, 1L));
    }
    SPI_cursor_close(portal);
    if (r.reason == nullptr && r.published > 0) {
        confirm(r, 0);
    }
    settle(r); // including what was confirmed before a fault
    if (r.reason == nullptr && r.short_lived > 0) {
        stop(r, psprintf(INT64_FORMAT " stay because they expire within a minute", r.short_lived));
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

void require_connection(bool ok, const Server& server, const net::Amqp& amqp) {
    if (!ok) {
        const net::AmqpFault& fault = amqp.connection.fault();
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
                errmsg("the name of a queue must have between 1 and 255 bytes"));
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
    pg::spi_begin();
    find_limits(r, max);
    if (r.reason == nullptr) {
        r.amqp->publisher.start(queue_name);
        require_connection(finish(*r.amqp), *server, *r.amqp);
        publish_all(r, max);
    }
    pg::spi_end();
    r.amqp->connection.start_close();
    finish(*r.amqp);
    const Datum row = as_row(fcinfo, r);
    MemoryContextDelete(context);
    return row;
}

} // namespace

SQL_FUNCTION(replay);

} // namespace cloudsat::guardian
