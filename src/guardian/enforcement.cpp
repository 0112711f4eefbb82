// Where enforce is in effect, see enforcement.hpp; and SQL function cloudsat.confirm_enforce(server).

#include "guardian/enforcement.hpp"

#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/builtins.h"
}

namespace cloudsat::guardian {
namespace {

pg::Statement is_elsewhere(R"(
    SELECT
    FROM cloudsat.polls AS p
    WHERE (p.server = $1
       OR p.home = $3) -- it was renamed since
      AND p.enforce_home <> $2)",
                           {TEXTOID, TEXTOID, TEXTOID});

pg::Statement move_here(R"(
    UPDATE cloudsat.polls AS p
    SET enforce_home = $2
    WHERE p.server = $1
      AND p.enforce_home <> $2)",
                        {TEXTOID, TEXTOID});

// True if enforce was held back.
Datum confirm_enforce(FunctionCallInfo fcinfo) {
    pg::require_argument(fcinfo, 0, "server");
    PreventCommandIfReadOnly("cloudsat.confirm_enforce()");
    find_server(pg::view(PG_GETARG_DATUM(0))); // raises if there is none, or it is not a broker
    pg::spi_begin();
    const bool moved = enforce_here(pg::view(PG_GETARG_DATUM(0)));
    pg::spi_end();
    PG_RETURN_BOOL(moved);
}

} // namespace

SQL_FUNCTION(confirm_enforce);

const char* home_of_enforcement() {
    return psprintf(UINT64_FORMAT "/%u", GetSystemIdentifier(), MyDatabaseId);
}

bool enforce_here(std::string_view server) {
    const Datum values[] = {pg::to_text(server), pg::to_text(home_of_enforcement())};
    return move_here.run(values) > 0;
}

const char* how_to_confirm(const Server& server) {
    return psprintf("If this database is to act on the broker: SELECT cloudsat.confirm_enforce(%s).",
                    quote_literal_cstr(server.name));
}

void hold_back(Server& server) {
    if (server.options.enforce == 0) {
        return;
    }
    pg::spi_begin();
    const char* here = home_of_enforcement();
    const Datum values[] = {pg::to_text(server.name), pg::to_text(here),
                            pg::to_text(psprintf("%s/%u", here, server.oid))};
    server.held_back = is_elsewhere.run(values, {}, true, 1) > 0;
    pg::spi_end();
    if (server.held_back) {
        server.options.enforce = 0;
        server.why_not = "enforce is held back";
    }
}

} // namespace cloudsat::guardian
