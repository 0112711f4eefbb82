// Who watches a broker: one server at a time, in any database of the cluster. Two watchers would warn twice,
// split the messages between two archives, and each delete by its own limits. Servers with different virtual
// hosts may share a broker.
//
// A broker is identified by host, port and path of its management_url. Other clusters are not visible;
// enforcement.hpp covers copies of a database there.
#pragma once

#include <cstdint>

#include "guardian/server.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace cloudsat::guardian {

// What a server watches: a broker, or the part of it that its option `vhosts` selects.
struct Watch {
    Oid server = InvalidOid;
    std::uint64_t broker = 0;
    std::uint64_t part = 0; // 0 for the whole broker

    friend bool operator==(const Watch&, const Watch&) = default;
};

Watch watch_of(const Server& server);

// The last polls of a server's broker according to the tables: by this very server, or by its original.
struct PolledBy {
    TimestampTz us = 0; // time of the last one; 0 if never
    bool elsewhere = false;
};
PolledBy polled_by(const Server& server); // needs a transaction

// The watch belongs to the session, until end_watch or the end of the process. Never waits. The caller of
// both holds the server's lock.
bool try_watch(const Watch& watch);
void end_watch(const Watch& watch);

// For one transaction; the guard of the same server may have the watch. 55006 if another one has it.
void require_watch(const Server& server);

// The watcher, for people: "process 123 in database "x"". Palloc'd. Needs a transaction.
const char* describe_watcher(const Watch& watch);

// The same, but null if the broker is unwatched or watched by the guard of this very server.
const char* describe_other_watcher(const Watch& watch);

} // namespace cloudsat::guardian
