// The type cloudsat.address: input, output, comparison and functions. core/board/address.hpp defines
// addresses, address_sort.cpp sorts them, and address_planner.cpp has the planner support.

#include <algorithm>
#include <cstring>
#include <functional>

#include "board/address.hpp"

#include "pg/array.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"
#include "pg/text.hpp"

extern "C" {
#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
}

namespace cloudsat::board {

using core::AddressView;

Oid address_oid() {
    static pg::Name type(pg::Name::Kind::type, "address");
    return type.oid();
}

core::AddressView address_view(Datum address) {
    return AddressView(pg::view(address));
}

Datum address_datum(AddressView address) {
    return pg::to_text(address.key()); // a varlena of these bytes
}

Datum address_array(std::span<const Datum> addresses) {
    if (addresses.size() > static_cast<std::size_t>(PG_INT32_MAX)) {
        ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many addresses for one array"));
    }
    return PointerGetDatum(construct_array(const_cast<Datum*>(addresses.data()),
                                           static_cast<int>(addresses.size()), address_oid(), -1, false,
                                           TYPALIGN_INT));
}

char* address_cstring(AddressView address) {
    const core::AddressText text = core::print(address);
    return pnstrdup(text.view().data(), text.size());
}

namespace {

static_assert(pg::Plain<core::Result<core::Address, core::AddressError>>, "lives across ereport");

// Maximum length of rejected text that an error quotes.
constexpr int quoted_bytes = 400;

int quoted_size(std::string_view text) {
    return pg_mbcliplen(text.data(), static_cast<int>(text.size()), quoted_bytes);
}

#define INVALID_ADDRESS(code, kind, text, error)                                                             \
    errcode(code),                                                                                           \
        errmsg("invalid " kind " for type cloudsat.address: \"%.*s\"", quoted_size(text), (text).data()),    \
        errdetail("%s (byte %zu).", core::explain((error).rule).data(), (error).place)

Datum address_in(FunctionCallInfo fcinfo) {
    const std::string_view text = PG_GETARG_CSTRING(0);
    const auto parsed = core::parse_address(text);
    if (!parsed) {
        CLOUDSAT_SOFT_ERROR(fcinfo, (INVALID_ADDRESS(ERRCODE_INVALID_TEXT_REPRESENTATION, "input syntax",
                                                     text, parsed.error())));
    }
    return address_datum(parsed.value());
}

Datum address_out(FunctionCallInfo fcinfo) {
    PG_RETURN_CSTRING(address_cstring(address_view(PG_GETARG_DATUM(0))));
}

Datum address_recv(FunctionCallInfo fcinfo) {
    auto* message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
    int size = 0;
    const char* bytes = pq_getmsgtext(message, message->len - message->cursor, &size);
    const std::string_view text(bytes, static_cast<std::size_t>(size));
    const auto parsed = core::parse_address(text);
    if (!parsed) {
        ereport(ERROR, INVALID_ADDRESS(ERRCODE_INVALID_BINARY_REPRESENTATION, "external binary value", text,
                                       parsed.error()));
    }
    return address_datum(parsed.value());
}

// The binary form is the canonical text, because every driver can read it and it does not depend on the key's
// layout.
Datum address_send(FunctionCallInfo fcinfo) {
    const char* text = address_cstring(address_view(PG_GETARG_DATUM(0)));
    StringInfoData message;
    pq_begintypsend(&message);
    pq_sendtext(&message, text, static_cast<int>(std::strlen(text)));
    PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

Datum address_from_text(FunctionCallInfo fcinfo) {
    return address_datum(require_address(pg::view(PG_GETARG_DATUM(0))));
}

Datum address_to_text(FunctionCallInfo fcinfo) {
    return CStringGetTextDatum(address_cstring(address_view(PG_GETARG_DATUM(0))));
}

// Comparisons run inside index builds and sorts, which require that they leave no memory behind.
int compare(FunctionCallInfo fcinfo) {
    AddressArgument a(PG_GETARG_DATUM(0)), b(PG_GETARG_DATUM(1));
    const int order = a.view().key().compare(b.view().key());
    a.release();
    b.release();
    return order;
}

template <class Order> Datum holds(FunctionCallInfo fcinfo) {
    PG_RETURN_BOOL(Order{}(compare(fcinfo), 0));
}

Datum address_cmp(FunctionCallInfo fcinfo) {
    const int order = compare(fcinfo);
    PG_RETURN_INT32((order > 0) - (order < 0));
}

template <class Order> Datum choose(FunctionCallInfo fcinfo) {
    return PG_GETARG_DATUM(Order{}(compare(fcinfo), 0) ? 0 : 1);
}

const unsigned char* bytes_of(AddressView address) {
    return reinterpret_cast<const unsigned char*>(address.key().data());
}

Datum address_hash(FunctionCallInfo fcinfo) {
    AddressArgument a(PG_GETARG_DATUM(0));
    const Datum hash = hash_any(bytes_of(a.view()), static_cast<int>(a.view().key().size()));
    a.release();
    return hash;
}

Datum address_hash_extended(FunctionCallInfo fcinfo) {
    AddressArgument a(PG_GETARG_DATUM(0));
    const auto seed = static_cast<uint64>(PG_GETARG_INT64(1));
    const Datum hash = hash_any_extended(bytes_of(a.view()), static_cast<int>(a.view().key().size()), seed);
    a.release();
    return hash;
}

Datum address_within(FunctionCallInfo fcinfo) {
    PG_RETURN_BOOL(core::within(address_view(PG_GETARG_DATUM(0)), address_view(PG_GETARG_DATUM(1))));
}

Datum address_contains(FunctionCallInfo fcinfo) {
    PG_RETURN_BOOL(core::within(address_view(PG_GETARG_DATUM(1)), address_view(PG_GETARG_DATUM(0))));
}

// The type of bounds has neither input nor output: the end of a subtree must not get into a column.
Datum bound_in(FunctionCallInfo) {
    ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
            errmsg("cannot accept a value of type _cloudsat.bound"));
    pg_unreachable();
}

Datum bound_out(FunctionCallInfo) {
    ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
            errmsg("cannot display a value of type _cloudsat.bound"));
    pg_unreachable();
}

Datum subtree_start(FunctionCallInfo fcinfo) {
    return address_datum(address_view(PG_GETARG_DATUM(0)));
}

Datum subtree_end(FunctionCallInfo fcinfo) {
    const core::SubtreeEnd end = core::subtree_end(address_view(PG_GETARG_DATUM(0)));
    return address_datum(AddressView(end.view()));
}

Datum suffix_array(AddressView address) {
    pg::Array<Datum> suffixes;
    core::for_each_suffix(address, [&](AddressView suffix) { suffixes.add(address_datum(suffix)); });
    return address_array(suffixes.span());
}

Datum suffixes(FunctionCallInfo fcinfo) {
    return suffix_array(address_view(PG_GETARG_DATUM(0)));
}

// A bare literal is neither an address nor an array of addresses; with this function, suffixes('h.x.y') means
// an address.
Datum suffixes_text(FunctionCallInfo fcinfo) {
    const core::Address address = require_address(pg::view(PG_GETARG_DATUM(0)));
    return suffix_array(address);
}

Datum suffixes_array(FunctionCallInfo fcinfo) {
    const pg::Elements elements = pg::elements(PG_GETARG_DATUM(0), address_oid());
    const std::size_t count = elements.values.size();
    auto* views = static_cast<AddressView*>(
        MemoryContextAllocHuge(CurrentMemoryContext, std::max<std::size_t>(count, 1) * sizeof(AddressView)));
    for (std::size_t i = 0; i < count; ++i) {
        if (elements.nulls[i]) {
            ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("addresses must not contain nulls"));
        }
        views[i] = address_view(elements.values[i]);
    }
    std::sort(views, views + count, std::greater<>());
    pg::Array<Datum> suffixes;
    core::for_each_suffix(std::span<const AddressView>(views, count), [&](AddressView suffix) {
        CHECK_FOR_INTERRUPTS();
        suffixes.add(address_datum(suffix));
    });
    return address_array(suffixes.span());
}

Datum parent(FunctionCallInfo fcinfo) {
    const auto up = core::parent(address_view(PG_GETARG_DATUM(0)));
    if (!up) {
        PG_RETURN_NULL();
    }
    return address_datum(*up);
}

Datum domain(FunctionCallInfo fcinfo) {
    return address_datum(core::domain(address_view(PG_GETARG_DATUM(0))));
}

Datum local(FunctionCallInfo fcinfo) {
    const auto name = core::local(address_view(PG_GETARG_DATUM(0)));
    if (!name) {
        PG_RETURN_NULL();
    }
    return pg::to_text(*name);
}

Datum depth(FunctionCallInfo fcinfo) {
    PG_RETURN_INT32(static_cast<int32>(core::depth(address_view(PG_GETARG_DATUM(0)))));
}

Datum common_ancestor(FunctionCallInfo fcinfo) {
    return address_datum(
        core::common_ancestor(address_view(PG_GETARG_DATUM(0)), address_view(PG_GETARG_DATUM(1))));
}

Datum channel(FunctionCallInfo fcinfo) {
    const core::ChannelName name = core::channel(address_view(PG_GETARG_DATUM(0)));
    return pg::to_text(name.view());
}

} // namespace

core::Address require_address(std::string_view text) {
    const auto parsed = core::parse_address(text);
    if (!parsed) {
        ereport(ERROR,
                INVALID_ADDRESS(ERRCODE_INVALID_TEXT_REPRESENTATION, "input syntax", text, parsed.error()));
    }
    return parsed.value();
}

SQL_FUNCTION(address_in);
SQL_FUNCTION(address_out);
SQL_FUNCTION(address_recv);
SQL_FUNCTION(address_send);
SQL_FUNCTION(address_from_text);
SQL_FUNCTION(address_to_text);
SQL_FUNCTION_AS(address_lt, holds<std::less<>>);
SQL_FUNCTION_AS(address_le, holds<std::less_equal<>>);
SQL_FUNCTION_AS(address_eq, holds<std::equal_to<>>);
SQL_FUNCTION_AS(address_ne, holds<std::not_equal_to<>>);
SQL_FUNCTION_AS(address_ge, holds<std::greater_equal<>>);
SQL_FUNCTION_AS(address_gt, holds<std::greater<>>);
SQL_FUNCTION(address_cmp);
SQL_FUNCTION_AS(address_smaller, choose<std::less_equal<>>);
SQL_FUNCTION_AS(address_larger, choose<std::greater_equal<>>);
SQL_FUNCTION(address_hash);
SQL_FUNCTION(address_hash_extended);
SQL_FUNCTION(address_within);
SQL_FUNCTION(address_contains);
SQL_FUNCTION(bound_in);
SQL_FUNCTION(bound_out);
SQL_FUNCTION(subtree_start);
SQL_FUNCTION(subtree_end);
SQL_FUNCTION(suffixes);
SQL_FUNCTION(suffixes_text);
SQL_FUNCTION(suffixes_array);
SQL_FUNCTION(parent);
SQL_FUNCTION(domain);
SQL_FUNCTION(local);
SQL_FUNCTION(depth);
SQL_FUNCTION(common_ancestor);
SQL_FUNCTION(channel);

} // namespace cloudsat::board
