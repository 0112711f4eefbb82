// Belay: an owner or admin puts a queue on hold by replying `belay` in the thread of its incident, and ends
// the hold by replying `end`. This file reads the board and answers there; judging, acting and archiving
// decide about the consequences.
//
// The newest `belay` or `end` of an entitled address counts. The thread is searched each time, and only the
// hold itself is stored: so late commits are not missed, and a hold outlives its thread. Only messages of
// entitled addresses are read, newest first; others have no influence.
#pragma once

#include <span>
#include <string_view>

#include "core/board/uuid7.hpp"
#include "guardian/owners.hpp"
#include "guardian/server.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "utils/uuid.h"
}

namespace cloudsat::guardian {

// An open incident.
struct OpenThread {
    pg_uuid_t incident{};
    std::string_view owner = {}; // name; empty if there is no owner to notify
    TimestampTz belayed_at = 0;  // time of the belay in force; 0 if none

    // from listen(): the newest message, if there is one
    bool spoken = false;
    core::Uuid word{};
    bool belay = false;       // else `end`
    pg_uuid_t reply{};        // the message to answer
    std::string_view by = {}; // canonical; lives as long as SPI
    TimestampTz at = 0;

    // Whether the queue is on hold after the message. An `end` ends an earlier hold.
    bool is_belayed() const noexcept {
        return spoken && (belay || at > belayed_at) ? belay : belayed_at != 0;
    }
};

// A belay by an address that is not entitled, and was not notified in this thread yet.
struct UnheardBelay {
    std::size_t thread = 0; // index into the threads
    pg_uuid_t reply{};
    std::string_view poster;
};

// Reads the messages in all of these threads as committed now, whatever the snapshot of the transaction.
// Needs SPI; the result lives as long.
void listen(const Server& server, std::span<OpenThread> threads);

// Belays since then by addresses that are not entitled. A courtesy: in a thread with very many of them, only
// some are notified.
std::span<const UnheardBelay> listen_to_strangers(const Server& server, std::span<const OpenThread> threads,
                                                  TimestampTz since);

// For one thread.
bool is_belayed(const Server& server, OpenThread thread);

// Replies `info` to the author of the message and to all warned addresses.
void answer(const Server& server, const OpenThread& thread, std::string_view text);

} // namespace cloudsat::guardian
