// Notices for cloudsat.outbox, gathered and written by one statement, in the transaction of what they tell
// of. The launcher sends them (worker/mailer.hpp).
#pragma once

#include <optional>
#include <string_view>

#include "core/guardian/mail_plan.hpp"
#include "core/guardian/mail_text.hpp"
#include "guardian/columns.hpp"
#include "guardian/server.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "utils/uuid.h"
}

namespace cloudsat::guardian {

struct Notice {
    core::NoticeKind kind = core::NoticeKind::warned;
    std::string_view recipient; // only an address with a local part gets mail
    std::string_view vhost;     // empty, like the queue, when it is about the broker
    std::string_view queue;
    std::optional<std::int64_t> messages;
    const pg_uuid_t* incident = nullptr; // the same incident tells the same recipient each kind once
    core::NoticeText text;
};

// Is there a mail server? Without one no notice is written.
bool has_mail_server();

class Outbox {
public:
    void add(const Notice& notice);
    // Needs SPI. What may not be mailed is written, too, and why not.
    void write(const Server& server, TimestampTz at) const;

private:
    Column kinds_, recipients_, vhosts_, queues_, messages_, incidents_, subjects_, bodies_;
};
static_assert(pg::Plain<Outbox>);

// Tells the admins once when a broker cannot be polled, and once when it can again. `failures`: polls that
// failed in a row, this one included; `before`: up to this one; `since`: the last success, 0 for never. Needs
// SPI.
struct BrokerNews {
    int failures = 0;
    int before = 0;
    TimestampTz last_success = 0;
    std::string_view fault;
};
void tell_admins(const Server& server, const BrokerNews& news, TimestampTz at,
                 std::pmr::memory_resource* arena);

// Which of a queue's owners get mail, as lists of addresses for people, in the arena. Needs SPI.
struct MailRights {
    std::string_view mailed;
    std::string_view unknown; // known from the queue's name alone, which is not enough
    std::string_view
        waiting; // what of this broker's notices to them waits, until when and why; empty: nothing
};
MailRights find_mail_rights(const Server& server, std::string_view owner, std::pmr::memory_resource* arena);

// How many mails a broker may cause within an hour to owners who are known from the names of queues alone,
// whatever else is wrong with its options.
std::int64_t mails_per_hour(std::string_view server);
// Tells the admins, once an hour at most, that a broker's notices wait for that. Needs SPI.
void tell_held(std::string_view server, TimestampTz until, TimestampTz now, std::pmr::memory_resource* arena);

// A time as mails tell it, to the second.
std::string_view time_text(TimestampTz time, std::pmr::memory_resource* arena);

// An incident's uuid as text, in the arena.
std::string_view thread_name(const pg_uuid_t& incident, std::pmr::memory_resource* arena);

} // namespace cloudsat::guardian
