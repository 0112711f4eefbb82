// Results of statements; see result.hpp.

#include "guardian/result.hpp"

#include "guardian/cycle.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
}

namespace cloudsat::guardian {

std::string_view kept_text(std::pmr::memory_resource* arena, uint64 row, int number) {
    bool isnull = false;
    const Datum value = pg::spi_value(row, number, isnull);
    return isnull ? std::string_view{} : join(arena, {pg::view(value)});
}

std::optional<bool> optional_bool(uint64 row, int number) {
    bool isnull = false;
    const Datum value = pg::spi_value(row, number, isnull);
    return isnull ? std::nullopt : std::optional<bool>(DatumGetBool(value));
}

std::optional<std::int64_t> optional_int8(uint64 row, int number) {
    bool isnull = false;
    const Datum value = pg::spi_value(row, number, isnull);
    return isnull ? std::nullopt : std::optional<std::int64_t>(DatumGetInt64(value));
}

std::string_view canonical_json(std::string_view json) {
    if (json.empty()) {
        return {};
    }
    const Datum parsed = DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(json.data(), json.size())));
    return DatumGetCString(DirectFunctionCall1(jsonb_out, parsed));
}

} // namespace cloudsat::guardian
