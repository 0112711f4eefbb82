// Posting, see message.hpp. The path from the call to the heap is deliberately short: bench/post.sh measures
// it.

#include "board/message.hpp"

#include <algorithm>

#include "board/address.hpp"
#include "board/board_clock.hpp"
#include "board/disposition.hpp"
#include "board/doorbell.hpp"
#include "board/enlistment.hpp"
#include "board/message_fields.hpp"
#include "board/registration.hpp"
#include "board/settings.hpp"
#include "board/uuid.hpp"
#include "core/board/address.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"
#include "pg/table_scan.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/transam.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"
}

namespace cloudsat::board {
namespace {

pg::Name messages_table(pg::Name::Kind::table, "messages");

struct Link {
    core::Uuid before;
    core::Disposition disposition;
    core::Uuid root;
    int depth;
};

} // namespace

Appender open_board() {
    return append_begin(messages_table.oid(), "messages_link");
}

Found find_message(Relation table, const core::Uuid& uuid) {
    Relation leaf = open_leaf(table, as_datum(uuid), AccessShareLock);
    const AttrMap* map = CLOUDSAT_ATTRIBUTE_MAP(RelationGetDescr(leaf), RelationGetDescr(table));
    const Oid index = CLOUDSAT_PRIMARY_KEY(leaf);
    ScanKeyData key;
    ScanKeyInit(&key, column_of(Field::uuid, map), BTEqualStrategyNumber, F_UUID_EQ, as_datum(uuid));
    // Sees rows committed by now and those of this transaction, including this command: SnapshotSelf. Rows
    // are never updated, so it cannot show two versions of one.
    pg::TableScan scan;
    scan.begin(leaf, index, SnapshotSelf, key);
    TupleTableSlot* row = scan.next();
    if (row == nullptr) {
        ereport(ERROR, errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
                errmsg("message %s does not exist", uuid_cstring(uuid)),
                errdetail("It was never posted, is not committed yet, or has been cleaned up."));
    }
    const auto read = [&](Field field, bool& isnull) {
        return slot_getattr(row, column_of(field, map), &isnull);
    };
    bool isnull = false;
    Found found{};
    found.uuid = uuid;
    found.poster = PointerGetDatum(PG_DETOAST_DATUM_COPY(read(Field::poster, isnull)));
    found.chan = PointerGetDatum(PG_DETOAST_DATUM_COPY(read(Field::chan, isnull)));
    const Datum root = read(Field::root, isnull);
    found.root = isnull ? uuid : from_datum(root);
    const Datum depth = read(Field::depth, isnull);
    found.depth = isnull ? 0 : DatumGetInt32(depth);
    scan.end();
    table_close(leaf, NoLock);
    return found;
}

void check_size(Datum message) {
    const Size size = toast_raw_datum_size(message) - VARHDRSZ; // known without decompressing it
    if (size > static_cast<Size>(settings().max_message_size)) {
        ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("message is too long"),
                errdetail("It has %zu bytes; cloudsat.max_message_size allows %d.", size,
                          settings().max_message_size));
    }
}

namespace {

Link link_to(const Found& parent, core::Disposition disposition) {
    if (parent.depth >= settings().max_thread_depth) {
        ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("thread is too deep"),
                errdetail("The reply would be at depth %lld; cloudsat.max_thread_depth allows %d.",
                          static_cast<long long>(parent.depth) + 1, settings().max_thread_depth));
    }
    return {parent.uuid, disposition, parent.root, parent.depth + 1};
}

core::Uuid write(Appender& board, Datum poster, Datum chan, Datum message, const Link* link) {
    // The number before the uuid, so no message is older than its transaction's number (see core::Floor)
    const core::Xact xact = began_xact(U64FromFullTransactionId(GetTopFullTransactionId()));
    const core::Uuid uuid = new_uuid();
    Datum values[message_fields] = {};
    bool nulls[message_fields];
    std::ranges::fill(nulls, true);
    const auto set = [&](Field field, Datum value) {
        values[place_of(field)] = value;
        nulls[place_of(field)] = false;
    };
    set(Field::uuid, as_datum(uuid));
    set(Field::timestamp, TimestampTzGetDatum(timestamp_of(uuid)));
    set(Field::poster, poster);
    set(Field::chan, chan);
    set(Field::message, message);
    if (link != nullptr) {
        set(Field::before, as_datum(link->before));
        set(Field::disposition, disposition_datum(link->disposition));
        set(Field::root, as_datum(link->root));
        set(Field::depth, Int32GetDatum(link->depth));
    }
    set(Field::xact, UInt64GetDatum(xact));
    append_row(board, {values, nulls});
    doorbell_ring(chan, uuid);
    return uuid;
}

Datum write_one(Datum poster, Datum chan, Datum message) {
    Appender board = open_board();
    const core::Uuid uuid = write(board, poster, chan, message, nullptr);
    append_end(board);
    return copy_datum(uuid);
}

// A reply; a null `chan` means the parent's poster.
Datum write_one_reply(Datum poster, const Datum* chan, Datum message, Datum parent_uuid, Datum disposition) {
    Appender board = open_board();
    const Found parent = find_message(board.table, from_datum(parent_uuid));
    const Link link = link_to(parent, disposition_value(disposition));
    const core::Uuid uuid = write(board, poster, chan != nullptr ? *chan : parent.poster, message, &link);
    append_end(board);
    return copy_datum(uuid);
}

} // namespace

core::Uuid write_reply(Appender& board, Datum poster, const Found& parent, core::Disposition disposition,
                       Datum message) {
    const Link link = link_to(parent, disposition);
    return write(board, poster, parent.poster, message, &link);
}

core::Uuid post_as(std::string_view poster_key, std::string_view chan_key, std::string_view text,
                   const std::optional<Reply>& reply) {
    require_writable("cloudsat.post()");
    Appender board = open_board();
    Link link{};
    if (reply) {
        link = link_to(find_message(board.table, reply->parent), reply->disposition);
    }
    const core::Uuid uuid =
        write(board, address_datum(core::AddressView(poster_key)), address_datum(core::AddressView(chan_key)),
              pg::to_text(text), reply ? &link : nullptr);
    append_end(board);
    return uuid;
}

namespace {

Datum post(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.post()");
    require_may_start_threads();
    pg::require_arguments(fcinfo, {"chan", "message"});
    const Datum poster = own_nick();
    const Datum message = PG_GETARG_DATUM(1);
    check_size(message);
    return write_one(poster, PG_GETARG_DATUM(0), message);
}

// Whether the caller may use the poster's address: one of the session's own, or any for which the role is
// enlisted.
using CheckPoster = void (*)(Datum poster);

void require_enlisted(Datum poster) {
    require_may_speak_as(address_view(poster));
}

template <CheckPoster check> Datum post_from(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.post()");
    require_may_start_threads();
    pg::require_arguments(fcinfo, {"poster", "chan", "message"});
    const Datum poster = PG_GETARG_DATUM(0);
    check(poster);
    const Datum message = PG_GETARG_DATUM(2);
    check_size(message);
    return write_one(poster, PG_GETARG_DATUM(1), message);
}

pg::Elements require_messages(Datum array) {
    const pg::Elements messages = pg::elements(array, TEXTOID);
    for (std::size_t i = 0; i < messages.values.size(); ++i) {
        if (messages.nulls[i]) {
            ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("messages must not contain null"),
                    errdetail("Element %zu is null.", i + 1));
        }
        check_size(messages.values[i]);
    }
    return messages;
}

// The result of a call that writes many messages. All are written in the first call, before any uuid is
// returned: a caller that stops reading must not lose messages.
template <class Write> Datum put_uuids(FunctionCallInfo fcinfo, Write write_all) {
    if (SRF_IS_FIRSTCALL()) {
        FuncCallContext* call = SRF_FIRSTCALL_INIT();
        const std::span<core::Uuid> uuids = write_all([call](std::size_t count) {
            return std::span(
                static_cast<core::Uuid*>(MemoryContextAllocHuge(
                    call->multi_call_memory_ctx, sizeof(core::Uuid) * std::max<std::size_t>(count, 1))),
                count);
        });
        call->user_fctx = uuids.data();
        call->max_calls = uuids.size();
    }
    FuncCallContext* call = SRF_PERCALL_SETUP();
    if (call->call_cntr < call->max_calls) {
        // read before the macro, which counts up first
        const core::Uuid uuid = static_cast<const core::Uuid*>(call->user_fctx)[call->call_cntr];
        SRF_RETURN_NEXT(call, copy_datum(uuid));
    }
    SRF_RETURN_DONE(call);
}

template <CheckPoster check> Datum post_many_from(FunctionCallInfo fcinfo) {
    return put_uuids(fcinfo, [fcinfo](auto room) {
        require_writable("cloudsat.post()");
        require_may_start_threads();
        pg::require_arguments(fcinfo, {"poster", "chan", "messages"});
        const Datum poster = PG_GETARG_DATUM(0);
        check(poster);
        const pg::Elements messages = require_messages(PG_GETARG_DATUM(2));
        const std::span<core::Uuid> uuids = room(messages.values.size());
        Appender board = open_board();
        for (std::size_t i = 0; i < uuids.size(); ++i) {
            CHECK_FOR_INTERRUPTS();
            uuids[i] = write(board, poster, PG_GETARG_DATUM(1), messages.values[i], nullptr);
        }
        append_end(board);
        return uuids;
    });
}

template <CheckPoster check> Datum reply_from(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.reply()");
    pg::require_arguments(fcinfo, {"poster", "chan", "message", "parent", "disposition"});
    const Datum poster = PG_GETARG_DATUM(0);
    check(poster);
    const Datum chan = PG_GETARG_DATUM(1);
    const Datum message = PG_GETARG_DATUM(2);
    check_size(message);
    return write_one_reply(poster, &chan, message, PG_GETARG_DATUM(3), PG_GETARG_DATUM(4));
}

Datum reply_as(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.reply_as()");
    pg::require_arguments(fcinfo, {"poster", "parent", "disposition", "message"});
    const Datum poster = PG_GETARG_DATUM(0);
    require_enlisted(poster);
    const Datum message = PG_GETARG_DATUM(3);
    check_size(message);
    return write_one_reply(poster, nullptr, message, PG_GETARG_DATUM(1), PG_GETARG_DATUM(2));
}

// One message for each parent.
Datum reply_many_as(FunctionCallInfo fcinfo) {
    return put_uuids(fcinfo, [fcinfo](auto room) {
        require_writable("cloudsat.reply_many_as()");
        pg::require_arguments(fcinfo, {"poster", "parents", "disposition", "messages"});
        const Datum poster = PG_GETARG_DATUM(0);
        require_enlisted(poster);
        const core::Disposition disposition = disposition_value(PG_GETARG_DATUM(2));
        const pg::Elements parents = pg::elements(PG_GETARG_DATUM(1), UUIDOID);
        const pg::Elements messages = require_messages(PG_GETARG_DATUM(3));
        if (parents.values.size() != messages.values.size()) {
            ereport(ERROR, errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                    errmsg("parents and messages must have the same number of elements"),
                    errdetail("There are %zu parents and %zu messages.", parents.values.size(),
                              messages.values.size()));
        }
        const std::span<core::Uuid> uuids = room(messages.values.size());
        Appender board = open_board();
        for (std::size_t i = 0; i < uuids.size(); ++i) {
            CHECK_FOR_INTERRUPTS();
            if (parents.nulls[i]) {
                ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                        errmsg("parents must not contain null"), errdetail("Element %zu is null.", i + 1));
            }
            const Found parent = find_message(board.table, from_datum(parents.values[i]));
            uuids[i] = write_reply(board, poster, parent, disposition, messages.values[i]);
        }
        append_end(board);
        return uuids;
    });
}

Datum reply(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.reply()");
    pg::require_arguments(fcinfo, {"parent", "disposition", "message"});
    const Datum poster = own_nick();
    const Datum message = PG_GETARG_DATUM(2);
    check_size(message);
    return write_one_reply(poster, nullptr, message, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
}

Datum refuse_update(FunctionCallInfo fcinfo) {
    pg::require_trigger(fcinfo);
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("the board is append-only"),
            errhint("Post a reply to correct a message: SELECT cloudsat.reply(uuid, 'info', '...')."));
    pg_unreachable();
}

} // namespace

SQL_FUNCTION(post);
SQL_FUNCTION_AS(post_from, post_from<require_own>);
SQL_FUNCTION_AS(post_as, post_from<require_enlisted>);
SQL_FUNCTION_AS(post_many_from, post_many_from<require_own>);
SQL_FUNCTION_AS(post_many_as, post_many_from<require_enlisted>);
SQL_FUNCTION(reply);
SQL_FUNCTION_AS(reply_from, reply_from<require_own>);
SQL_FUNCTION(reply_as);
SQL_FUNCTION_AS(reply_to_as, reply_from<require_enlisted>);
SQL_FUNCTION(reply_many_as);
SQL_FUNCTION(refuse_update);

} // namespace cloudsat::board
