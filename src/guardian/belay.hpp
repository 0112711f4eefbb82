// Belay: an owner or admin who replies so in an incident's thread puts its queue on hold, and who replies
// `end` lets go of it. Reads the board, and answers there; what follows from it is the judge's, the act's and
// the archive's.
//
// The newest belay or end of somebody who has a say counts. It is looked for in the thread each time, with
// nothing kept but the hold itself: so nothing is missed that is committed late, and a hold outlives its
// thread. Only what those have said who have a say is read, newest first: others may say what they like.
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

// An incident that is on.
struct OpenThread {
    pg_uuid_t incident{};
    std::string_view owner = {}; // name; empty when there is none who could be told
    TimestampTz belayed_at = 0;  // when the belay was posted by which it is on hold; 0: it is not

    // from listen(): the newest word, if there is one
    bool spoken = false;
    core::Uuid word{};
    bool belay = false;       // else an end
    pg_uuid_t reply{};        // to which the answer goes
    std::string_view by = {}; // canonical; lives as long as SPI
    TimestampTz at = 0;

    // What the word makes of the hold. An end ends what was said before it.
    bool is_belayed() const noexcept {
        return spoken && (belay || at > belayed_at) ? belay : belayed_at != 0;
    }
};

// A belay of somebody who has no say, and was not told so in this thread yet.
struct UnheardBelay {
    std::size_t thread = 0; // index into the threads
    pg_uuid_t reply{};
    std::string_view poster;
};

// Reads the words in all of these threads, as they are committed at this moment, whatever the snapshot of the
// transaction. Needs SPI, and the answer lives as long.
void listen(const Server& server, std::span<OpenThread> threads);

// Belays since then of those who have no say. A courtesy: of a thread in which very many speak, only some are
// told.
std::span<const UnheardBelay> listen_to_strangers(const Server& server, std::span<const OpenThread> threads,
                                                  TimestampTz since);

// For one thread.
bool is_belayed(const Server& server, OpenThread thread);

// Replies `info` to whoever spoke the thread's word, and to all who were warned.
void answer(const Server& server, const OpenThread& thread, std::string_view text);

} // namespace cloudsat::guardian
