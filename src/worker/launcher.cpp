// The launcher: one process per database. Waits until the extension exists, keeps a guard for each broker and
// the notifier, calls maintain() and, if messages expire, cleanup(), and sends mail. It never talks to a
// broker, and does not block on a mail server (mailer.hpp).
//
// It learns of changes from the catalogs' invalidation messages, which it reads once a second. It begins a
// transaction only after one, after a minute, or to look for mail. Guards are on the roster and not its
// children: when a launcher ends, its guards continue, and the next launcher takes them over.
//
//   waiting --(extension created)--> held --(no restore)--> idle
//   held, idle --(extension dropped)--> waiting, or the end if start() began it

#include <algorithm>

#include "board/doorbell_memory.hpp"
#include "board/settings.hpp"
#include "core/base/find.hpp"
#include "core/base/restart.hpp"
#include "core/guardian/fair_share.hpp"
#include "core/guardian/server_options.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"
#include "worker/mailer.hpp"
#include "worker/oversight.hpp"
#include "worker/process.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "pgstat.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

namespace cloudsat::worker {
namespace {

constexpr TimestampTz second = core::Restart::second;
constexpr long tick_milliseconds = 1000;
constexpr long failed_milliseconds = 10 * tick_milliseconds;
constexpr TimestampTz look_interval = 60 * second; // in case an invalidation was missed
constexpr TimestampTz upkeep_retry = 5 * 60 * second;
constexpr int upkeep_minutes = 60; // or partition_interval, if that is shorter

struct Launcher {
    Orders orders;
    pg::Presence presence;
    Oid extension;        // the one found; with another one the launcher starts over
    TimestampTz appeared; // when it appeared; 0 if it existed from the start
    bool held;     // a restore of this database seems to be in progress: do nothing that would make it fail
    Oid messages;  // the board's table
    bool detached; // its partitions may have changed: cleanup() may have left some to be dropped
    bool restore_told;
    bool looked; // presence and brokers are known
    bool over;   // start() began it, and the extension no longer exists
    bool catalog_changed = true;
    TimestampTz next_look;
    TimestampTz next_upkeep;
    bool unpruned;             // maintain(), which prunes, has failed
    std::span<Broker> brokers; // in TopMemoryContext, rebuilt by each look
    core::Restart notifier;
    NameData database; // its current name
    bool exhausted;    // the lack of room for the notifier has been reported
    int without_room;  // number of guards in the note
};

Launcher state;

void catalog_changed(Datum, int, uint32) noexcept {
    state.catalog_changed = true;
}

void relation_changed(Datum, Oid relation) noexcept {
    state.detached = state.detached || relation == state.messages || !OidIsValid(relation);
}

Broker* broker_of(Oid server) {
    return core::find_in(state.brokers, server, &Broker::server);
}

// The brokers that can be watched at all. The name identifies our wrapper: names of wrappers are unique in a
// database, and our extension is present. A server's guard reports any other problem with it.
constexpr const char* watchable_servers =
    "SELECT s.oid, s.srvname,"
    " (SELECT o.option_value FROM pg_options_to_table(s.srvoptions) o"
    "  WHERE o.option_name = 'poll_interval'),"
    " (SELECT o.option_value FROM pg_options_to_table(s.srvoptions) o"
    "  WHERE o.option_name = 'timeout')"
    " FROM pg_foreign_server s"
    " JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'rabbitmq'"
    " WHERE EXISTS (SELECT FROM unnest(s.srvoptions) o WHERE o LIKE 'management\\_url=_%')"
    " AND EXISTS (SELECT FROM pg_user_mapping m WHERE m.umserver = s.oid) ORDER BY s.oid";

void keep_brokers(std::span<Broker> brokers) {
    Broker* old = state.brokers.data();
    state.brokers = brokers;
    if (old != nullptr) {
        pfree(old);
    }
}

TimestampTz duration_at(std::size_t row, int column, TimestampTz otherwise) {
    bool none = false;
    const Datum text = pg::spi_value(row, column, none);
    return none ? otherwise : core::parse_duration(pg::view(text)).value_or(otherwise);
}

void read_servers() {
    static pg::Statement statement(watchable_servers, {});
    pg::spi_begin();
    auto count = static_cast<std::size_t>(statement.run({}, {}, true));
    auto* brokers =
        static_cast<Broker*>(MemoryContextAllocZero(TopMemoryContext, sizeof(Broker) * (count + 1)));
    for (std::size_t i = 0; i < count; ++i) {
        bool isnull;
        Oid server = DatumGetObjectId(pg::spi_value(i, 1, isnull));
        const Broker* known = broker_of(server);
        brokers[i] = known != nullptr ? *known : Broker{};
        brokers[i].server = server;
        brokers[i].name = *DatumGetName(pg::spi_value(i, 2, isnull));
        brokers[i].interval = duration_at(i, 3, core::ServerOptions{}.poll_interval);
        brokers[i].timeout = duration_at(i, 4, core::ServerOptions{}.timeout);
    }
    pg::spi_end();
    keep_brokers({brokers, count});
}

void say_presence(pg::Presence now) {
    if (now == pg::Presence::present && state.presence != now) {
        ereport(LOG, errhidecontext(true),
                errmsg("%s found the extension, and begins", MyBgworkerEntry->bgw_name));
        state.next_upkeep = 0;
    }
    if (now == pg::Presence::absent && state.presence == pg::Presence::present) {
        ereport(LOG, errhidecontext(true),
                errmsg("%s stops its guards: the extension was dropped", MyBgworkerEntry->bgw_name));
    }
}

// Whether the extension may still appear for a launcher that start() began: not if it was there and was
// dropped, nor if the transaction of start(), which may create the extension, has ended without it.
bool may_come() {
    if (state.orders.origin == Origin::supervisor) {
        return true; // it waits for ever
    }
    return state.presence != pg::Presence::present && !VirtualXactLock(state.orders.starter, false);
}

// Whether a restore of this database seems to be in progress, or may be. It would fail on a partition that it
// creates itself, and on a row written by a guard. Checked for a newly found extension until the answer is
// no. A call of start() asserts that there is none.
bool is_being_filled(Oid extension) {
    static pg::Statement statement("SELECT _cloudsat.restoring(), _cloudsat.filling($1)", {TIMESTAMPTZOID});
    if (state.orders.origin == Origin::person || (extension == state.extension && !state.held)) {
        return false;
    }
    if (state.looked && extension != state.extension) {
        state.appeared = GetCurrentTimestamp();
    }
    const Datum appeared = TimestampTzGetDatum(state.appeared);
    const bool was_there = state.appeared == 0;
    pg::spi_begin();
    statement.run({&appeared, 1}, {&was_there, 1}, true);
    bool not_restored = false;
    bool not_filled = false;
    const Datum restore = pg::spi_value(0, 1, not_restored);
    const Datum session = pg::spi_value(0, 2, not_filled);
    if (!not_restored && !state.restore_told) {
        ereport(LOG, errhidecontext(true),
                errmsg("%s waits: a restore seems to be in progress", MyBgworkerEntry->bgw_name),
                errdetail("%s", TextDatumGetCString(restore)));
    } else if (not_restored && !not_filled && !state.held) {
        ereport(
            LOG, errhidecontext(true),
            errmsg("%s waits for a session that may be filling the new extension", MyBgworkerEntry->bgw_name),
            errdetail("%s", TextDatumGetCString(session)));
    }
    state.restore_told = !not_restored;
    pg::spi_end();
    return !not_restored || !not_filled;
}

// Finds out whether the extension exists, and which brokers.
void look() {
    state.catalog_changed = false; // before the look: later changes are for the next one
    begin_transaction();
    bool may_still_come = may_come(); // read first: the look sees what commits after this
    namestrcpy(&state.database, get_database_name(MyDatabaseId));
    pg::Presence presence = pg::hold_presence();
    Oid extension = state.extension;
    bool held = state.held;
    if (presence == pg::Presence::present) {
        extension = get_extension_oid("cloudsat", true);
        held = is_being_filled(extension);
        if (held) {
            keep_brokers({});
        } else {
            state.messages = get_relname_relid("messages", get_namespace_oid("cloudsat", true));
            read_servers();
        }
    } else if (presence == pg::Presence::absent) {
        extension = InvalidOid;
        held = false;
        keep_brokers({});
    }
    commit_transaction();
    state.next_look = GetCurrentTimestamp() + look_interval;
    state.extension = extension;
    state.held = held;
    if (presence == pg::Presence::busy) {
        // a session is dropping or altering it: change nothing, and look again soon
        state.catalog_changed = true;
        return;
    }
    if (held) {
        state.catalog_changed = true; // no invalidation reports the end of the restore
        presence = pg::Presence::absent;
    }
    say_presence(presence);
    state.presence = presence;
    state.looked = true;
    state.over = presence == pg::Presence::absent && !may_still_come;
    if (presence == pg::Presence::absent && state.orders.origin == Origin::person) {
        // no invalidation reports that the transaction of start() was rolled back
        state.catalog_changed = true;
    }
}

bool start(const Duty& duty, const char* about) {
    return launch({duty, state.orders.origin, {}}, about, Restarted::by_us);
}

// How many guards this database may have, so that other databases can have theirs.
std::size_t share_of_guards(std::span<const Member> members) {
    const auto wanted = static_cast<int>(state.brokers.size());
    auto* others = static_cast<int*>(palloc(sizeof(int) * (members.size() + 1)));
    std::size_t count = 0;
    int databases = 1;
    for (const Member& member : members) {
        if (member.duty.kind == Kind::supervisor) {
            databases = std::max(databases, member.wanted);
        } else if (member.duty.kind == Kind::launcher && member.duty.database != MyDatabaseId) {
            others[count++] = member.wanted;
        }
    }
    databases = std::max(databases, static_cast<int>(count) + 1);
    const int places = core::places_for_guards(max_worker_processes, databases);
    return static_cast<std::size_t>(core::fair_share(places, wanted, {others, count}));
}

// Logged once for each guard; the note has the current number.
void tell_no_room(Broker& broker, std::size_t share) {
    if (!broker.no_room) {
        ereport(WARNING, errcode(ERRCODE_INSUFFICIENT_RESOURCES),
                errmsg("no room for cloudsat's guard of server \"%s\"", NameStr(broker.name)),
                share < state.brokers.size()
                    ? errdetail(
                          "Database \"%s\" may have %zu of its %zu guards, so that other workers find room.",
                          NameStr(state.database), share, state.brokers.size())
                    : errdetail("All background workers are in use."),
                errhint("Increase max_worker_processes."));
    }
    broker.no_room = true;
}

void note_room() {
    const auto without = static_cast<int>(std::ranges::count_if(state.brokers, &Broker::no_room));
    if (without != state.without_room) {
        const auto first = std::ranges::find_if(state.brokers, &Broker::no_room);
        report_note(without == 0 ? ""
                    : without == 1
                        ? psprintf("no room for the guard of \"%s\": increase max_worker_processes",
                                   NameStr(first->name))
                        : psprintf("no room for %d guards: increase max_worker_processes", without));
        state.without_room = without;
    }
}

// Starts a guard for each broker, as far as there is room, and ends all others.
void tend_guards() {
    const TimestampTz now = GetCurrentTimestamp();
    report_wanted(static_cast<int>(state.brokers.size()));
    const std::span<const Member> members = roster();
    const std::size_t share = share_of_guards(members);
    for (const Member& member : members) {
        if (member.duty.kind == Kind::guard && member.duty.database == MyDatabaseId &&
            broker_of(member.duty.server) == nullptr) {
            dismiss(member.duty);
        }
    }
    for (std::size_t i = 0; i < state.brokers.size(); ++i) {
        Broker& broker = state.brokers[i];
        const Duty duty{Kind::guard, MyDatabaseId, broker.server};
        if (const Member* guard = find_member(members, duty); guard != nullptr) {
            broker.restart.alive(now, guard->started_at);
            broker.no_room = false;
            if (i >= share) {
                dismiss(duty);
            }
        } else if (i >= share) {
            tell_no_room(broker, share);
        } else if (broker.restart.due(now) && !on_duty(duty) && !is_held(MyDatabaseId)) {
            broker.restart.started(now);
            if (!start(duty, NameStr(broker.name))) {
                tell_no_room(broker, state.brokers.size());
            }
        }
    }
    note_room();
}

// One notifier, as long as posts notify and shared memory is available.
void tend_notifier() {
    TimestampTz now = GetCurrentTimestamp();
    const Duty duty{Kind::notifier, MyDatabaseId, InvalidOid};
    const bool wanted = state.presence == pg::Presence::present && board::has_doorbell_memory() &&
                        board::settings().notify == static_cast<int>(board::Notify::batched);
    const Member* notifier = find_member(roster(), duty);
    if (notifier != nullptr) {
        state.notifier.alive(now, notifier->started_at);
        if (!wanted) {
            dismiss(duty);
        }
    } else if (wanted && state.notifier.due(now) && !is_held(MyDatabaseId)) {
        state.notifier.started(now);
        const bool started = start(duty, NameStr(state.database));
        if (!started && !state.exhausted) {
            ereport(WARNING, errcode(ERRCODE_INSUFFICIENT_RESOURCES),
                    errmsg("no room for cloudsat's notifier in database \"%s\"", NameStr(state.database)),
                    errhint("Increase max_worker_processes."));
        }
        state.exhausted = !started;
    }
}

// So that guards see changes of their servers, which arrive only when read.
void wake_guards() {
    for (const Broker& broker : state.brokers) {
        wake({Kind::guard, MyDatabaseId, broker.server});
    }
}

bool has_others() {
    std::span<const Member> members = roster();
    return std::ranges::any_of(members, [](const Member& member) {
        return member.duty.kind != Kind::launcher && member.duty.database == MyDatabaseId;
    });
}

// One transaction of upkeep: a statement whose result is a number. 0 if the extension does not exist.
int64 keep_house(pg::Statement& statement, const char* activity, std::span<const Datum> values) {
    int64 result = 0;
    pgstat_report_activity(STATE_RUNNING, activity);
    with_extension([&] {
        pg::spi_begin();
        statement.run(values);
        bool none = false;
        result = DatumGetInt64(pg::spi_value(0, 1, none));
        pg::spi_end();
    });
    return result;
}

// Each call of cleanup() is its own transaction, because it stops as soon as posters have to wait for it.
void clean_up(int minutes) {
    static pg::Statement statement("SELECT count(*) FROM cloudsat.cleanup(make_interval(mins => $1))",
                                   {INT4OID});
    const Datum retention[] = {Int32GetDatum(minutes)};
    int64 dropped = 0;
    for (int64 more = 1; more > 0; dropped += more) {
        more = keep_house(statement, "SELECT cloudsat.cleanup(retention)", retention);
    }
    if (dropped > 0) {
        ereport(LOG, errhidecontext(true),
                errmsg("%s dropped old partitions of messages: %lld", MyBgworkerEntry->bgw_name,
                       static_cast<long long>(dropped)));
    }
}

// Removes the files that cleanup() detached in any session, without making that session wait.
void drop_detached() {
    static pg::Statement statement("SELECT _cloudsat.drop_detached()", {});
    state.detached = false; // before the look: later changes are for the next one
    while (keep_house(statement, "dropping detached partitions", {}) > 0) {
    }
}

// Even if another session keeps maintain() from its locks.
void prune() {
    static pg::Statement statement("SELECT 0::int8 FROM _cloudsat.prune()", {});
    state.unpruned = false; // if it fails too, the next maintain() tries again
    keep_house(statement, "pruning the logs", {});
}

void upkeep(TimestampTz now) {
    static pg::Statement maintain("SELECT count(*) FROM cloudsat.maintain()", {});
    TimestampTz interval = std::min(upkeep_minutes, board::settings().partition_interval) * 60 * second;
    state.next_upkeep = now + std::min(interval, upkeep_retry); // in case it fails
    state.unpruned = true;
    keep_house(maintain, "SELECT cloudsat.maintain()", {});
    state.unpruned = false;
    if (board::settings().retention > 0) {
        clean_up(board::settings().retention);
    }
    state.next_upkeep = now + interval;
}

void round() {
    TimestampTz now = GetCurrentTimestamp();
    if (state.catalog_changed || now >= state.next_look) {
        pgstat_report_activity(STATE_RUNNING, "looking for the extension and its servers");
        look();
        wake_guards();
    }
    if (state.looked) {
        tend_notifier();
        tend_guards();
    }
    if (state.presence != pg::Presence::present) {
        return;
    }
    oversee(state.brokers);
    if (state.detached) {
        drop_detached();
    }
    if (state.unpruned) {
        prune();
    }
    if (now >= state.next_upkeep) {
        upkeep(now);
    }
}

// Until the next round, sends mail; the mail server may answer at any time.
void rest_and_send_mail(long milliseconds) {
    const TimestampTz until = GetCurrentTimestamp() + milliseconds * (second / 1000);
    pg::Woken woken = pg::Woken::timeout;
    long left = milliseconds;
    do {
        if (state.presence == pg::Presence::present) {
            tend_mail();
        } else {
            forget_mail();
        }
        const long mail = state.presence == pg::Presence::present ? mail_timeout() : -1;
        woken = rest(mail < 0 ? left : std::min(mail, left), mail_descriptor());
        left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
    } while (woken != pg::Woken::latch && left > 0);
}

void keep_launching() {
    state.orders = begin_service();
    for (int cache : {NAMESPACEOID, FOREIGNDATAWRAPPEROID, FOREIGNSERVEROID, USERMAPPINGOID}) {
        CacheRegisterSyscacheCallback(cache, catalog_changed, 0);
    }
    CacheRegisterRelcacheCallback(relation_changed, 0);
    while (!state.over || has_others()) {
        bool ok = run_round(round);
        if (!ok) {
            state.catalog_changed = true; // whatever failed: look again
        }
        report_state(!ok                                       ? State::failing
                     : state.presence == pg::Presence::present ? State::idle
                                                               : State::waiting);
        rest_and_send_mail(ok ? tick_milliseconds : failed_milliseconds);
    }
    ereport(LOG, errhidecontext(true),
            errmsg("%s ends: the extension no longer exists", MyBgworkerEntry->bgw_name));
}

} // namespace
WORKER_MAIN(launcher, keep_launching);

} // namespace cloudsat::worker
