// Streams, see stream.hpp. core/board/stream_position decides which messages come next and where a batch
// leaves the reader; stream_reader finds the rows. This file connects positions with the server: snapshots
// advance them, transactions roll them back, bookmarks keep them, and receive() waits for the first message.

#include "board/stream.hpp"

#include <algorithm>
#include <new>
#include <optional>

#include "board/address.hpp"
#include "board/append.hpp"
#include "board/board_clock.hpp"
#include "board/bookmark.hpp"
#include "board/doorbell.hpp"
#include "board/inbox_row.hpp"
#include "board/registration.hpp"
#include "board/session_state.hpp"
#include "board/snapshot.hpp"
#include "board/stream_reader.hpp"
#include "board/timeout.hpp"
#include "board/uuid.hpp"
#include "core/board/stream_position.hpp"
#include "pg/memory.hpp"
#include "pg/procedure.hpp"
#include "pg/sessions.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
}

namespace cloudsat::board {
namespace {

// --- the position of this session ------------------------------------------

// The position of the session's stream, in one block of memory with its numbers. Its received part is
// immutable.
struct Position {
    std::uint64_t stream; // number of the stream within this process; each register() begins another
    std::optional<core::Partial> partial;
    core::Floor floor; // only improves, so it may change in place
    core::Xact xmax;
    std::size_t count;

    core::Xact* numbers() { return reinterpret_cast<core::Xact*>(this + 1); }
    core::SnapshotView received() { return {xmax, {numbers(), count}}; }
    core::PositionView view() { return {received(), partial}; }
};
static_assert(alignof(Position) >= alignof(core::Xact));

SessionState<Position> position([](Position* gone) { pfree(gone); },
                                "cannot PREPARE a transaction that has received messages");
std::uint64_t last_stream = 0;

void put_position(std::uint64_t stream, const core::PositionView& view, const core::Floor& floor) {
    void* block =
        MemoryContextAllocHuge(TopMemoryContext, sizeof(Position) + view.received.in_progress.size_bytes());
    auto* next = new (block)
        Position{stream, view.partial, floor, view.received.xmax, view.received.in_progress.size()};
    std::copy(view.received.in_progress.begin(), view.received.in_progress.end(), next->numbers());
    position.put(next);
}

// A moment, and the transaction numbers assigned by then.
struct Moment {
    std::span<const core::Era> eras;
    TimestampTz time;
    core::Xact next; // read after the time
};

core::Xact next_xact_of(std::span<const core::Era> eras) {
    return core::on_board_clock(eras.back().number, next_transaction());
}

Moment this_moment() {
    Moment now{eras(), GetCurrentTimestamp(), 0};
    now.next = next_xact_of(now.eras);
    return now;
}

} // namespace

void watch_streams() {
    position.watch();
}

namespace {

void require_past(const core::PositionView& bookmark) {
    const core::Xact next = this_moment().next;
    if (bookmark.received.xmax > next || (bookmark.partial && bookmark.partial->xact >= next)) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("bookmark lies in the future"),
                errdetail("It was made in a cluster, or at a time, that cloudsat.eras does not list."),
                errhint("Delete it from cloudsat.bookmarks, or restore cloudsat.eras with it."));
    }
}

} // namespace

void begin_stream(Datum nick) {
    const Moment now = this_moment();
    if (const std::optional<Bookmark> bookmark = find_bookmark(nick)) {
        require_past(bookmark->position);
        put_position(++last_stream, bookmark->position, bookmark->floor);
        return;
    }
    core::Floor floor;
    if (!IsolationUsesXactSnapshot()) {
        floor.time = pg::oldest_writer(); // before the snapshot, which is an old one at these levels
    }
    Snapshot snapshot = register_latest_snapshot();
    const core::PositionView here{snapshot_view(snapshot, now.eras), std::nullopt};
    UnregisterSnapshot(snapshot);
    floor.raise(here.received, now.time, now.next);
    put_position(++last_stream, here, floor);
}

void continue_stream(Datum nick) {
    Position* here = position.current();
    core::PositionView reached = here->view();
    core::Floor floor = here->floor;
    if (const std::optional<Bookmark> bookmark = find_bookmark(nick)) {
        require_past(bookmark->position);
        reached = unite(reached, bookmark->position);
        floor = core::higher(floor, bookmark->floor);
    }
    put_position(++last_stream, reached, floor);
}

void end_stream() {
    position.put(nullptr);
}

namespace {

// --- receiving -------------------------------------------------------------

std::optional<core::Uuid> floor_uuid(const core::Floor& floor) {
    return floor.time ? uuid_floor_of(*floor.time - clock_margin) : std::nullopt;
}

enum class Own { leave_out, include };

struct Request {
    std::size_t max;
    Own own;
    std::span<const Datum> addresses, subscriptions;
};

// The next uuids in a transaction with too many messages for one batch, so that not every batch reads all of
// them. Valid for every position in it that is not before `from`.
struct Rest {
    std::uint64_t stream = 0;
    core::Partial from;
    Own own = Own::leave_out;
    bool is_whole = false;          // there are no more
    core::MessageId* ids = nullptr; // ascending; in TopMemoryContext
    std::size_t count = 0;
};
Rest rest;
constexpr std::size_t most_rest = 10'000;

// Rows of a result, copied when found: fetching them again would take half as long as finding them. Only for
// batches of limited size, whose rows fit into memory.
class KeptRows {
public:
    static constexpr std::size_t most = 1000;

    void open(TupleDesc descriptor) {
        filled_ = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
        stored_ = MakeSingleTupleTableSlot(descriptor, &TTSOpsMinimalTuple);
    }
    std::uint64_t keep(const MessageRow& row) {
        ExecClearTuple(filled_);
        fill_inbox_row(row, filled_->tts_values, filled_->tts_isnull);
        ExecStoreVirtualTuple(filled_);
        return reinterpret_cast<std::uintptr_t>(ExecCopySlotMinimalTuple(filled_));
    }
    static void drop(std::uint64_t kept) { pfree(tuple(kept)); }
    void put(ReturnSetInfo* result, std::uint64_t kept) {
        tuplestore_puttupleslot(result->setResult, ExecStoreMinimalTuple(tuple(kept), stored_, false));
    }
    void close() {
        ExecDropSingleTupleTableSlot(filled_);
        ExecDropSingleTupleTableSlot(stored_);
    }

private:
    static MinimalTuple tuple(std::uint64_t kept) { return reinterpret_cast<MinimalTuple>(kept); }

    TupleTableSlot *filled_, *stored_;
};

// One look at the board, from the session's position. Everything is allocated in the memory context in which
// it begins.
class Look {
public:
    using Sees = MessageReader::Sees;

    explicit Look(const Request& request)
        : request_(request), before_(position.current()), now_(this_moment()) {}

    // Takes the next batch into the result and moves the session's position. Returns the number of messages;
    // if it is 0 although there may be more, is_done is false.
    std::size_t take(ReturnSetInfo* result, Sees sees);
    bool is_done() const { return is_done_; }

    // Whether there may be messages to take, including those of one's own addresses. Moves nothing.
    bool finds_any();

private:
    void open(Sees sees);
    bool is_own(const MessageRow& row) const;
    bool keeps_rows() const { return request_.max <= KeptRows::most; }
    template <class F> void collect(core::Unreceived wanted, core::FirstCandidates& into, F take);
    core::FirstCandidates* room_for(std::size_t count) const;
    bool knows_rest() const;
    void learn_rest();
    bool take_rest();
    void take_others();
    void put(ReturnSetInfo* result);
    void move();

    const Request& request_;
    Position* before_;
    Moment now_;
    StreamReader reader_;
    KeptRows rows_; // if it keeps rows, each taken candidate has its row number as its place
    core::SnapshotView seen_;
    core::PositionView after_;
    core::Candidate* taken_ = nullptr;
    std::size_t count_ = 0;
    bool is_done_ = true;
};

bool Look::is_own(const MessageRow& row) const {
    const core::AddressView poster = address_view(row.value(Field::poster));
    return std::ranges::any_of(request_.addresses,
                               [poster](Datum own) { return address_view(own) == poster; });
}

// Calls take(candidate, row) for each wanted message that is not later than the last that `into` wants.
template <class F> void Look::collect(core::Unreceived wanted, core::FirstCandidates& into, F take) {
    reader_.start(request_.subscriptions, wanted, floor_uuid(before_->floor));
    core::Candidate candidate;
    while (const std::optional<MessageRow> row =
               reader_.next(into.last_wanted(), candidate.xact, candidate.place)) {
        candidate.id = message_id(row->value(Field::uuid));
        if (into.wants(candidate) && (request_.own == Own::include || !is_own(*row))) {
            take(candidate, *row);
        }
    }
}

core::FirstCandidates* Look::room_for(std::size_t count) const {
    auto* memory = pg::make<pg::ContextResource>(CurrentMemoryContext, CurrentMemoryContext);
    return pg::make<core::FirstCandidates>(CurrentMemoryContext, count, memory);
}

// Whether `rest` contains what comes next.
bool Look::knows_rest() const {
    const core::Partial& at = *before_->partial;
    return rest.stream == before_->stream && rest.own == request_.own && rest.from.xact == at.xact &&
           rest.from.last <= at.last &&
           (rest.is_whole || (rest.count > 0 && at.last < rest.ids[rest.count - 1]));
}

void Look::learn_rest() {
    const core::Partial at = *before_->partial;
    core::FirstCandidates* found = room_for(most_rest);
    collect({{at.xact, {}}, {at.xact + 1, {}}}, *found,
            [&at, found](const core::Candidate& candidate, const MessageRow&) {
                if (at.last < candidate.id) {
                    found->add(candidate);
                }
            });
    const std::span<const core::Candidate> first = found->take();
    if (rest.ids != nullptr) {
        pfree(rest.ids);
        rest = {};
    }
    rest.ids = static_cast<core::MessageId*>(MemoryContextAllocHuge(
        TopMemoryContext, sizeof(core::MessageId) * std::max<std::size_t>(first.size(), 1)));
    std::ranges::transform(first, rest.ids, &core::Candidate::id);
    rest.count = first.size();
    rest.stream = before_->stream;
    rest.from = at;
    rest.own = request_.own;
    rest.is_whole = first.size() < most_rest;
}

// Reads the partial transaction. True if it is completely received now.
bool Look::take_rest() {
    if (!knows_rest()) {
        learn_rest();
    }
    const std::size_t most = std::min(request_.max, rest.count);
    taken_ = static_cast<core::Candidate*>(palloc(sizeof(core::Candidate) * std::max<std::size_t>(most, 1)));
    core::Partial at = *before_->partial;
    const core::MessageId* next = std::upper_bound(rest.ids, rest.ids + rest.count, at.last);
    for (; next != rest.ids + rest.count && count_ < most; ++next) {
        const core::Uuid uuid = uuid_of(*next);
        if (const std::optional<Place> place = reader_.find(as_datum(uuid))) { // not cleaned up meanwhile
            taken_[count_++] = {at.xact, *next, keeps_rows() ? rows_.keep(reader_.fetch(*place)) : *place};
        }
        at.last = *next;
    }
    if (next == rest.ids + rest.count && rest.is_whole) {
        return true;
    }
    after_ = {before_->received(), at};
    is_done_ = count_ > 0;
    return false;
}

void Look::take_others() {
    const std::size_t room = request_.max - count_;
    core::SnapshotView received = before_->received();
    auto* numbers = static_cast<core::Xact*>(
        palloc(sizeof(core::Xact) * 2 * (received.in_progress.size() + seen_.in_progress.size() + 1)));
    const std::span<core::Xact> space(numbers, received.in_progress.size());
    if (before_->partial) {
        received = core::with(received, before_->partial->xact, space);
    }
    after_ = {received, std::nullopt};
    if (room == 0) {
        return;
    }
    core::FirstCandidates* found = room_for(room + 1);
    collect({received, seen_}, *found, [this, found](core::Candidate candidate, const MessageRow& row) {
        if (keeps_rows()) {
            candidate.place = rows_.keep(row);
        }
        const std::optional<core::Candidate> dropped = found->add(candidate);
        if (dropped && keeps_rows()) {
            KeptRows::drop(dropped->place);
        }
    });
    const std::span<const core::Candidate> first = found->take();
    const std::size_t count = std::min(room, first.size());
    if (count > 0) {
        taken_ = static_cast<core::Candidate*>(
            taken_ == nullptr ? MemoryContextAllocHuge(CurrentMemoryContext, sizeof(core::Candidate) * count)
                              : repalloc_huge(taken_, sizeof(core::Candidate) * (count_ + count)));
        std::copy_n(first.begin(), count, taken_ + count_);
        count_ += count;
    }
    const std::span<core::Xact> more(numbers + space.size(),
                                     received.in_progress.size() + seen_.in_progress.size());
    after_ = core::advance(received, seen_, first, room, more);
}

// In uuid order.
void Look::put(ReturnSetInfo* result) {
    std::sort(taken_, taken_ + count_,
              [](const core::Candidate& a, const core::Candidate& b) { return a.id < b.id; });
    if (keeps_rows()) {
        for (std::size_t i = 0; i < count_; ++i) {
            rows_.put(result, taken_[i].place);
        }
        return;
    }
    MessageBatch batch;
    batch.open(&reader_);
    batch.for_each(std::span(taken_, count_),
                   [result](const MessageRow& row) { put_inbox_row(result, row); });
}

void Look::move() {
    Position* last = position.current();
    const core::SnapshotView old = last->received();
    const bool moves = after_.partial != last->partial || after_.received.xmax != old.xmax ||
                       !std::ranges::equal(after_.received.in_progress, old.in_progress);
    core::Floor floor = last->floor;
    floor.raise(after_.received, now_.time, now_.next);
    if (moves) {
        put_position(last->stream, after_, floor);
    } else {
        last->floor = floor;
    }
}

void Look::open(Sees sees) {
    reader_.open_settled(sees);
    seen_ = snapshot_view(reader_.snapshot(), now_.eras);
}

bool Look::finds_any() {
    if (before_->partial) {
        return true; // the rest of its transaction
    }
    open(Sees::latest);
    reader_.start(request_.subscriptions, {before_->received(), seen_}, floor_uuid(before_->floor));
    core::Xact xact = 0;
    Place place = 0;
    const bool finds = reader_.next(UINT64_MAX, xact, place).has_value();
    if (finds) {
        reader_.end();
    }
    reader_.close(MessageReader::Locks::release);
    return finds;
}

std::size_t Look::take(ReturnSetInfo* result, Sees sees) {
    open(sees);
    rows_.open(result->setDesc);
    if (before_->partial && !seen_.contains(before_->partial->xact)) {
        // Only an old snapshot with a newer position; the next transaction sees the rest
        after_ = {before_->received(), before_->partial};
    } else if (!before_->partial || take_rest()) {
        take_others();
    }
    if (count_ > 0) {
        put(result);
    }
    rows_.close();
    reader_.close(count_ > 0 ? MessageReader::Locks::keep : MessageReader::Locks::release);
    move();
    return count_;
}

static_assert(pg::Plain<Look>);

// --- waiting ---------------------------------------------------------------

// The context of one look at a time. It is kept, with a first block that usually fits a batch: a new context
// for each look would allocate system memory each time, and free it.
MemoryContext look_memory() {
    static MemoryContext context = nullptr;
    if (context == nullptr) {
        constexpr Size block = 64 * 1024;
        context = AllocSetContextCreateInternal(TopMemoryContext, "cloudsat receive", 0, block,
                                                ALLOCSET_DEFAULT_MAXSIZE);
    }
    return context;
}

// One look at a time.
template <class F> auto look_in_memory(const Request& request, F take) {
    MemoryContext context = look_memory();
    MemoryContextReset(context);
    MemoryContext caller = MemoryContextSwitchTo(context);
    Look look(request);
    const auto taken = take(look);
    MemoryContextSwitchTo(caller);
    return taken;
}

// A batch as soon as there is one, at the latest after that many microseconds. Without a wait it uses the
// statement's snapshot, so that functions called on its rows see them, too.
void receive_within(FunctionCallInfo fcinfo, const Request& request, std::int64_t timeout) {
    auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    const Countdown countdown(timeout);
    auto sees = Look::Sees::query;
    bool watches = false;
    bool rang = false;
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        bool is_done = true;
        const std::size_t taken = look_in_memory(request, [&](Look& look) {
            const std::size_t count = look.take(result, sees);
            is_done = look.is_done();
            return count;
        });
        if (taken > 0) {
            break;
        }
        if (!is_done) {
            continue;
        }
        const std::int64_t left = timeout > 0 ? countdown.left() : 0;
        // An old snapshot shows nothing newer: then the waiting session learns only that something has
        if (left <= 0 || (rang && IsolationUsesXactSnapshot())) {
            break;
        }
        sees = Look::Sees::latest;
        if (!watches) { // and look again: earlier posts did not ring here
            doorbell_watch(request.subscriptions);
            watches = true;
            continue;
        }
        rang = wait_for_ring(left);
    }
    if (watches) {
        doorbell_leave();
    }
    MemoryContextReset(look_memory());
}

// As registered now: another session may have dropped the extension.
bool may_receive() {
    const Request request{1, Own::include, own_addresses(), own_subscriptions()};
    return look_in_memory(request, [](Look& look) { return look.finds_any(); });
}

// Each look is its own transaction, and the wait between two looks holds no resources.
Datum wait(FunctionCallInfo fcinfo) {
    pg::procedure_begin(fcinfo, "cloudsat.wait()");
    pg::require_argument(fcinfo, 0, "timeout");
    const std::int64_t timeout = require_timeout(*PG_GETARG_INTERVAL_P(0));
    const Countdown countdown(timeout);
    doorbell_watch(own_subscriptions());
    for (;;) {
        pg::procedure_commit();
        const bool found = may_receive();
        pg::procedure_commit();
        const std::int64_t left = countdown.left();
        if (found || left <= 0) {
            break;
        }
        (void)wait_for_ring(left);
    }
    doorbell_leave();
    MemoryContextReset(look_memory());
    pg::procedure_end();
    PG_RETURN_VOID();
}

Datum receive(FunctionCallInfo fcinfo) {
    pg::require_arguments(fcinfo, {"max", "timeout", "include_own"});
    const std::size_t max = require_max(PG_GETARG_INT32(0));
    const std::int64_t timeout = require_timeout(*PG_GETARG_INTERVAL_P(1));
    const Request request{max, PG_GETARG_BOOL(2) ? Own::include : Own::leave_out, own_addresses(),
                          own_subscriptions()};
    InitMaterializedSRF(fcinfo, 0);
    receive_within(fcinfo, request, timeout);
    return static_cast<Datum>(0);
}

Datum bookmark(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.bookmark()");
    pg::require_argument(fcinfo, 0, "force");
    const Datum nick = own_nick();
    Position* here = position.current();
    (void)began_xact(0); // a position of this era needs its row
    core::PositionView reached = here->view();
    core::Floor floor = here->floor;
    const std::optional<Bookmark> newest = lock_newest_bookmark(nick);
    if (newest && !PG_GETARG_BOOL(0)) { // messages received by another connection stay received
        require_past(newest->position);
        if (core::covers(newest->position, reached)) {
            PG_RETURN_VOID();
        }
        reached = unite(reached, newest->position);
        floor = core::higher(floor, newest->floor);
    }
    save_bookmark(nick, reached, floor, newest);
    PG_RETURN_VOID();
}

} // namespace

SQL_FUNCTION(receive);
SQL_FUNCTION(wait);
SQL_FUNCTION(bookmark);

} // namespace cloudsat::board
