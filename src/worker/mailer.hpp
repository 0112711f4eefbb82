// Sends the notices in cloudsat.outbox, step by step, between the launcher's rounds. It never blocks on the
// mail server: the launcher waits for its answer together with all other events.
//
//     in a transaction:  plan the notices of one recipient, mark those of the next mail as sending
//     anywhere:          hand the mail over, one at a time
//     in a transaction:  record the outcome
//
// If a process ends in between, the mail stays marked. It is repeated with the same Message-ID, because it is
// unknown whether it was delivered.
#pragma once

namespace cloudsat::worker {

// A turn: call at the end of each wait. Handles and reports its errors.
void tend_mail();

// Drops the mail under way: the extension is gone, or busy.
void forget_mail();

// The descriptor to wait for until the next turn; -1 if none.
int mail_descriptor();
long mail_timeout(); // milliseconds

} // namespace cloudsat::worker
