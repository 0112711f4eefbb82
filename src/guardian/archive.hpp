// Archiving: taking messages out of queues that a poll found overgrown. Nothing is acknowledged to the broker
// before it is committed here, so a crash anywhere may store a message twice, and never loses one:
//
//     in a transaction:  open_archiving()   which queues, under the limits in force now
//     anywhere:          take()             gets a batch from the broker; waits, can be cancelled
//     in a transaction:  store()            what was taken, and what is to be told of it
//     once committed:    settle()           acknowledges it
//
// take(), store() and settle() are repeated until take() says that there is nothing more, or time is up. All
// by the holder of the server's lock. poll() does not archive: its transaction is the caller's, who commits
// after it.
#pragma once

#include <memory_resource>
#include <optional>
#include <span>
#include <string_view>

#include "core/guardian/judge.hpp"
#include "core/guardian/sweep_diff.hpp"
#include "guardian/rules.hpp"
#include "guardian/server.hpp"
#include "net/amqp.hpp"
#include "net/http.hpp"
#include "pg/boundary.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "utils/uuid.h"
}

namespace cloudsat::guardian {

// What came of a queue's turn, beside its messages.
enum class ArchiveOutcome {
    none,     // there may be more to take
    passed,   // its turn is over, or the broker's statistics are late; and nothing is to be told
    small,    // messages were taken, and now it is as small as it shall become
    full,     // the archive holds as many as it may
    withheld, // taking messages would disturb somebody
    resumed,  // it would have, and does not any more: the next poll decides
    failed,
};

struct ArchiveQueue {
    std::string_view vhost;
    std::string_view name;
    core::Facts before; // as known
    core::Limits limits;
    bool by_policy = false;      // archive_size is a policy's own
    std::string_view owner_name; // empty when there is nobody to tell
    bool in_incident = false;
    pg_uuid_t incident{};
    std::int64_t cycle = 0;
    std::int64_t stored = 0; // messages of it in the archive; counted only where that is limited
    bool begun = false;      // something was archived since archiving is on
    bool withheld = false;   // as known: whether that is still so
    TimestampTz at = 0;      // when archiving began, last stored messages, or last found why it stands back
    int failures = 0;
    bool at_stake = false;      // it is to be deleted when the archive fails for good
    TimestampTz belayed_at = 0; // by which it is on hold; 0: it is not

    // from store()
    bool belayed = false; // meanwhile: nothing more is asked for

    // from take()
    core::Facts seen;
    std::int64_t size = 0;
    std::int64_t average_bytes = 0; // of a message; 0: nobody knows
    net::Taking way = net::Taking::get;
    std::optional<std::int64_t> consumers_told;
    bool taken = false; // something, in this pass
    ArchiveOutcome outcome = ArchiveOutcome::none;
    std::string_view reason;
};

struct Archiving {
    const Server* server = nullptr;
    net::Http* http = nullptr;
    net::Amqp* amqp = nullptr;
    std::pmr::memory_resource* arena = nullptr;
    MemoryContext batch_context = nullptr; // reset by settle()
    std::pmr::memory_resource* batch_memory = nullptr;
    std::span<ArchiveQueue> queues;
    std::size_t next = 0;
    ArchiveQueue* at = nullptr;
    enum class Stage { look, round, taking } stage = Stage::look;
    std::string_view vhost;       // connected to
    TimestampTz end = 0;          // of this pass
    std::string_view unreachable; // why nobody answers; empty: somebody does
};

// Null when there is nothing to do. `until` is when the pass is to end; it ends soon after.
Archiving* open_archiving(const Server* server, net::Http& http, MemoryContext context);
bool take(Archiving& archiving);
void store(Archiving& archiving);
void settle(Archiving& archiving);

// Messages of a queue in the archive, as far as `most`. Needs SPI.
std::int64_t count_archived(const Server& server, std::string_view vhost, std::string_view queue,
                            std::int64_t most);

// Why archiving stands back from a queue, as was told last. Needs SPI.
std::string_view reason_withheld(const Server& server, std::string_view vhost, std::string_view queue,
                                 std::pmr::memory_resource* arena, Sight sight);

// Whether a queue that is not being archived may be archived now. Anywhere; `connected` is the virtual
// host that the AMQP connection is for.
bool may_be_archived(const Server& server, net::Http& http, std::string_view& connected,
                     std::pmr::memory_resource* arena, ArchiveQueue& queue);

// When store() raised: the messages go back to their queue, and the next store() tells of the failure.
void give_back(Archiving& archiving, std::string_view reason);

// How long a pass may take: polls are late by no more.
constexpr std::int64_t longest_pass = 10 * core::micros_per_second;

} // namespace cloudsat::guardian
