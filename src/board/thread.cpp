// Threads: thread, thread_text, root, ancestors, children. MessageReader finds the messages,
// core/board/thread_tree orders them and core/board/thread_text draws them. While the tree is built, only
// uuids, links and places are kept. The rows are fetched again in walk order, so memory does not grow with
// message size.

#include "board/thread.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "board/address.hpp"
#include "board/disposition.hpp"
#include "board/uuid.hpp"
#include "core/board/thread_text.hpp"
#include "pg/array.hpp"
#include "pg/memory.hpp"
#include "pg/result_row.hpp"
#include "pg/text.hpp"

extern "C" {
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
}

namespace cloudsat::board {

Member look_up(MessageReader& reader, Datum uuid) {
    Member member;
    member.root = *DatumGetUUIDP(uuid);
    member.place = reader.find(uuid);
    if (member.place) {
        const MessageRow row = reader.fetch(*member.place);
        if (row.is_reply()) {
            member.is_reply = true;
            member.root = *DatumGetUUIDP(row.value(Field::root));
            member.before = *DatumGetUUIDP(row.value(Field::before));
            member.depth = DatumGetInt32(row.value(Field::depth));
        }
    }
    return member;
}

namespace {

using Nodes = pg::Array<core::ThreadNode>;

core::ThreadNode node_of(const MessageRow& row, Place place) {
    core::ThreadNode node{
        .id = message_id(row.value(Field::uuid)), .parent = {}, .place = place, .is_reply = false};
    bool isnull;
    Datum before = row.value(Field::before, isnull);
    if (!isnull) {
        node.parent = message_id(before);
        node.is_reply = true;
    }
    return node;
}

// The walk order from a message. It and its allocations are in the current context.
core::ThreadWalk* start_walk(MessageReader& reader, Datum start) {
    Member from = look_up(reader, start);
    Nodes nodes;
    if (from.place) {
        nodes.add(node_of(reader.fetch(*from.place), *from.place));
    }
    if (from.is_reply) { // the parent is not part of it, but shows the walk that it exists
        if (const std::optional<Place> parent = reader.find(UUIDPGetDatum(&from.before))) {
            nodes.add(node_of(reader.fetch(*parent), *parent));
        }
    }
    for_each_reply(reader, from, [&](const MessageRow& row, Place place) { nodes.add(node_of(row, place)); });
    auto* memory = pg::make<pg::ContextResource>(CurrentMemoryContext, CurrentMemoryContext);
    return pg::make<core::ThreadWalk>(CurrentMemoryContext, nodes.span(), message_id(start),
                                      from.is_reply ? core::ThreadScope::subtree : core::ThreadScope::thread,
                                      memory);
}

// The walk from a message, with the rows. Everything is in the context in which it begins.
class Walk {
public:
    void begin(Datum start) {
        reader_.open();
        order_ = start_walk(reader_, start);
        batch_.open(&reader_);
        steps_ = static_cast<core::ThreadStep*>(
            palloc(sizeof(core::ThreadStep) * static_cast<std::size_t>(batch_.most())));
        at_ = 0;
    }

    // The next message; false at the end. Step and row are valid until the next call.
    bool next() {
        CHECK_FOR_INTERRUPTS();
        if (++at_ >= batch_.count()) {
            refill();
        }
        return at_ < batch_.count();
    }
    const core::ThreadStep& step() const { return steps_[at_]; }
    MessageRow row() { return batch_.row(at_); }

    void end() { reader_.close(); }

private:
    void refill() {
        batch_.clear();
        at_ = 0;
        while (batch_.count() < batch_.most()) {
            const std::optional<core::ThreadStep> step = order_->next();
            if (!step) {
                break;
            }
            steps_[batch_.count()] = *step;
            batch_.add(step->node->place);
        }
        batch_.fetch();
    }

    MessageReader reader_;
    core::ThreadWalk* order_;
    MessageBatch batch_;
    core::ThreadStep* steps_; // of the batch
    int at_;
};

// The uuids from the top of a walk to its current message, as a uuid[].
class Path {
public:
    Datum at(std::uint32_t depth, Datum uuid) {
        const Size count = static_cast<Size>(depth) + 1;
        if (count > capacity_) {
            capacity_ = capacity_ == 0 ? 32 : capacity_ * 2;
            const Size bytes = ARR_OVERHEAD_NONULLS(1) + capacity_ * sizeof(pg_uuid_t);
            if (!AllocSizeIsValid(bytes)) {
                ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("thread is too deep for its paths"));
            }
            array_ = static_cast<ArrayType*>(array_ == nullptr ? palloc(bytes) : repalloc(array_, bytes));
            array_->ndim = 1;
            array_->dataoffset = 0; // no nulls
            array_->elemtype = UUIDOID;
            *ARR_LBOUND(array_) = 1;
        }
        *ARR_DIMS(array_) = static_cast<int>(count);
        SET_VARSIZE(array_, ARR_OVERHEAD_NONULLS(1) + count * sizeof(pg_uuid_t));
        reinterpret_cast<pg_uuid_t*>(ARR_DATA_PTR(array_))[depth] = *DatumGetUUIDP(uuid);
        return PointerGetDatum(array_);
    }

private:
    ArrayType* array_ = nullptr;
    Size capacity_ = 0; // elements
};

void add(pg::ResultRow& result, const MessageRow& row, std::initializer_list<Field> fields) {
    for (Field field : fields) {
        bool isnull = false;
        const Datum value = row.value(field, isnull);
        result.add(value, isnull);
    }
}

// A walk whose rows are returned one by one. It stays open between calls, and may be ended early.
struct OpenWalk {
    Walk walk;
    Path path;

    static void close(Datum self) { reinterpret_cast<OpenWalk*>(DatumGetPointer(self))->walk.end(); }
};

// Returns row by row, so that nothing is stored: cloudsat.thread calls it where the executor accepts that.
Datum thread(FunctionCallInfo fcinfo) {
    ExprContext* caller = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo)->econtext;
    if (SRF_IS_FIRSTCALL()) {
        FuncCallContext* call = SRF_FIRSTCALL_INIT();
        MemoryContext before = MemoryContextSwitchTo(call->multi_call_memory_ctx);
        if (get_call_result_type(fcinfo, nullptr, &call->tuple_desc) != TYPEFUNC_COMPOSITE) {
            ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("thread returns rows"));
        }
        call->tuple_desc = BlessTupleDesc(call->tuple_desc);
        auto* opened = pg::make<OpenWalk>(CurrentMemoryContext);
        opened->walk.begin(PG_GETARG_DATUM(0));
        call->user_fctx = opened;
        RegisterExprContextCallback(caller, OpenWalk::close, PointerGetDatum(opened));
        MemoryContextSwitchTo(before);
    }
    FuncCallContext* call = SRF_PERCALL_SETUP();
    auto* opened = static_cast<OpenWalk*>(call->user_fctx);
    MemoryContext before = MemoryContextSwitchTo(call->multi_call_memory_ctx);
    if (!opened->walk.next()) {
        MemoryContextSwitchTo(before);
        UnregisterExprContextCallback(caller, OpenWalk::close, PointerGetDatum(opened));
        opened->walk.end();
        SRF_RETURN_DONE(call);
    }
    const core::ThreadStep& step = opened->walk.step();
    const MessageRow row = opened->walk.row();
    pg::ResultRow result;
    result.add(Int32GetDatum(static_cast<int32>(step.depth)));
    result.add(BoolGetDatum(step.is_parent_gone));
    add(result, row,
        {Field::uuid, Field::timestamp, Field::disposition, Field::poster, Field::chan, Field::message});
    result.add(opened->path.at(step.depth, row.value(Field::uuid)));
    MemoryContextSwitchTo(before);
    SRF_RETURN_NEXT(call, result.value(call->tuple_desc));
}

// UTF-8 as ThreadText needs it. An SQL_ASCII database has no encoding: its bytes are read as UTF-8, and
// invalid ones become substitutes.
bool speaks_unicode() {
    return GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII;
}

std::string_view to_unicode(std::string_view text) {
    if (speaks_unicode()) {
        return text;
    }
    return pg_server_to_any(pnstrdup(text.data(), text.size()), static_cast<int>(text.size()), PG_UTF8);
}

// The box-drawing characters must exist in the encodings of the database and the client.
core::Drawing possible_drawing() {
    const bool both = GetDatabaseEncoding() == PG_UTF8 && pg_get_client_encoding() == PG_UTF8;
    return both ? core::Drawing::box : core::Drawing::ascii;
}

// Appends the line of one message; its allocations are in the current context.
void append_line(StringInfo out, core::ThreadText* text, const core::ThreadStep& step,
                 const MessageRow& row) {
    bool is_root;
    Datum disposition = row.value(Field::disposition, is_root);
    constexpr std::size_t to_the_second = std::string_view("2026-01-05 14:03:11").size();
    const core::ThreadLine line{
        .time = std::string_view(timestamptz_to_str(DatumGetTimestampTz(row.value(Field::timestamp))))
                    .substr(0, to_the_second),
        .disposition = is_root ? std::string_view() : core::name_of(disposition_value(disposition)),
        .poster = address_cstring(address_view(row.value(Field::poster))),
        .chan = address_cstring(address_view(row.value(Field::chan))),
        .message = to_unicode(pg::view(row.value(Field::message))),
        .depth = step.depth,
        .is_last = step.is_last,
        .is_parent_gone = step.is_parent_gone};
    const std::string_view drawn = text->draw(line);
    if (out->len > 0) {
        appendStringInfoChar(out, '\n');
    }
    if (speaks_unicode()) {
        appendBinaryStringInfo(out, drawn.data(), static_cast<int>(drawn.size()));
    } else {
        appendStringInfoString(out, pg_any_to_server(pnstrdup(drawn.data(), drawn.size()),
                                                     static_cast<int>(drawn.size()), PG_UTF8));
    }
}

Datum thread_text(FunctionCallInfo fcinfo) {
    StringInfoData out;
    initStringInfo(&out);
    MemoryContext context = pg::new_context(CurrentMemoryContext, "cloudsat thread");
    MemoryContext of_line = pg::new_context(context, "cloudsat thread line");
    MemoryContext caller = MemoryContextSwitchTo(context);
    Walk walk;
    walk.begin(PG_GETARG_DATUM(0));
    auto* memory = pg::make<pg::ContextResource>(context, context);
    auto* text = pg::make<core::ThreadText>(context, possible_drawing(), memory);
    while (walk.next()) {
        const MessageRow row = walk.row();
        MemoryContextSwitchTo(of_line);
        append_line(&out, text, walk.step(), row);
        MemoryContextReset(of_line);
        MemoryContextSwitchTo(context);
    }
    walk.end();
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
    if (out.len == 0) {
        PG_RETURN_NULL();
    }
    return pg::to_text({out.data, static_cast<std::size_t>(out.len)});
}

Datum root(FunctionCallInfo fcinfo) {
    MessageReader reader;
    reader.open();
    Member member = look_up(reader, PG_GETARG_DATUM(0));
    bool known = member.place.has_value();
    if (!known) { // cleaned up, but replies to it may remain
        reader.start_replies(UUIDPGetDatum(&member.root));
        Place place;
        known = reader.next_reply(place).has_value();
    }
    reader.close();
    if (!known) {
        PG_RETURN_NULL();
    }
    auto* result = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    *result = member.root;
    PG_RETURN_UUID_P(result);
}

// A parent's depth is less than its reply's, so the way up ends, whatever the links contain.
int require_above(const MessageRow& parent, bool is_reply, int depth_of_reply) {
    const int depth = is_reply ? DatumGetInt32(parent.value(Field::depth)) : 0;
    if (depth >= depth_of_reply) {
        ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED),
                errmsg("message %s does not lie above its reply",
                       uuid_cstring(from_datum(parent.value(Field::uuid)))),
                errdetail("It is at depth %d, and a reply to it at depth %d.", depth, depth_of_reply),
                errhint("Neither cloudsat.post() nor cloudsat.reply() writes such a message."));
    }
    return depth;
}

Datum ancestors(FunctionCallInfo fcinfo) {
    InitMaterializedSRF(fcinfo, 0);
    MessageReader reader;
    reader.open();
    Member member = look_up(reader, PG_GETARG_DATUM(0));
    int depth = member.depth;
    std::optional<Place> place;
    if (member.is_reply) {
        place = reader.find(UUIDPGetDatum(&member.before));
    }
    for (int distance = 1; place; ++distance) {
        CHECK_FOR_INTERRUPTS();
        const MessageRow row = reader.fetch(*place);
        const bool is_reply = row.is_reply();
        depth = require_above(row, is_reply, depth);
        place = is_reply ? reader.find(row.value(Field::before)) : std::nullopt;
        pg::ResultRow result;
        result.add(Int32GetDatum(distance));
        add(result, row,
            {Field::uuid, Field::timestamp, Field::poster, Field::chan, Field::disposition, Field::message});
        result.add(BoolGetDatum(is_reply && !place));
        result.put(fcinfo);
    }
    reader.close();
    return static_cast<Datum>(0);
}

Datum children(FunctionCallInfo fcinfo) {
    InitMaterializedSRF(fcinfo, 0);
    Datum parent = PG_GETARG_DATUM(0);
    const core::MessageId parent_id = message_id(parent);
    MessageReader reader;
    reader.open();
    Nodes nodes;
    for_each_reply(reader, look_up(reader, parent), [&](const MessageRow& row, Place place) {
        const core::ThreadNode node = node_of(row, place);
        if (node.parent == parent_id) {
            nodes.add(node);
        }
    });
    std::ranges::sort(nodes.span(), {}, &core::ThreadNode::id);
    MessageBatch batch;
    batch.open(&reader);
    batch.for_each(nodes.span(), [fcinfo](const MessageRow& row) {
        pg::ResultRow result;
        add(result, row,
            {Field::uuid, Field::timestamp, Field::poster, Field::chan, Field::disposition, Field::message});
        result.put(fcinfo);
    });
    reader.close();
    return static_cast<Datum>(0);
}

} // namespace

SQL_FUNCTION(thread);
SQL_FUNCTION(thread_text);
SQL_FUNCTION(root);
SQL_FUNCTION(ancestors);
SQL_FUNCTION(children);

} // namespace cloudsat::board
