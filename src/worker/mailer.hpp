// Sends what waits in cloudsat.outbox: a piece at a time, in the launcher's rests. It never waits, whatever
// the mail server does: the launcher waits for the mail server's answer together with all else.
//
//     in a transaction:  plan the notices of one recipient, mark those of the next mail as sending
//     anywhere:          hand the mail over, one at a time
//     in a transaction:  record what came of it
//
// A process that ends in between leaves the mail marked; it is repeated, with the same Message-ID, because
// nobody knows whether it was delivered.
#pragma once

namespace cloudsat::worker {

// A turn: to be called at the end of each wait. Errors are reported, and outlived.
void tend_mail();

// Drops what is under way: the extension is gone, or busy.
void forget_mail();

// What to wait for until the next turn; -1: nothing.
int mail_descriptor();
long mail_timeout(); // milliseconds

} // namespace cloudsat::worker
