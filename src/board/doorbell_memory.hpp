// The doorbell's shared memory, available if the library is preloaded: the channels that sessions wait for,
// and for each database a queue of notifications for its notifier. Takes only a spinlock per notification;
// uses no transactions and no settings.
#pragma once

#include <cstdint>
#include <span>

#include "core/board/address.hpp"
#include "core/board/uuid7.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::board {

// From _PG_init, when preloaded.
void request_doorbell_memory();
bool has_doorbell_memory(); // the other functions require it

// Channels are identified by a hash of database and address. Waiting sessions are found by a class of hashes
// that channels share, so a ring may also come for a different channel.
std::uint64_t channel_hash(core::AddressView address); // in this database

// --- waiting sessions ---

void begin_watch(); // forgets earlier rings
void watch(std::uint64_t channel);
void end_watch();
bool has_rung(); // since the watch began, or since the last call

// These never raise.
void ring_watchers(std::uint64_t channel);
void ring_all_watchers(); // in this database
int count_watchers();     // in this database

// --- notifications for the notifier ---

struct Notification {
    std::uint64_t channel_hash;
    core::Uuid uuid; // of the newest message
    core::ChannelName channel;
};

// Whether this database has a notifier. A few loads, because every post calls it.
bool is_notifier_there();

// Puts it on the queue of this database; a notification already there for the same channel only gets the
// newer uuid. If the queue is full or missing, drops and counts it. Never raises.
void queue_notification(const Notification& notification);
void count_dropped(std::uint64_t notifications);
void wake_notifier();

// For the notifier. It serves the queue until it ends, including notifications that its predecessor left.
// Raises if all queues are taken.
void serve_queue();
// Takes the notifications from the queue, unordered, each channel once. The room must hold
// most_notifications.
std::span<Notification> take_notifications(std::span<Notification> room);
// Marks itself asleep: the next notification sets its latch. False if there already is one.
bool begin_sleep();
void end_sleep();
void count_sent(std::uint64_t notifications);

inline constexpr std::size_t most_notifications = 2048;

// Counters of notifications in this database, since the server's start or since another database took over
// the queue.
struct NotificationCounts {
    std::uint64_t left;    // by commits, including those merged with an existing one
    std::uint64_t sent;    // NOTIFYs
    std::uint64_t batches; // transactions that sent them
    std::uint64_t dropped;
    int pending;
};
NotificationCounts count_notifications();

} // namespace cloudsat::board
