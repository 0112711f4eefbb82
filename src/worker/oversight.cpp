// Oversight of the guards, see oversight.hpp. The row in polls and the mail to the admins are written in
// separate transactions, because the cause that stops a guard may also stop one of them.

#include "worker/oversight.hpp"

#include <algorithm>
#include <cstring>
#include <memory_resource>

#include "guardian/enforcement.hpp"
#include "guardian/outbox.hpp"
#include "guardian/server.hpp"
#include "pg/memory.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"
#include "worker/process.hpp"

namespace cloudsat::worker {
namespace {

// The number of failures after which the admins are notified: see guardian/outbox.cpp.
constexpr int failures_of_unguarded = 3;

// A row under a former name of the server belongs to it: its guard renames it with everything else.
pg::Statement note_unguarded(R"(
    WITH known AS (
        UPDATE cloudsat.polls AS p
        SET consecutive_failures = greatest(p.consecutive_failures, $5),
            last_error_kind = 'unguarded',
            last_error = $4,
            last_error_at = now()
        WHERE p.server = $1
           OR p.home = $2
        RETURNING 1)
    INSERT INTO cloudsat.polls (server, home, enforce_home, consecutive_failures, last_error_kind, last_error,
           last_error_at)
    SELECT $1, $2, $3, $5, 'unguarded', $4, now()
    WHERE NOT EXISTS (SELECT FROM known))",
                             {TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID});

// If another server's guard watches the broker, no poll of this server will report recovery.
pg::Statement note_guarded(R"(
    UPDATE cloudsat.polls AS p
    SET consecutive_failures = 0
    WHERE p.server = $1
      AND p.last_error_kind = 'unguarded'
      AND p.consecutive_failures > 0)",
                           {TEXTOID});

pg::Statement last_success(R"(
    SELECT p.last_success
    FROM cloudsat.polls AS p
    WHERE p.server = $1)",
                           {TEXTOID});

// In both, the cause is null if the broker is guarded.
void tell_polls(const Broker& broker, const char* cause) {
    const char* here = guardian::home_of_enforcement();
    const Datum name = pg::to_text(NameStr(broker.name));
    const Datum values[] = {name, pg::to_text(psprintf("%s/%u", here, broker.server)), pg::to_text(here),
                            pg::to_text(cause != nullptr ? cause : ""), Int32GetDatum(failures_of_unguarded)};
    pg::spi_begin();
    if (cause != nullptr) {
        note_unguarded.run(values);
    } else {
        note_guarded.run({values, 1});
    }
    pg::spi_end();
}

void tell_admins(const Broker& broker, const char* cause) {
    const guardian::Server* server = guardian::load_options(broker.server, CurrentMemoryContext);
    auto* memory = pg::make<pg::ContextResource>(CurrentMemoryContext, CurrentMemoryContext);
    auto* arena = pg::make<std::pmr::monotonic_buffer_resource>(CurrentMemoryContext, memory);
    pg::spi_begin();
    const Datum name[] = {pg::to_text(server->name)};
    bool never = last_success.run(name, {}, true, 1) == 0;
    const Datum success = never ? 0 : pg::spi_value(0, 1, never);
    guardian::tell_admins(*server,
                          {.failures = cause != nullptr ? failures_of_unguarded : 0,
                           .before = failures_of_unguarded,
                           .last_success = never ? 0 : DatumGetTimestampTz(success),
                           .fault = cause != nullptr ? cause : ""},
                          GetCurrentTimestamp(), arena);
    pg::spi_end();
}

// Another server's guard holds the watch that this one wants, and polls the broker.
bool is_watched_by_others(std::span<const Member> members, const Member& guard, TimestampTz now,
                          TimestampTz slack) {
    return guard.state == State::standing_by && std::ranges::any_of(members, [&](const Member& other) {
               return other.pid != guard.pid && other.contender.is_watching &&
                      core::conflict(other.contender, guard.contender) && now < other.next_poll + slack;
           });
}

core::GuardSeen look_at(const Broker& broker, std::span<const Member> members, TimestampTz now) {
    const Member* guard = find_member(members, {Kind::guard, MyDatabaseId, broker.server});
    if (guard == nullptr) {
        return {};
    }
    return {.is_there = true,
            .is_busy = guard->state == State::working && guard->failures == 0,
            .others_watch = is_watched_by_others(members, *guard, now, 3 * broker.interval + broker.timeout),
            .since = guard->since,
            .next_poll = guard->next_poll};
}

// For people; palloc'd.
const char* cause_of(const Broker& broker, std::span<const Member> members) {
    const Member* guard = find_member(members, {Kind::guard, MyDatabaseId, broker.server});
    if (guard == nullptr) {
        return broker.no_room ? "no background worker is free for its guard"
               : is_held(MyDatabaseId)
                   ? "its guard is held back by a command that needs the database exclusively"
                   : "its guard ends repeatedly";
    }
    if (guard->failures > 0) {
        return psprintf("its guard fails: %s", guard->error);
    }
    if (guard->state == State::standing_by) {
        return psprintf("its guard stands by: %s", guard->note);
    }
    return "its guard does not finish a poll";
}

void tell(const Broker& broker, const char* cause) {
    for (auto* told : {tell_polls, tell_admins}) {
        pg::survive([&] { with_extension([&] { told(broker, cause); }); });
    }
}

void tell_unguarded(Broker& broker, const char* cause, TimestampTz now) {
    strlcpy(broker.cause, cause, sizeof(broker.cause));
    broker.told_at = now;
    ereport(LOG, errhidecontext(true),
            errmsg("broker \"%s\" is not guarded: %s", NameStr(broker.name), cause));
    tell(broker, cause);
}

void tell_guarded(const Broker& broker, bool by_others) {
    ereport(LOG, errhidecontext(true), errmsg("broker \"%s\" is guarded again", NameStr(broker.name)));
    if (by_others) {
        tell(broker, nullptr); // else its guard reports it, with more detail
    }
}

} // namespace

void oversee(std::span<Broker> brokers) {
    const std::span<const Member> members = roster();
    const TimestampTz now = GetCurrentTimestamp();
    for (Broker& broker : brokers) {
        const core::GuardSeen seen = look_at(broker, members, now);
        const core::Oversight::News news = broker.oversight.look(seen, now, broker.interval, broker.timeout);
        if (news == core::Oversight::News::guarded) {
            tell_guarded(broker, seen.others_watch);
        } else if (broker.oversight.is_unguarded()) {
            const char* cause = cause_of(broker, members);
            const bool changed = std::strncmp(cause, broker.cause, sizeof(broker.cause) - 1) != 0;
            if (news == core::Oversight::News::unguarded ||
                (changed && now - broker.told_at > 3 * broker.interval)) {
                tell_unguarded(broker, cause, now);
            }
        }
    }
}

} // namespace cloudsat::worker
