// The doorbell's part of shared memory, there when the library is preloaded: who waits for which channels,
// and for each database a queue of notifications for its notifier. No locks but a spinlock for each
// notification, no transactions, no settings.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/board/address.hpp"
#include "core/board/uuid7.hpp"

#include "pg/boundary.hpp"

namespace cloudsat::board {

// From _PG_init, when preloaded.
void request_doorbell_memory();
bool has_doorbell_memory(); // the rest may only be called when it is there

// Channels are told apart by a hash of database and address. Those who wait are found by a class of hashes,
// which channels share: a ring may come for somebody else's channel, too.
std::uint64_t channel_hash(core::AddressView address); // in this database

// --- who waits ---

void begin_watch(); // forgets what rang before
void watch(std::uint64_t channel);
void end_watch();
bool has_rung(); // since the watch began, or since it was asked last

// Never raise.
void ring_watchers(std::uint64_t channel);
void ring_all_watchers(); // in this database
int count_watchers();     // in this database

// --- notifications for the notifier ---

struct Notification {
    std::uint64_t channel_hash;
    core::Uuid uuid; // of the newest message
    core::ChannelName channel;
};

// Is there a notifier in this database? A few loads: it is asked at every post.
bool is_notifier_there();

// Puts it on the queue of this database, where a notification for the same channel only gets the newer uuid.
// Drops it, and counts that, when the queue is full or there is none. Never raises.
void queue_notification(const Notification& notification);
void count_dropped(std::uint64_t notifications);
void wake_notifier();

// For the notifier. It tends the queue until it ends; what its predecessor left there is its own. Raises when
// all queues are taken.
void serve_queue();
// Takes the notifications from the queue, in no order, each channel once. The room must hold
// most_notifications.
std::span<Notification> take_notifications(std::span<Notification> room);
// Says that it goes to sleep: the next notification sets its latch. False when there is one already.
bool begin_sleep();
void end_sleep();
void count_sent(std::uint64_t notifications);

inline constexpr std::size_t most_notifications = 2048;

// What became of notifications in this database, since the server's start or since another database took over
// the queue.
struct NotificationCounts {
    std::uint64_t left;    // by commits, or merged with one that was there
    std::uint64_t sent;    // NOTIFYs
    std::uint64_t batches; // transactions that sent them
    std::uint64_t dropped;
    int pending;
};
NotificationCounts count_notifications();

} // namespace cloudsat::board
