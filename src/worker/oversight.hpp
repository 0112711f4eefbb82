// Sees to it that somebody hears of a broker that is not guarded, whatever the cause: the guard fails in each
// round, there is no room for it, it stands by for somebody who does not watch. Its own word is that of a
// guard that cannot speak for itself, so the launcher speaks.
#pragma once

#include "core/base/restart.hpp"
#include "core/guardian/oversight.hpp"
#include "worker/roster.hpp"

namespace cloudsat::worker {

// A broker that wants a guard.
struct Broker {
    Oid server;
    NameData name;
    core::Restart restart;
    bool no_room; // for its guard; told already
    TimestampTz interval, timeout;
    core::Oversight oversight;
    char cause[160]; // why nobody guards it, as was told
    TimestampTz told_at;
};

// Looks at the roster; tells what is new in polls and to the admins. Outside of a transaction. Errors are
// reported, and outlived.
void oversee(std::span<Broker> brokers);

} // namespace cloudsat::worker
