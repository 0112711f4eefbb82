// Reports a broker that is not guarded, whatever the cause: the guard fails in each round, there is no room
// for it, or it stands by for a guard that does not watch. The launcher reports it because such a guard
// cannot.
#pragma once

#include "core/base/restart.hpp"
#include "core/guardian/oversight.hpp"
#include "worker/roster.hpp"

namespace cloudsat::worker {

// A broker that needs a guard.
struct Broker {
    Oid server;
    NameData name;
    core::Restart restart;
    bool no_room; // for its guard; already reported
    TimestampTz interval, timeout;
    core::Oversight oversight;
    char cause[160]; // why it is not guarded, as reported
    TimestampTz told_at;
};

// Reads the roster; reports changes in polls and to the admins. Call outside a transaction. Handles and
// reports its errors.
void oversee(std::span<Broker> brokers);

} // namespace cloudsat::worker
