// Who watches a broker: one server at a time, in whichever database of the cluster. Two that watch the same
// would warn twice, share out its messages between two archives, and each delete by its own limits. Servers
// that name different virtual hosts may share a broker.
//
// A broker is known by host, port and path of its management_url. Other clusters cannot be seen from here:
// for what a copy of a database does there is enforcement.hpp.
#pragma once

#include <cstdint>

#include "guardian/server.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace cloudsat::guardian {

// What a server watches: a broker, or the part of it that its option `vhosts` names.
struct Watch {
    Oid server = InvalidOid;
    std::uint64_t broker = 0;
    std::uint64_t part = 0; // 0: the whole broker

    friend bool operator==(const Watch&, const Watch&) = default;
};

Watch watch_of(const Server& server);

// What the tables say of who polled a server's broker: this very server, or one that it was copied from.
struct PolledBy {
    TimestampTz us = 0; // when last; 0: never
    bool elsewhere = false;
};
PolledBy polled_by(const Server& server); // needs a transaction

// The watch belongs to the session, until end_watch or the end of the process. Never waits. Both by the
// holder of the server's lock.
bool try_watch(const Watch& watch);
void end_watch(const Watch& watch);

// For one transaction, in which the guard of the same server may have the watch. 55006 when anybody else has
// it.
void require_watch(const Server& server);

// Who has it, for people: "process 123 in database "x"". Palloc'd. Needs a transaction.
const char* describe_watcher(const Watch& watch);

// The same, unless nobody or the guard of this very server has it: then null.
const char* describe_other_watcher(const Watch& watch);

} // namespace cloudsat::guardian
