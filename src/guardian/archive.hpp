// Archiving: takes messages out of queues that a poll found overgrown. A message is acknowledged to the
// broker only after it is committed here, so a crash may store a message twice but never loses one:
//
//     in a transaction:  open_archiving()   selects queues by the limits in force now
//     anywhere:          take()             gets a batch from the broker; waits, can be cancelled
//     in a transaction:  store()            stores the batch and reports on it
//     once committed:    settle()           acknowledges the batch
//
// take(), store() and settle() are repeated until take() finds nothing more, or time is up. The caller holds
// the server's lock throughout. poll() does not archive: its transaction belongs to the caller, and commits
// later.
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

// Outcome of a queue's turn, besides its messages.
enum class ArchiveOutcome {
    none,     // there may be more to take
    passed,   // the turn is over, or the broker's statistics are late; nothing to report
    small,    // messages were taken, and the queue is as small as intended
    full,     // the archive holds the maximum
    withheld, // taking messages would disturb the queue or its clients
    resumed,  // it no longer would: the next poll decides
    failed,
};

struct ArchiveQueue {
    std::string_view vhost;
    std::string_view name;
    core::Facts before; // as known
    core::Limits limits;
    bool by_policy = false;      // archive_size is set by a policy
    std::string_view owner_name; // empty if there is no owner to notify
    bool in_incident = false;
    pg_uuid_t incident{};
    std::int64_t cycle = 0;
    std::int64_t stored = 0; // its messages in the archive; counted only if that is limited
    bool begun = false;      // something was archived since archiving began
    bool withheld = false;   // as known: to be checked again
    TimestampTz at = 0;      // when archiving began, last stored messages, or last checked why it is withheld
    int failures = 0;
    bool at_stake = false;      // it will be deleted if archiving fails for good
    TimestampTz belayed_at = 0; // time of the belay in force; 0 if none

    // from store()
    bool belayed = false; // meanwhile: no more messages are requested

    // from take()
    core::Facts seen;
    std::int64_t size = 0;
    std::int64_t average_bytes = 0; // of a message; 0 if unknown
    net::Taking way = net::Taking::get;
    std::optional<std::int64_t> consumers_told;
    bool taken = false; // something was taken in this pass
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
    std::string_view vhost;       // of the connection
    TimestampTz end = 0;          // of this pass
    std::string_view unreachable; // why the broker does not answer; empty if it does
};

// Null if there is nothing to do. `until` is the intended end of the pass; it ends soon after.
Archiving* open_archiving(const Server* server, net::Http& http, MemoryContext context);
bool take(Archiving& archiving);
void store(Archiving& archiving);
void settle(Archiving& archiving);

// Number of a queue's messages in the archive, counted up to `most`. Needs SPI.
std::int64_t count_archived(const Server& server, std::string_view vhost, std::string_view queue,
                            std::int64_t most);

// The last reported reason for withholding archiving from a queue. Needs SPI.
std::string_view reason_withheld(const Server& server, std::string_view vhost, std::string_view queue,
                                 std::pmr::memory_resource* arena, Sight sight);

// Whether a queue that is not being archived may be archived now. Anywhere; `connected` is the virtual host
// of the AMQP connection.
bool may_be_archived(const Server& server, net::Http& http, std::string_view& connected,
                     std::pmr::memory_resource* arena, ArchiveQueue& queue);

// After an error in store(): returns the messages to their queue; the next store() reports the failure.
void give_back(Archiving& archiving, std::string_view reason);

// Maximum duration of a pass, and so the maximum delay of a poll.
constexpr std::int64_t longest_pass = 10 * core::micros_per_second;

} // namespace cloudsat::guardian
