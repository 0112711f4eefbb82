// Notices for cloudsat.outbox, collected and written by one statement, in the transaction that they are
// about. The launcher sends them (worker/mailer.hpp).
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
    std::string_view vhost;     // empty, like the queue, for a notice about the broker
    std::string_view queue;
    std::optional<std::int64_t> messages;
    const pg_uuid_t* incident = nullptr; // an incident notifies a recipient of each kind only once
    core::NoticeText text;
};

// Whether a mail server is configured. Without one no notice is written.
bool has_mail_server();

class Outbox {
public:
    void add(const Notice& notice);
    // Needs SPI. Notices that may not be mailed are written too, with the reason.
    void write(const Server& server, TimestampTz at) const;

private:
    Column kinds_, recipients_, vhosts_, queues_, messages_, incidents_, subjects_, bodies_;
};
static_assert(pg::Plain<Outbox>);

// Notifies the admins once when a broker cannot be polled, and once when it can again. `failures`: failed
// polls in a row, including this one; `before`: excluding it; `since`: the last success, 0 if never. Needs
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
    std::string_view unknown; // known only from the name of the queue, which is not enough
    std::string_view waiting; // this broker's pending notices to them, until when and why; empty if none
};
MailRights find_mail_rights(const Server& server, std::string_view owner, std::pmr::memory_resource* arena);

// Maximum number of mails an hour that a broker may cause to owners known only from names of queues; ignores
// faults in its other options.
std::int64_t mails_per_hour(std::string_view server);
// Notifies the admins, at most once an hour, that a broker's notices are delayed by this limit. Needs SPI.
void tell_held(std::string_view server, TimestampTz until, TimestampTz now, std::pmr::memory_resource* arena);

// A time as shown in mails, to the second.
std::string_view time_text(TimestampTz time, std::pmr::memory_resource* arena);

// An incident's uuid as text, in the arena.
std::string_view thread_name(const pg_uuid_t& incident, std::pmr::memory_resource* arena);

} // namespace cloudsat::guardian
