// The doorbell's shared memory, see doorbell_memory.hpp.
//
//   header | watcher of each process | bits: class x process | queues
//
// Two handshakes prevent lost wake-ups. In both, each side writes its own variable and then reads the
// other's, with sequentially consistent operations, so at least one side sees the other:
//   waiting session: sets its bits, then reads the table     poster: commits, then reads the bits
//   notifier: marks itself asleep, then reads the queue      poster: puts a notification, then reads the mark
//
// A ring may come late, after the waiting session has left. Its successor in that place is then woken for
// nothing, which every user of a latch must tolerate.

#include "board/doorbell_memory.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <limits>
#include <new>
#include <tuple>
#include <utility>

extern "C" {
#include "common/hashfn.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
}

namespace cloudsat::board {
namespace {

using Word = std::uintptr_t; // a size that every machine reads and writes atomically
constexpr std::size_t word_bits = std::numeric_limits<Word>::digits;
static_assert(std::atomic<Word>::is_always_lock_free && std::atomic<Oid>::is_always_lock_free);

constexpr std::size_t classes = 4096; // of channels; a power of two

struct Watcher {
    std::atomic<Oid> database{InvalidOid}; // of the session waiting in this place; InvalidOid if none
    std::atomic<bool> rung{false};
};

// A place on a queue. `lock` is held for a few moves, never across a call.
struct Place {
    slock_t lock;
    Oid database = InvalidOid; // where it was posted; InvalidOid if free
    std::uint64_t hash = 0;
    core::Uuid uuid;
    core::ChannelName channel;
};

// Fields that every post reads are on a different cache line from fields that every post writes.
struct alignas(PG_CACHE_LINE_SIZE) NotificationQueue {
    std::atomic<Oid> database{
        InvalidOid};                 // stays when the notifier ends: its successor finds the notifications
    std::atomic<bool> served{false}; // a notifier exists
    std::atomic<bool> asleep{false}; // it wants its latch set
    std::atomic<int> process{0};     // its place among the server's processes
    alignas(PG_CACHE_LINE_SIZE) std::atomic<std::uint64_t> left{0};
    std::atomic<std::uint64_t> sent{0}, batches{0}, dropped{0};
    // a bit for each place that was filled
    std::array<std::atomic<Word>, most_notifications / word_bits> used{};
    std::array<Place, most_notifications> places;
};

struct Memory {
    std::size_t processes; // of the server that can have a transaction: MaxBackends
    std::size_t words;     // of a class
    std::size_t queues;
    std::atomic<int> watching; // sessions in all databases; usually 0
};

Memory* memory = nullptr; // of this process; inherited from the postmaster
Watcher* watchers = nullptr;
std::atomic<Word>* bits = nullptr;
NotificationQueue* queues = nullptr;

shmem_request_hook_type next_request_hook = nullptr;
shmem_startup_hook_type next_startup_hook = nullptr;

std::array<Word, classes / word_bits> own_classes{}; // those in which this process set its bit
NotificationQueue* own_queue = nullptr;

std::size_t words_of_class() {
    return (static_cast<std::size_t>(MaxBackends) + word_bits - 1) / word_bits;
}
// A database has at most one notifier, and each is a background worker.
std::size_t count_queues() {
    return static_cast<std::size_t>(std::max(max_worker_processes, 1));
}

struct Layout {
    Size watchers, bits, queues, end;
};
Layout layout() {
    Layout at{};
    at.watchers = MAXALIGN(sizeof(Memory));
    at.bits = MAXALIGN(add_size(at.watchers, mul_size(static_cast<Size>(MaxBackends), sizeof(Watcher))));
    at.queues = CACHELINEALIGN(add_size(at.bits, mul_size(classes * sizeof(Word), words_of_class())));
    at.end = add_size(at.queues, mul_size(count_queues(), sizeof(NotificationQueue)));
    return at;
}

void request_memory() {
    if (next_request_hook != nullptr) {
        next_request_hook();
    }
    RequestAddinShmemSpace(layout().end);
}

// In the postmaster, at its start and after each crash of a process; elsewhere only if children inherit
// nothing.
void find_memory() {
    if (next_startup_hook != nullptr) {
        next_startup_hook();
    }
    const Layout at = layout();
    bool found = false;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    auto* start = static_cast<char*>(ShmemInitStruct("cloudsat doorbell", at.end, &found));
    memory = reinterpret_cast<Memory*>(start);
    watchers = reinterpret_cast<Watcher*>(start + at.watchers);
    bits = reinterpret_cast<std::atomic<Word>*>(start + at.bits);
    queues = reinterpret_cast<NotificationQueue*>(start + at.queues);
    if (!found) {
        new (memory) Memory{static_cast<std::size_t>(MaxBackends), words_of_class(), count_queues(), 0};
        for (std::size_t i = 0; i < memory->processes; ++i) {
            new (&watchers[i]) Watcher;
        }
        for (std::size_t i = 0; i < classes * memory->words; ++i) {
            new (&bits[i]) std::atomic<Word>(0);
        }
        for (std::size_t i = 0; i < memory->queues; ++i) {
            new (&queues[i]) NotificationQueue;
            for (Place& place : queues[i].places) {
                SpinLockInit(&place.lock);
            }
        }
    }
    LWLockRelease(AddinShmemInitLock);
}

// Our place among the server's processes. Processes that run queries come first, so it is below MaxBackends.
std::size_t own_place() {
    return static_cast<std::size_t>(MyProc - ProcGlobal->allProcs);
}

std::size_t class_of(std::uint64_t hash) {
    return hash % classes;
}

// Calls act(number) for each bit that is set in the n-th of many words.
template <class Act> void for_each_bit(std::size_t n, Word word, Act act) {
    for (; word != 0; word &= word - 1) {
        act(n * word_bits + static_cast<std::size_t>(std::countr_zero(word)));
    }
}

// The latch belongs to the place, so it may be set whatever process has the place now.
void wake(std::size_t process) {
    SetLatch(&ProcGlobal->allProcs[process].procLatch);
}

void ring_watcher(std::size_t process) {
    // if it has already rung, leave the latch to the process that rang: it has set it or is about to
    if (!watchers[process].rung.exchange(true)) {
        wake(process);
    }
}

NotificationQueue* find_queue() {
    static NotificationQueue* last = nullptr;
    const auto is_ours = [](const NotificationQueue& queue) {
        return queue.database.load(std::memory_order_relaxed) == MyDatabaseId;
    };
    if (last == nullptr || !is_ours(*last)) {
        NotificationQueue* found = std::find_if(queues, queues + memory->queues, is_ours);
        last = found != queues + memory->queues ? found : nullptr;
    }
    return last;
}

template <class Count> void add(std::atomic<std::uint64_t>& counter, Count count) {
    counter.fetch_add(static_cast<std::uint64_t>(count), std::memory_order_relaxed);
}

} // namespace

void request_doorbell_memory() {
    next_request_hook = shmem_request_hook;
    shmem_request_hook = request_memory;
    next_startup_hook = shmem_startup_hook;
    shmem_startup_hook = find_memory;
}

bool has_doorbell_memory() {
    return memory != nullptr;
}

std::uint64_t channel_hash(core::AddressView address) {
    const std::string_view key = address.key();
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(key.data()),
                               static_cast<int>(key.size()), MyDatabaseId);
}

void begin_watch() {
    Watcher& own = watchers[own_place()];
    own.rung.store(false);
    own.database.store(MyDatabaseId);
    memory->watching.fetch_add(1);
}

void watch(std::uint64_t channel) {
    const std::size_t number = class_of(channel);
    const std::size_t place = own_place();
    own_classes[number / word_bits] |= Word{1} << number % word_bits;
    // sequentially consistent: takes effect before the caller reads the table
    bits[number * memory->words + place / word_bits].fetch_or(Word{1} << place % word_bits);
}

void end_watch() {
    const std::size_t place = own_place();
    watchers[place].database.store(InvalidOid);
    for (std::size_t i = 0; i < own_classes.size(); ++i) {
        for_each_bit(i, std::exchange(own_classes[i], 0), [place](std::size_t number) {
            bits[number * memory->words + place / word_bits].fetch_and(~(Word{1} << place % word_bits));
        });
    }
    memory->watching.fetch_sub(1);
}

bool has_rung() {
    return watchers[own_place()].rung.exchange(false);
}

void ring_watchers(std::uint64_t channel) {
    // Our changes are committed; only now may the bits be read. (Ending a transaction takes a lock, which is
    // a barrier, but does not guarantee that.)
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (memory->watching.load() == 0) {
        return;
    }
    const std::atomic<Word>* row = bits + class_of(channel) * memory->words;
    for (std::size_t i = 0; i < memory->words; ++i) {
        for_each_bit(i, row[i].load(), ring_watcher);
    }
}

void ring_all_watchers() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    for (std::size_t i = 0; i < memory->processes; ++i) {
        if (watchers[i].database.load() == MyDatabaseId) {
            ring_watcher(i);
        }
    }
}

int count_watchers() {
    return static_cast<int>(std::count_if(watchers, watchers + memory->processes, [](const Watcher& watcher) {
        return watcher.database.load() == MyDatabaseId;
    }));
}

bool is_notifier_there() {
    const NotificationQueue* queue = find_queue();
    return queue != nullptr && queue->served.load(std::memory_order_relaxed);
}

void queue_notification(const Notification& notification) {
    constexpr std::size_t farthest = 32; // places examined
    NotificationQueue* queue = find_queue();
    if (queue == nullptr) {
        return; // the notifier is gone, and another database's has the queue
    }
    add(queue->left, 1);
    for (std::size_t step = 0; step < farthest; ++step) {
        const std::size_t number = (notification.channel_hash + step) % most_notifications;
        Place& place = queue->places[number];
        SpinLockAcquire(&place.lock);
        const bool free = place.database == InvalidOid;
        const bool same = !free && place.hash == notification.channel_hash && place.database == MyDatabaseId;
        if (free) {
            place.database = MyDatabaseId;
            place.hash = notification.channel_hash;
            place.uuid = notification.uuid;
            place.channel = notification.channel;
        } else if (same && place.uuid < notification.uuid) {
            place.uuid = notification.uuid;
        }
        SpinLockRelease(&place.lock);
        if (free) {
            queue->used[number / word_bits].fetch_or(Word{1} << number % word_bits);
        }
        if (free || same) {
            return;
        }
    }
    add(queue->dropped, 1);
}

void count_dropped(std::uint64_t notifications) {
    if (NotificationQueue* queue = find_queue(); queue != nullptr) {
        add(queue->dropped, notifications);
    }
}

void wake_notifier() {
    NotificationQueue* queue = find_queue();
    std::atomic_thread_fence(
        std::memory_order_seq_cst); // the notifications are on the queue; see the head of this file
    if (queue != nullptr && queue->asleep.load() && queue->asleep.exchange(false)) {
        wake(static_cast<std::size_t>(queue->process.load()));
    }
}

namespace {

void leave_queue(int, Datum) {
    if (own_queue != nullptr) {
        own_queue->served.store(false);
        own_queue->asleep.store(false);
        own_queue = nullptr;
    }
}

// The predecessor's queue, else an unused one, else one whose notifier has ended.
NotificationQueue* free_queue() {
    if (NotificationQueue* queue = find_queue(); queue != nullptr) {
        return queue;
    }
    NotificationQueue* found = nullptr;
    for (std::size_t i = 0; i < memory->queues; ++i) {
        if (!OidIsValid(queues[i].database.load())) {
            return &queues[i];
        }
        if (!queues[i].served.load()) {
            found = &queues[i];
        }
    }
    return found;
}

} // namespace

void serve_queue() {
    before_shmem_exit(leave_queue, 0); // first, so that a queue is never marked served without a notifier
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE); // two notifiers may begin at once
    NotificationQueue* queue = free_queue();
    if (queue != nullptr) {
        if (queue->database.load() != MyDatabaseId) {
            // Notifications on it, or being put there now, name their database and are discarded.
            for (std::atomic<std::uint64_t>* counter :
                 {&queue->left, &queue->sent, &queue->batches, &queue->dropped}) {
                counter->store(0);
            }
        }
        queue->process.store(static_cast<int>(own_place()));
        queue->asleep.store(false);
        queue->database.store(MyDatabaseId);
        own_queue = queue;
        queue->served.store(true);
    }
    LWLockRelease(AddinShmemInitLock);
    if (queue == nullptr) {
        ereport(ERROR, errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                errmsg("all %zu queues of cloudsat's notifiers are in use", memory->queues),
                errhint("Increase max_worker_processes."));
    }
}

std::span<Notification> take_notifications(std::span<Notification> room) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < own_queue->used.size(); ++i) {
        if (own_queue->used[i].load(std::memory_order_relaxed) == 0) {
            continue;
        }
        // Bits first, then the places: a notification that arrives in between sets its bit again.
        for_each_bit(i, own_queue->used[i].exchange(0), [&](std::size_t number) {
            Place& place = own_queue->places[number];
            SpinLockAcquire(&place.lock);
            const Oid database = place.database;
            room[count].channel_hash = place.hash;
            room[count].uuid = place.uuid;
            room[count].channel = place.channel;
            place.database = InvalidOid;
            SpinLockRelease(&place.lock);
            count += database == MyDatabaseId ? 1 : 0;
        });
    }
    // A channel may occur twice, if a place nearer to its own became free in between.
    room = room.first(count);
    std::sort(room.begin(), room.end(), [](const Notification& a, const Notification& b) {
        return std::tie(a.channel_hash, b.uuid) < std::tie(b.channel_hash, a.uuid); // newest first
    });
    const auto end = std::unique(room.begin(), room.end(), [](const Notification& a, const Notification& b) {
        return a.channel_hash == b.channel_hash;
    });
    return room.first(static_cast<std::size_t>(end - room.begin()));
}

bool begin_sleep() {
    own_queue->asleep.store(true);
    const bool empty = std::all_of(own_queue->used.begin(), own_queue->used.end(),
                                   [](const std::atomic<Word>& word) { return word.load() == 0; });
    if (!empty) {
        own_queue->asleep.store(false);
    }
    return empty;
}

void end_sleep() {
    own_queue->asleep.store(false);
}

void count_sent(std::uint64_t notifications) {
    add(own_queue->sent, notifications);
    add(own_queue->batches, 1);
}

NotificationCounts count_notifications() {
    NotificationCounts counts{};
    if (const NotificationQueue* queue = find_queue(); queue != nullptr) {
        counts = {queue->left.load(), queue->sent.load(), queue->batches.load(), queue->dropped.load(), 0};
        for (const std::atomic<Word>& word : queue->used) {
            counts.pending += std::popcount(word.load());
        }
    }
    return counts;
}

} // namespace cloudsat::board
