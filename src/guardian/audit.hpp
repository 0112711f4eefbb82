// Rows for cloudsat.queue_events, collected and written by one statement.
#pragma once

#include <optional>
#include <string_view>

#include "core/guardian/judge.hpp"
#include "guardian/columns.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "utils/uuid.h"
}

namespace cloudsat::guardian {

enum class Event {
    appeared,
    warned,
    deletable,
    recovered,
    archive_started,
    archive_full,
    archive_withheld,
    archived,
    would_delete,
    delete_intended,
    deleted,
    delete_withdrawn,
    belayed,
    belay_ended,
    action_failed,
    vanished
};

struct EventLine {
    std::string_view vhost;
    std::string_view name;
    Event event = Event::appeared;
    std::optional<std::int64_t> messages;
    const pg_uuid_t* incident = nullptr;
    std::string_view reason;              // for people; empty if none
    const core::Limits* limits = nullptr; // set if they influenced the event
};

class Audit {
public:
    void add(const EventLine& line);
    std::int64_t size() const noexcept { return names_.size(); }
    void write(const char* server, TimestampTz at, std::int64_t cycle) const; // needs SPI

private:
    Column vhosts_, names_, events_, messages_, incidents_, reasons_, warn_sizes_, archive_sizes_,
        delete_sizes_;
};
static_assert(pg::Plain<Audit>);

} // namespace cloudsat::guardian
