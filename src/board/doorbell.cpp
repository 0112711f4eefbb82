// The doorbell, see doorbell.hpp. A transaction's rings stay in this process until it commits. Then
//   sessions that wait in doorbell_wait() are woken through shared memory, by their latches;
//   sessions that LISTEN get a NOTIFY. The notifier sends it, from a notification in shared memory, so that
//   the transaction need not take the server's single NOTIFY lock. Without a notifier the transaction does.
// Without shared memory (the library is not preloaded) only the last remains. Its signal then wakes waiting
// sessions if they LISTEN, which register() ensures.

#include "board/doorbell.hpp"

#include <algorithm>
#include <chrono>

#include "board/address.hpp"
#include "board/doorbell_memory.hpp"
#include "board/settings.hpp"
#include "core/board/rung_channels.hpp"
#include "pg/compat.hpp"
#include "pg/result_row.hpp"
#include "pg/wait.hpp"

extern "C" {
#include "commands/async.h"
}

namespace cloudsat::board {
namespace {

// --- ringing ---

constexpr std::size_t first_room = 16; // enough for most transactions, and always available
// distinct channels of a transaction; with more, all waiting sessions are woken
constexpr std::size_t most_room = 1024;

core::Ring first_rings[first_room];
core::RungChannels rung;

// More room, in the transaction's memory.
void widen() {
    const std::size_t size = std::min(rung.room() * 8, most_room);
    auto* room =
        static_cast<core::Ring*>(MemoryContextAlloc(TopTransactionContext, sizeof(core::Ring) * size));
    rung.use({room, size});
}

core::Ring* ring_of(std::uint64_t hash) {
    if (rung.room() == 0) {
        rung.use(first_rings);
    }
    const int level = GetCurrentTransactionNestLevel();
    core::Ring* ring = rung.ring(level, hash);
    while (ring == nullptr && rung.overflown() == 0 && rung.room() < most_room) {
        widen();
        ring = rung.ring(level, hash);
    }
    if (ring == nullptr) {
        rung.overflow(level);
    }
    return ring;
}

// How a post made now notifies listeners.
Notify notify_now() {
    const auto wanted = static_cast<Notify>(settings().notify);
    const bool possible = has_doorbell_memory() && is_notifier_there();
    return wanted == Notify::batched && !possible ? Notify::inline_ : wanted;
}

// The transaction has committed and its changes are visible. Nothing here may raise.
void deliver() {
    bool notifications = false;
    for (const core::Ring& ring : rung.all()) {
        ring_watchers(ring.hash);
        if (ring.notification) {
            queue_notification({ring.hash, ring.uuid, ring.channel});
            notifications = true;
        }
    }
    if (rung.overflown() > 0) {
        ring_all_watchers();
        count_dropped(rung.overflown());
    }
    if (notifications) {
        wake_notifier();
    }
}

void forget_rings() {
    rung.clear();
    rung.use({first_rings, first_room}); // larger room is freed with the transaction
}

// --- waiting ---

// milliseconds; posts that bypass us and prepared transactions wake nobody
constexpr long longest_wait = 1000;

int watch_level = 0; // of the (sub)transaction in which the watch began; 0 if there is no watch

uint32 wait_event() {
    static uint32 event = 0;
    if (event == 0) {
        event = CLOUDSAT_WAIT_EVENT("CloudsatReceive");
    }
    return event;
}

// --- transactions ---

void at_transaction_end(XactEvent event, void*) {
    switch (event) {
    case XACT_EVENT_COMMIT: // after ProcArrayEndTransaction, so woken sessions see the messages
        if (!rung.empty()) {
            deliver();
            forget_rings();
        }
        break;
    case XACT_EVENT_ABORT: // also at the end of the process, however that happens
        doorbell_leave();
        [[fallthrough]];
    case XACT_EVENT_PREPARE: // another process commits it; waiting sessions find the messages when they look
                             // again
        if (!rung.empty()) {
            forget_rings();
        }
        break;
    default: // before the end, and parallel workers, which neither post nor wait
        break;
    }
}

void at_subtransaction_end(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
    if (watch_level == 0 && rung.empty()) {
        return;
    }
    const int level = GetCurrentTransactionNestLevel(); // of the one that ends
    if (event == SUBXACT_EVENT_COMMIT_SUB) {
        rung.keep(level);
    } else if (event == SUBXACT_EVENT_ABORT_SUB) {
        rung.forget(level);
        if (watch_level >= level) {
            doorbell_leave();
        }
    }
}

} // namespace

void notify(const core::ChannelName& channel, const core::Uuid& uuid) {
    char name[core::max_channel_size + 1] = {};
    channel.view().copy(name, core::max_channel_size);
    const core::UuidText text = core::print(uuid);
    char payload[text.size() + 1] = {};
    std::copy(text.begin(), text.end(), payload);
    Async_Notify(name, payload);
}

void follow_transactions() {
    RegisterXactCallback(at_transaction_end, nullptr);
    RegisterSubXactCallback(at_subtransaction_end, nullptr);
}

void doorbell_ring(Datum chan, const core::Uuid& uuid) {
    const core::AddressView address = address_view(chan);
    const Notify notify = notify_now();
    if (notify == Notify::inline_) {
        board::notify(core::channel(address), uuid); // keeps it until the commit
    }
    core::Ring* ring = has_doorbell_memory() ? ring_of(channel_hash(address)) : nullptr;
    if (ring == nullptr) {
        return;
    }
    ring->uuid = uuid; // each is greater than the one before
    if (notify == Notify::batched && !ring->notification) {
        ring->notification = true;
        ring->channel = core::channel(address);
    }
}

void doorbell_watch(std::span<const Datum> subscriptions) {
    doorbell_leave();
    watch_level = GetCurrentTransactionNestLevel(); // first, so that the watch ends whatever happens
    if (!has_doorbell_memory()) {
        return;
    }
    begin_watch();
    for (Datum address : subscriptions) {
        watch(channel_hash(address_view(address)));
    }
}

void doorbell_wait(long milliseconds) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point end =
        Clock::now() + std::chrono::milliseconds(std::clamp(milliseconds, 0L, longest_wait));
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        if (has_doorbell_memory() && watch_level != 0 && has_rung()) {
            return;
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
        if (left <= 0) {
            return;
        }
        // The latch is set for many reasons, such as each NOTIFY to this session. Only shared memory tells
        // what rang; without it, look every time.
        if (pg::wait_for_client(static_cast<long>(left), wait_event()) == pg::Woken::latch &&
            !has_doorbell_memory()) {
            return;
        }
    }
}

void doorbell_leave() {
    if (watch_level == 0) {
        return;
    }
    watch_level = 0;
    if (has_doorbell_memory()) {
        end_watch();
    }
}

namespace {

Datum waking(FunctionCallInfo fcinfo) {
    TupleDesc type;
    if (get_call_result_type(fcinfo, nullptr, &type) != TYPEFUNC_COMPOSITE) {
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("function returning record called in context that cannot accept type record"));
    }
    constexpr const char* names[] = {"off", "inline", "batched"}; // in the order of Notify
    const bool unknown = !has_doorbell_memory();
    const NotificationCounts counts = unknown ? NotificationCounts{} : count_notifications();
    pg::ResultRow row;
    row.add(CStringGetTextDatum(names[static_cast<int>(notify_now())]));
    row.add(Int32GetDatum(unknown ? 0 : count_watchers()), unknown);
    row.add(Int64GetDatum(static_cast<int64>(counts.left)), unknown);
    row.add(Int32GetDatum(counts.pending), unknown);
    row.add(Int64GetDatum(static_cast<int64>(counts.sent)), unknown);
    row.add(Int64GetDatum(static_cast<int64>(counts.batches)), unknown);
    row.add(Int64GetDatum(static_cast<int64>(counts.dropped)), unknown);
    return row.value(BlessTupleDesc(type));
}

} // namespace

SQL_FUNCTION(waking);

} // namespace cloudsat::board
