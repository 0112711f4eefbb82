// Registration, see registration.hpp.

#include "board/registration.hpp"

#include <algorithm>

#include "board/address.hpp"
#include "board/append.hpp"
#include "board/enlistment.hpp"
#include "board/indexes.hpp"
#include "board/session_state.hpp"
#include "board/stream.hpp"
#include "pg/memory.hpp"
#include "pg/names.hpp"
#include "pg/spi.hpp"
#include "pg/table_scan.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/table.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "commands/async.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
}

namespace cloudsat::board {
namespace {

pg::Name registered_table(pg::Name::Kind::table, "registered");

// The columns of cloudsat.registered, as in src/board/registration.sql.
enum Column : AttrNumber { c_nick = 1, c_timestamp, c_chans, c_pid, c_backend_start };

// LISTEN keeps its channels in a list that it searches linearly, so their number is bounded.
constexpr std::size_t max_subscriptions = 1000;

// The result of one register() in this session. Immutable once in force. Owned by its context.
struct Registration {
    MemoryContext context;
    Oid schema;                     // of the extension: DROP EXTENSION ends a registration
    Oid role;                       // the registering role: under another role the session is not registered
    std::span<Datum> addresses;     // as given, without duplicates; the nick first
    std::span<Datum> subscriptions; // all their suffixes, descending: the root last
    // those that we LISTEN on, ascending; not those that the user listened to before
    std::span<core::ChannelName> channels;
    // as of the last check: which enlistment it was, and whether the role may have these addresses
    mutable unsigned enlistment;
    mutable bool is_enlisted;
};

// null: not registered
SessionState<Registration> registration([](Registration* gone) { MemoryContextDelete(gone->context); },
                                        "cannot PREPARE a transaction that has registered its session");

template <class T> std::span<T> room(std::size_t count) {
    auto* place =
        static_cast<T*>(palloc_extended(sizeof(T) * std::max<std::size_t>(count, 1), MCXT_ALLOC_HUGE));
    return {place, count};
}

// The registration of this session with this extension, for any role.
const Registration* in_session() {
    const Registration* current = registration.current();
    return current != nullptr && current->schema == pg::schema() ? current : nullptr;
}

// An administrator may have dismissed the role meanwhile, or enlisted it for other addresses.
bool is_enlisted(const Registration& registered) {
    if (registered.enlistment != enlistment_generation()) {
        std::span<core::AddressView> addresses = room<core::AddressView>(registered.addresses.size());
        std::ranges::transform(registered.addresses, addresses.begin(), address_view);
        registered.is_enlisted = may_register(registered.role, addresses);
        registered.enlistment = enlistment_generation();
    }
    return registered.is_enlisted;
}

// The same if it belongs to the session's role, whoever calls.
const Registration* in_force() {
    const Registration* current = in_session();
    return current != nullptr && current->role == GetOuterUserId() && is_enlisted(*current) ? current
                                                                                            : nullptr;
}

// The same for the caller: a function of another role in this session does not act as this session.
const Registration* mine() {
    const Registration* own = in_force();
    return own != nullptr && speaks_for_session() ? own : nullptr;
}

[[noreturn]] void refuse_stranger() {
    ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
            errmsg("role \"%s\" may not speak for this session", GetUserNameFromId(GetUserId(), false)),
            errdetail("The session belongs to another role, which runs a function of this one."));
    pg_unreachable();
}

[[noreturn]] void refuse_unregistered() {
    if (in_force() != nullptr && !speaks_for_session()) {
        refuse_stranger();
    }
    if (RecoveryInProgress()) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("this session is not registered"),
                errdetail("A session of a standby cannot register."),
                errhint("Use cloudsat.inbox(addresses, since), which needs no registration."));
    }
    const Registration* last = in_session();
    const char* role = last != nullptr ? GetUserNameFromId(last->role, true) : nullptr;
    const bool is_lost = last != nullptr && last->role == GetOuterUserId();
    ereport(
        ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("this session is not registered"),
        role == nullptr ? 0
        : is_lost ? errdetail("Role \"%s\" is no longer enlisted for the addresses that it registered.", role)
                  : errdetail("Role \"%s\" registered it, but its current role is \"%s\".", role,
                              GetUserNameFromId(GetOuterUserId(), false)),
        errhint("Use SELECT cloudsat.register('{bot@host.example.com}') first."));
    pg_unreachable();
}

// All suffixes, descending.
std::span<core::AddressView> subscriptions_of(std::span<const core::AddressView> addresses) {
    std::span<core::AddressView> sorted = room<core::AddressView>(addresses.size());
    std::copy(addresses.begin(), addresses.end(), sorted.begin());
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    std::size_t count = 0;
    core::for_each_suffix(sorted, [&count](core::AddressView) { ++count; });
    if (count > max_subscriptions) {
        ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many addresses"),
                errdetail("With their suffixes they make %zu subscriptions; a session may have %zu.", count,
                          max_subscriptions));
    }
    std::span<core::AddressView> suffixes = room<core::AddressView>(count);
    std::size_t at = 0;
    core::for_each_suffix(sorted, [&](core::AddressView suffix) { suffixes[at++] = suffix; });
    return suffixes;
}

void put_in_force(Registration* next) {
    MemoryContextSetParent(next->context, TopMemoryContext);
    registration.put(next);
}

std::span<Datum> copy_into_context(std::span<const core::AddressView> addresses) {
    std::span<Datum> values = room<Datum>(addresses.size());
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        values[i] = address_datum(addresses[i]);
    }
    return values;
}

bool before(const core::ChannelName& a, const core::ChannelName& b) {
    return a.view() < b.view();
}
bool same(const core::ChannelName& a, const core::ChannelName& b) {
    return a.view() == b.view();
}
bool contains(std::span<const core::ChannelName> sorted, const core::ChannelName& channel) {
    return std::binary_search(sorted.begin(), sorted.end(), channel, before);
}

// The channels that this session listens to, ascending. LISTENs of the current transaction are not included.
std::span<core::ChannelName> listening() {
    MemoryContext context = CurrentMemoryContext;
    static pg::Statement query("SELECT pg_listening_channels()", {});
    pg::spi_begin();
    const uint64 count = query.run({}, {}, true);
    MemoryContext spi = MemoryContextSwitchTo(context);
    std::span<core::ChannelName> channels = room<core::ChannelName>(count);
    MemoryContextSwitchTo(spi);
    for (uint64 i = 0; i < count; ++i) {
        bool isnull = false;
        channels[i] = core::ChannelName();
        channels[i].push(pg::view(pg::spi_value(i, 1, isnull)));
    }
    pg::spi_end();
    std::sort(channels.begin(), channels.end(), before);
    return channels;
}

std::span<const core::ChannelName> channels_of(const Registration* registered) {
    return registered != nullptr ? registered->channels : std::span<core::ChannelName>();
}

void listen(const core::ChannelName& name, void (*change)(const char*)) {
    char text[core::max_channel_size + 1] = {};
    name.view().copy(text, core::max_channel_size);
    change(text);
}

// LISTENs to the channels of the subscriptions, and UNLISTENs those of an earlier registration that this one
// lacks. A channel that the user already listened to remains the user's. Returns the channels that are ours
// now.
std::span<core::ChannelName> change_channels(std::span<const core::AddressView> subscriptions, bool listens) {
    const std::span<const core::ChannelName> ours = channels_of(registration.current());
    const std::span<const core::ChannelName> begun = channels_of(registration.at_begin());
    std::span<core::ChannelName> wanted = room<core::ChannelName>(subscriptions.size());
    std::transform(subscriptions.begin(), subscriptions.end(), wanted.begin(), core::channel);
    std::sort(wanted.begin(), wanted.end(), before);
    wanted = wanted.first(
        static_cast<std::size_t>(std::unique(wanted.begin(), wanted.end(), same) - wanted.begin()));

    // only a process with a client can hear; others may register, but LISTEN is refused in them
    const bool hears = listens && MyBackendType == B_BACKEND;
    const std::span<core::ChannelName> heard = hears ? listening() : std::span<core::ChannelName>();
    std::size_t kept = 0;
    for (const core::ChannelName& channel : wanted) {
        if (!hears) {
            continue;
        }
        listen(channel, Async_Listen); // also if it is listened to: this transaction may have said UNLISTEN
        if (contains(ours, channel) || contains(begun, channel) || !contains(heard, channel)) {
            wanted[kept++] = channel;
        }
    }
    wanted = wanted.first(kept);
    for (const core::ChannelName& channel : ours) {
        if (!contains(wanted, channel)) {
            listen(channel, Async_Unlisten);
        }
    }
    return wanted;
}

// The next registration. Its context is below the current one until it takes effect.
Registration* make_registration(std::span<const core::AddressView> addresses,
                                std::span<const core::AddressView> suffixes,
                                std::span<const core::ChannelName> channels) {
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "cloudsat registration", ALLOCSET_SMALL_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    auto* made = pg::make<Registration>(context);
    const std::span<core::ChannelName> own_channels = room<core::ChannelName>(channels.size());
    std::copy(channels.begin(), channels.end(), own_channels.begin());
    *made = {context,
             pg::schema(),
             GetOuterUserId(),
             copy_into_context(addresses),
             copy_into_context(suffixes),
             own_channels,
             enlistment_generation(),
             true};
    MemoryContextSwitchTo(caller);
    return made;
}

bool have_same_nick(const Registration& a, const Registration& b) {
    return address_view(a.addresses[0]) == address_view(b.addresses[0]);
}

bool hear_same(const Registration& a, const Registration& b) {
    return std::ranges::equal(a.subscriptions, b.subscriptions, {}, address_view, address_view);
}

void record(Datum nick, std::span<const Datum> chans) {
    const Datum values[] = {nick, TimestampTzGetDatum(GetCurrentTimestamp()), address_array(chans),
                            Int32GetDatum(MyProcPid), TimestampTzGetDatum(MyStartTimestamp)};
    const bool nulls[std::size(values)] = {};
    Appender table = append_begin(registered_table.oid());
    append_row(table, {values, nulls});
    append_end(table);
}

// The two rows of this connection's last lease as this nick: the registration with these chans, and its
// cancellation. `newest_first` has the rows of all connections with this pid, of which this one is the last.
// False if the last lease was a different one.
bool find_lease(pg::TableScan& newest_first, core::AddressView nick, std::span<const Datum> chans,
                ItemPointerData (&lease)[2]) {
    constexpr int most_rows = 1000; // a connection that registers very many nicks keeps more rows
    std::size_t found = 0;
    for (int rows = 0; rows < most_rows && found < std::size(lease); ++rows) {
        CHECK_FOR_INTERRUPTS();
        TupleTableSlot* row = newest_first.next(BackwardScanDirection);
        bool isnull = false;
        const auto value = [&](Column column) { return slot_getattr(row, column, &isnull); };
        if (row == nullptr || DatumGetTimestampTz(value(c_backend_start)) != MyStartTimestamp) {
            return false;
        }
        if (address_view(value(c_nick)) != nick) {
            continue;
        }
        const std::span<const Datum> heard = found == 0 ? std::span<const Datum>() : chans;
        if (!std::ranges::equal(pg::elements(value(c_chans), address_oid()).values, heard, {}, address_view,
                                address_view)) {
            return false;
        }
        lease[found++] = row->tts_tid;
    }
    return found == std::size(lease);
}

// A pool that cancels between leases would add two rows each time, so an identical last lease is replaced. If
// anything prevents that, for example a user's trigger or prune(), the rows stay until prune() removes them.
void forget_last_lease(Datum nick, std::span<const Datum> chans) {
    Relation table = table_open(registered_table.oid(), RowExclusiveLock);
    Relation index =
        table->trigdesc == nullptr ? open_index(table, {c_pid, c_backend_start, c_timestamp}) : nullptr;
    if (index != nullptr) {
        ScanKeyData key;
        ScanKeyInit(&key, c_pid, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(MyProcPid));
        Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot()); // at any isolation level
        pg::TableScan scan;
        scan.begin(table, RelationGetRelid(index), snapshot, key);
        ItemPointerData lease[2];
        const bool is_same = find_lease(scan, address_view(nick), chans, lease);
        scan.end();
        for (ItemPointerData& row : std::span(lease, is_same ? std::size(lease) : 0)) {
            TM_FailureData failure;
            table_tuple_delete(table, &row, GetCurrentCommandId(true), snapshot, InvalidSnapshot, false,
                               &failure, false);
        }
        UnregisterSnapshot(snapshot);
        index_close(index, AccessShareLock);
    }
    table_close(table, NoLock);
}

} // namespace

void watch_registration() {
    registration.watch();
}

void end_registration() {
    const Registration* last = registration.current();
    if (last == nullptr) {
        return;
    }
    // DISCARD ALL may run in a session that is read-only by now; other sessions are notified anyway
    const bool can_write = !RecoveryInProgress() && !(XactReadOnly && IsolationIsSerializable());
    if (pg::is_schema(last->schema) && can_write) {
        record(last->addresses[0], {});
    }
    end_stream();
    registration.put(nullptr);
}

namespace {

const Registration& require_mine() {
    const Registration* own = mine();
    if (own == nullptr) {
        refuse_unregistered();
    }
    return *own;
}

} // namespace

Datum own_nick() {
    return require_mine().addresses[0];
}

std::span<const Datum> own_addresses() {
    return require_mine().addresses;
}

std::span<const Datum> own_subscriptions() {
    return require_mine().subscriptions;
}

namespace {

// Distinct elements, in the order given. `view_of` converts an element to an address.
template <class F> std::span<const core::AddressView> distinct(const pg::Elements& given, F view_of) {
    std::span<core::AddressView> all = room<core::AddressView>(given.values.size());
    std::size_t count = 0;
    for (std::size_t i = 0; i < given.values.size(); ++i) {
        CHECK_FOR_INTERRUPTS();
        if (given.nulls[i]) {
            ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("addresses must not contain null"),
                    errdetail("Element %zu is null.", i + 1));
        }
        const core::AddressView address = view_of(given.values[i]);
        if (std::find(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), address) !=
            all.begin() + static_cast<std::ptrdiff_t>(count)) {
            continue;
        }
        if (count == max_subscriptions) { // each remaining one would add a subscription of its own
            ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many addresses"),
                    errdetail("A session may have %zu subscriptions.", max_subscriptions));
        }
        all[count++] = address;
    }
    return all.first(count);
}

core::AddressView view_of_text(Datum text) {
    return address_view(address_datum(require_address(pg::view(text))));
}

// The array that a text represents, read as an untyped literal.
Datum array_of_text(Datum literal) {
    Oid input = InvalidOid;
    Oid parameter = InvalidOid;
    getTypeInputInfo(get_array_type(address_oid()), &input, &parameter);
    return OidInputFunctionCall(input, TextDatumGetCString(literal), parameter, -1);
}

} // namespace

std::span<const core::AddressView> read_addresses(Datum array) {
    return distinct(pg::elements(array, address_oid()), address_view);
}

std::span<const core::AddressView> read_addresses(FunctionCallInfo fcinfo, int number) {
    pg::require_argument(fcinfo, number, "addresses");
    const Datum value = PG_GETARG_DATUM(number);
    const Oid type = pg::argument_type(fcinfo, number);
    if (type == TEXTARRAYOID) {
        return distinct(pg::elements(value, TEXTOID), view_of_text);
    }
    if (type == TEXTOID && core::is_list(pg::view(value))) {
        return read_addresses(array_of_text(value));
    }
    if (type == TEXTOID || type == address_oid()) {
        std::span<core::AddressView> one = room<core::AddressView>(1);
        one[0] = type == TEXTOID ? view_of_text(value) : address_view(value);
        return one;
    }
    return read_addresses(value);
}

std::span<const Datum> subscriptions_to(std::span<const core::AddressView> addresses) {
    return copy_into_context(subscriptions_of(addresses));
}

bool is_own(Datum address) {
    const Registration* own = mine();
    const core::AddressView wanted = address_view(address);
    return own != nullptr && std::ranges::any_of(own->addresses, [wanted](Datum other) {
               return address_view(other) == wanted;
           });
}

bool is_subscribed(Datum address) {
    const Registration* own = mine();
    return own != nullptr && std::ranges::binary_search(own->subscriptions, address_view(address),
                                                        std::greater<>(), address_view);
}

void require_own(Datum address) {
    if (is_own(address) || is_administrator()) {
        return;
    }
    require_mine();
    ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
            errmsg("%s is not an address of this session", address_cstring(address_view(address))),
            errdetail("A session posts as one of the addresses that it registered."));
}

namespace {

Datum register_session(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.register()");
    if (InSecurityRestrictedOperation()) {
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("cannot register within security-restricted operation"));
    }
    const std::span<const core::AddressView> addresses = read_addresses(fcinfo, 0);
    pg::require_argument(fcinfo, 1, "listen");
    if (!speaks_for_session()) {
        refuse_stranger();
    }
    require_may_register(addresses);
    if (addresses.empty()) {
        change_channels({}, false);
        end_registration();
        return address_array({});
    }

    // first everything that can fail, then the effects
    const std::span<const core::AddressView> suffixes = subscriptions_of(addresses);
    Registration* next = make_registration(addresses, suffixes, change_channels(suffixes, PG_GETARG_BOOL(1)));
    const Registration* last = in_session();
    const bool goes_on = last != nullptr && last->role == next->role && have_same_nick(*last, *next);
    if (last != nullptr && !have_same_nick(*last, *next)) {
        record(last->addresses[0], {}); // a nick that this session gives up is no longer connected
    }
    if (!goes_on) {
        forget_last_lease(next->addresses[0], next->subscriptions);
    }
    if (!goes_on || !hear_same(*last, *next)) {
        record(next->addresses[0], next->subscriptions);
    }
    if (goes_on) {
        continue_stream(next->addresses[0]);
    } else {
        begin_stream(next->addresses[0]);
    }
    put_in_force(next);
    return address_array(next->subscriptions);
}

Datum nick(FunctionCallInfo fcinfo) {
    const Registration* own = mine();
    if (own == nullptr) {
        PG_RETURN_NULL();
    }
    return PointerGetDatum(PG_DETOAST_DATUM_COPY(own->addresses[0]));
}

Datum addresses(FunctionCallInfo) {
    const Registration* own = mine();
    return address_array(own != nullptr ? own->addresses : std::span<Datum>());
}

// On a standby an inbox would be empty without a reason. Once for each statement: each partition may ask.
void notice_standby() {
    static TimestampTz noticed = 0;
    if (!RecoveryInProgress() || noticed == GetCurrentStatementStartTimestamp()) {
        return;
    }
    noticed = GetCurrentStatementStartTimestamp();
    ereport(NOTICE, errmsg("this session has no subscriptions"),
            errdetail("A session of a standby cannot register."),
            errhint("Use cloudsat.inbox(addresses, since), which needs no registration."));
}

Datum subscriptions(FunctionCallInfo) {
    const Registration* own = mine();
    if (own == nullptr) {
        notice_standby();
    }
    return address_array(own != nullptr ? own->subscriptions : std::span<Datum>());
}

} // namespace

SQL_FUNCTION(register_session); // `register` is a keyword of C++
SQL_FUNCTION(nick);
SQL_FUNCTION(addresses);
SQL_FUNCTION(subscriptions);

} // namespace cloudsat::board
