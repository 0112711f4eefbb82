// The doorbell: a post rings on its channel when its transaction commits, and wakes the sessions that wait
// for that channel. A ring only notifies: waiting sessions read the table, at least once a second. Knows
// channels and processes, not messages.
#pragma once

#include <span>

#include "core/board/address.hpp"
#include "core/board/uuid7.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::board {

// For waiting sessions. The order is: watch, look; while there is nothing to see: wait, look; then leave.

// From now on, commits that post to one of these addresses ring here.
void doorbell_watch(std::span<const Datum> subscriptions);

// Returns when it has rung since the watch began or since the last wait, or after that many milliseconds, at
// most a second. Processes interrupts, so it may raise.
void doorbell_wait(long milliseconds);

// Ends the watch. The watch also ends with the process, and when the (sub)transaction in which it began is
// rolled back. A commit does not end it.
void doorbell_leave();

// For posters: rings on the channel of this address when the transaction commits. It never rings before, or
// after a rollback of the transaction or the savepoint.
void doorbell_ring(Datum chan, const core::Uuid& uuid);

// A NOTIFY of the transaction: the uuid of a message, on a channel.
void notify(const core::ChannelName& channel, const core::Uuid& uuid);

// From _PG_init: rings and watches end with their transactions.
void follow_transactions();

} // namespace cloudsat::board
