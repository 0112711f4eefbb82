// The type cloudsat.disposition: input, output, comparison. core/board/disposition.hpp defines the values.

#include <functional>
#include <string_view>

#include "board/disposition.hpp"

#include "pg/compat.hpp"
#include "pg/text.hpp"

extern "C" {
#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
}

namespace cloudsat::board {

using core::Disposition;

Datum disposition_datum(Disposition value) {
    return CharGetDatum(static_cast<char>(value));
}

Disposition disposition_value(Datum disposition) {
    const auto value = core::disposition_of_byte(static_cast<std::uint8_t>(DatumGetChar(disposition)));
    if (!value) {
        ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED),
                errmsg("invalid stored value of type cloudsat.disposition"));
    }
    return *value;
}

namespace {

// Maximum length of rejected text that an error quotes.
constexpr int quoted_bytes = 100;

#define INVALID_DISPOSITION(text)                                                                            \
    errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),                                                            \
        errmsg("invalid input syntax for type cloudsat.disposition: \"%.*s\"",                               \
               pg_mbcliplen((text).data(), static_cast<int>((text).size()), quoted_bytes), (text).data()),   \
        errdetail("A disposition is one of: ignored, acknowledged, info, problem, belay, end (or done).")

Datum disposition_in(FunctionCallInfo fcinfo) {
    const std::string_view text = PG_GETARG_CSTRING(0);
    const auto value = core::parse_disposition(text);
    if (!value) {
        CLOUDSAT_SOFT_ERROR(fcinfo, (INVALID_DISPOSITION(text)));
    }
    return disposition_datum(*value);
}

Datum disposition_out(FunctionCallInfo fcinfo) {
    const std::string_view name = core::name_of(disposition_value(PG_GETARG_DATUM(0)));
    PG_RETURN_CSTRING(pnstrdup(name.data(), name.size()));
}

// The binary form is the byte itself, 1 to 6 in the order of the type.
Datum disposition_recv(FunctionCallInfo fcinfo) {
    auto* message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
    const auto byte = static_cast<std::uint8_t>(pq_getmsgbyte(message));
    const auto value = core::disposition_of_byte(byte);
    if (!value) {
        ereport(
            ERROR, errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
            errmsg("invalid external binary value for type cloudsat.disposition: %d", byte),
            errdetail("A disposition is a byte from 1 (ignored) to %zu (end).", core::dispositions.size()));
    }
    return disposition_datum(*value);
}

Datum disposition_send(FunctionCallInfo fcinfo) {
    StringInfoData message;
    pq_begintypsend(&message);
    pq_sendbyte(&message, static_cast<uint8>(DatumGetChar(PG_GETARG_DATUM(0))));
    PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

Datum disposition_from_text(FunctionCallInfo fcinfo) {
    const std::string_view text = pg::view(PG_GETARG_DATUM(0));
    const auto value = core::parse_disposition(text);
    if (!value) {
        ereport(ERROR, INVALID_DISPOSITION(text));
    }
    return disposition_datum(*value);
}

Datum disposition_to_text(FunctionCallInfo fcinfo) {
    return pg::to_text(core::name_of(disposition_value(PG_GETARG_DATUM(0))));
}

// The order of the bytes is the order of the type.
int compare(FunctionCallInfo fcinfo) {
    const auto a = static_cast<std::uint8_t>(PG_GETARG_CHAR(0));
    const auto b = static_cast<std::uint8_t>(PG_GETARG_CHAR(1));
    return (a > b) - (a < b);
}

template <class Order> Datum holds(FunctionCallInfo fcinfo) {
    PG_RETURN_BOOL(Order{}(compare(fcinfo), 0));
}

Datum disposition_cmp(FunctionCallInfo fcinfo) {
    PG_RETURN_INT32(compare(fcinfo));
}

template <class Order> Datum choose(FunctionCallInfo fcinfo) {
    return PG_GETARG_DATUM(Order{}(compare(fcinfo), 0) ? 0 : 1);
}

Datum disposition_hash(FunctionCallInfo fcinfo) {
    return hash_uint32(static_cast<std::uint8_t>(PG_GETARG_CHAR(0)));
}
Datum disposition_hash_extended(FunctionCallInfo fcinfo) {
    return hash_uint32_extended(static_cast<std::uint8_t>(PG_GETARG_CHAR(0)),
                                static_cast<uint64>(PG_GETARG_INT64(1)));
}

Datum is_final(FunctionCallInfo fcinfo) {
    PG_RETURN_BOOL(core::is_final(disposition_value(PG_GETARG_DATUM(0))));
}

} // namespace

SQL_FUNCTION(disposition_in);
SQL_FUNCTION(disposition_out);
SQL_FUNCTION(disposition_recv);
SQL_FUNCTION(disposition_send);
SQL_FUNCTION(disposition_from_text);
SQL_FUNCTION(disposition_to_text);
SQL_FUNCTION_AS(disposition_lt, holds<std::less<>>);
SQL_FUNCTION_AS(disposition_le, holds<std::less_equal<>>);
SQL_FUNCTION_AS(disposition_eq, holds<std::equal_to<>>);
SQL_FUNCTION_AS(disposition_ne, holds<std::not_equal_to<>>);
SQL_FUNCTION_AS(disposition_ge, holds<std::greater_equal<>>);
SQL_FUNCTION_AS(disposition_gt, holds<std::greater<>>);
SQL_FUNCTION(disposition_cmp);
SQL_FUNCTION_AS(disposition_smaller, choose<std::less_equal<>>);
SQL_FUNCTION_AS(disposition_larger, choose<std::greater_equal<>>);
SQL_FUNCTION(disposition_hash);
SQL_FUNCTION(disposition_hash_extended);
SQL_FUNCTION(is_final);

} // namespace cloudsat::board
