// The row of cloudsat.polls; see poll_row.hpp.

#include "guardian/poll_row.hpp"

#include "guardian/fields.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

namespace cloudsat::guardian {
namespace {

constexpr std::tuple poll_fields{field<AsText>("home", CLOUDSAT_MEMBER(home)),
                                 field<AsText>("enforce_home", CLOUDSAT_MEMBER(enforce_home), OnUpdate::keep),
                                 field<AsBool>("enforce_held_back", CLOUDSAT_MEMBER(enforce_held_back)),
                                 field<AsInt8>("cycle", CLOUDSAT_MEMBER(cycle)),
                                 field<AsTime>("last_poll", CLOUDSAT_MEMBER(last_poll)),
                                 field<AsTime>("last_success", CLOUDSAT_MEMBER(last_success)),
                                 field<AsTime>("next_poll", CLOUDSAT_MEMBER(next_poll)),
                                 field<AsTime>("up_since", CLOUDSAT_MEMBER(up_since)),
                                 field<AsFloat8>("fetch_ms", CLOUDSAT_MEMBER(fetch_ms)),
                                 field<AsFloat8>("record_ms", CLOUDSAT_MEMBER(record_ms)),
                                 field<AsInt8>("bytes", CLOUDSAT_MEMBER(bytes)),
                                 field<AsInt8>("queues", CLOUDSAT_MEMBER(queues)),
                                 field<AsInt8>("unusable", CLOUDSAT_MEMBER(unusable)),
                                 field<AsInt4>("consecutive_failures", CLOUDSAT_MEMBER(failures)),
                                 field<AsText>("last_error_kind", CLOUDSAT_MEMBER(error_kind)),
                                 field<AsText>("last_error", CLOUDSAT_MEMBER(error)),
                                 field<AsTime>("last_error_at", CLOUDSAT_MEMBER(error_at)),
                                 field<AsInt8>("missing", CLOUDSAT_MEMBER(missing)),
                                 field<AsInt4>("missing_polls", CLOUDSAT_MEMBER(missing_polls)),
                                 field<AsTime>("missing_since", CLOUDSAT_MEMBER(missing_since)),
                                 field<AsTime>("names_at", CLOUDSAT_MEMBER(names_at)),
                                 field<AsTime>("bindings_at", CLOUDSAT_MEMBER(bindings_at)),
                                 field<AsTime>("users_at", CLOUDSAT_MEMBER(users_at)),
                                 field<AsText>("rules", CLOUDSAT_MEMBER(rules))};

ServerTable poll_table("polls", 0);

pg::Statement one_poll(R"(
    SELECT p.*
    FROM cloudsat.polls AS p
    WHERE p.server = $1)",
                       {TEXTOID});

} // namespace

bool read_poll(const Server& server, std::pmr::memory_resource* arena, PollRow& row) {
    const Datum key[] = {pg::to_text(server.name)};
    if (one_poll.run(key, {}, false, 1) == 0) {
        return false;
    }
    read_result<poll_table, poll_fields>(row, arena);
    return true;
}

void write_poll(const Server& server, const PollRow& row) {
    Rows<poll_table, poll_fields> rows;
    rows.add(row);
    rows.write(server.name);
}

} // namespace cloudsat::guardian
