// Acting on intentions: look at the queue again, delete it or withdraw, and record what came of it. The
// intention was committed by an earlier transaction, so whatever happens in between, it is there to be
// finished or withdrawn:
//
//     in a transaction:  open_intentions()   what is to be done, under the limits in force now
//     anywhere:          look()              asks the broker; waits, can be cancelled
//     in a transaction:  reconsider()        a moment ago a policy may have come, or a belay
//     anywhere:          act()               tells the broker
//     in a transaction:  conclude()          records the outcome
//
// All by the holder of the server's lock. A process that ends between act() and conclude() leaves the
// intention open; the next one looks again, finds no queue, and records the deletion.
#pragma once

#include <memory_resource>
#include <span>
#include <string_view>

#include "core/guardian/second_look.hpp"
#include "guardian/server.hpp"
#include "net/amqp.hpp"
#include "net/http.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "utils/uuid.h"
}

namespace cloudsat::guardian {

// What came of an intention. `left` leaves it open: the broker could not be asked, or it is too early to ask
// again.
enum class Conclusion { left, withdrawn, deleted, gone, failed, unknown };

struct Intention {
    std::string_view vhost;
    std::string_view name;
    core::SecondLook look;
    std::string_view owner_name; // empty when there is nobody to tell
    TimestampTz belayed_at = 0;  // by which it is on hold; 0: it is not
    bool in_incident = false;
    pg_uuid_t incident{};
    std::int64_t cycle = 0;
    int attempts = 0;
    int failures = 0;
    std::int64_t archived = 0; // while it was to be archived
    bool archive_full = false; // when the intention was written
    bool archive_idle = false; // neither on nor full
    bool archived_by_policy = false;
    int archive_failures = 0;
    TimestampTz archive_at = 0;
    TimestampTz delay_from = 0;
    TimestampTz acted_at = 0;

    // from look()
    bool due = false; // nothing speaks against it

    // from look(), reconsider() and act()
    Conclusion conclusion = Conclusion::left;
    std::string_view reason;
    bool sent = false;     // a DELETE went out
    bool hopeless = false; // it does not work as long as the server is as it is
};

struct Intentions {
    const Server* server = nullptr;
    net::Http* http = nullptr;
    std::pmr::memory_resource* arena = nullptr;
    std::span<Intention> list;
    net::Amqp* amqp = nullptr; // null without amqp_url, or when there was no getting through
    std::string_view vhost;    // that it is connected to
    bool archives = true;      // the guard acts; poll() does not archive
    bool unreachable = false;  // the broker did not answer: leave the rest for later
    // Asked last of all before a queue is deleted: is what is known of the server out of date? Null: it
    // cannot be.
    bool (*called_off)() = nullptr;
};

enum class ActedBy { guard, poll };
Intentions* open_intentions(const Server* server, net::Http& http, MemoryContext context,
                            ActedBy by = ActedBy::guard);
void look(Intentions& intentions, Intention& intention);
void reconsider(const Intentions& intentions, Intention& intention);
void act(Intentions& intentions, Intention& intention);
void conclude(const Intentions& intentions, const Intention& intention);
void disconnect(Intentions& intentions); // of the broker; anywhere

} // namespace cloudsat::guardian
