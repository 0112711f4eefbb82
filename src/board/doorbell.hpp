// The doorbell: a post rings on its channel when its transaction commits, and whoever waits for that channel
// wakes. Rings are notifications: who waits looks at the table, at least once a second. Knows channels and
// processes, not messages.
#pragma once

#include <span>

#include "core/board/uuid7.hpp"

#include "pg/boundary.hpp"

namespace cloudsat::board {

// For those who wait. The order is: watch, look, and only when there was nothing to see wait, look, ...
// leave.

// From now on, commits that post to one of these addresses ring here.
void doorbell_watch(std::span<const Datum> subscriptions);

// Returns when it has rung since the watch began or since the last wait, or after so many milliseconds, a
// second at the most. Answers interrupts, so it may raise.
void doorbell_wait(long milliseconds);

// Ends the watch. Also happens by itself when the (sub)transaction in which it is, is rolled back, and with
// the process. A commit does not end it.
void doorbell_leave();

// For those who post: rings on the channel of this address when the transaction commits; never before, and
// never when it, or the savepoint, is rolled back.
void doorbell_ring(Datum chan, const core::Uuid& uuid);

// From _PG_init: rings and watches end with their transactions.
void follow_transactions();

} // namespace cloudsat::board
