// Acting on intentions: takes a second look at the queue, deletes it or withdraws, and records the outcome.
// The intention was committed by an earlier transaction, so it can be completed or withdrawn whatever happens
// in between:
//
//     in a transaction:  open_intentions()   intentions, and the limits in force now
//     anywhere:          look()              asks the broker; waits, can be cancelled
//     in a transaction:  reconsider()        checks for a new policy or belay
//     anywhere:          act()               sends the request to the broker
//     in a transaction:  conclude()          records the outcome
//
// The caller holds the server's lock throughout. If a process ends between act() and conclude(), the
// intention stays open; the next process looks again, finds no queue, and records the deletion.
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

// Outcome of an intention. `left` leaves it open: the broker could not be asked, or it is too early to ask
// again.
enum class Conclusion { left, withdrawn, deleted, gone, failed, unknown };

struct Intention {
    std::string_view vhost;
    std::string_view name;
    core::SecondLook look;
    std::string_view owner_name; // empty if there is no owner to notify
    TimestampTz belayed_at = 0;  // time of the belay in force; 0 if none
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
    bool due = false; // nothing prevents it

    // from look(), reconsider() and act()
    Conclusion conclusion = Conclusion::left;
    std::string_view reason;
    bool sent = false;     // a DELETE was sent
    bool hopeless = false; // cannot succeed before the server's options change
};

struct Intentions {
    const Server* server = nullptr;
    net::Http* http = nullptr;
    std::pmr::memory_resource* arena = nullptr;
    std::span<Intention> list;
    net::Amqp* amqp = nullptr; // null without amqp_url, or if the broker was not reached
    std::string_view vhost;    // of the AMQP connection
    bool archives = true;      // the guard acts; false for poll(), which does not archive
    bool unreachable = false;  // the broker did not answer: the rest waits
    // Checked last, before a queue is deleted: whether the known state of the server is out of date. Null if
    // it cannot be.
    bool (*called_off)() = nullptr;
};

enum class ActedBy { guard, poll };
Intentions* open_intentions(const Server* server, net::Http& http, MemoryContext context,
                            ActedBy by = ActedBy::guard);
void look(Intentions& intentions, Intention& intention);
void reconsider(const Intentions& intentions, Intention& intention);
void act(Intentions& intentions, Intention& intention);
void conclude(const Intentions& intentions, const Intention& intention);
void disconnect(Intentions& intentions); // closes the connection to the broker; anywhere

} // namespace cloudsat::guardian
