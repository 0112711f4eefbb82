// Incidents on the board; see incident.hpp.

#include "guardian/incident.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "board/message.hpp"
#include "board/settings.hpp"
#include "core/base/text.hpp"
#include "core/board/address.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

namespace cloudsat::guardian {
namespace {

// Copies of the warning are the guardian's own replies to it.
pg::Statement warned_addresses(R"(
    SELECT t.chan::text
    FROM (SELECT w.chan, 0 AS turn FROM cloudsat.messages AS w
          WHERE w.uuid = $1
          UNION
          SELECT c.chan, 1
          FROM cloudsat.messages AS w
          JOIN cloudsat.messages AS c ON c.root = w.uuid
          WHERE w.uuid = $1
            AND c.before = w.uuid
            AND c.poster = w.poster
            AND c.chan <> w.chan) AS t
    ORDER BY t.turn, t.chan)",
                               {UUIDOID});

// The validator and the rules have checked that these are addresses.
core::Address address_of(std::string_view text) {
    const auto address = core::parse_address(text);
    if (!address) {
        elog(ERROR, "not an address: \"%.*s\"", static_cast<int>(text.size()), text.data());
    }
    return address.value();
}

// A small cloudsat.max_message_size must not stop the guardian.
std::string_view fit(std::string_view text) {
    return core::cut(text, static_cast<std::size_t>(board::settings().max_message_size));
}

} // namespace

pg_uuid_t open_incident(const Server& server, Addresses owners, std::string_view text) {
    const core::Address from = address_of(server.options.address);
    const core::Address to = address_of(owners.front());
    const core::Uuid uuid = board::post_as(from.view().key(), to.view().key(), fit(text));
    pg_uuid_t result;
    static_assert(sizeof result.data == sizeof uuid);
    std::memcpy(result.data, uuid.bytes.data(), sizeof result.data);
    for (const std::string_view owner : owners.subspan(1)) {
        reply_to(server, result, owner, core::Disposition::info, text);
    }
    return result;
}

Addresses warned_in(const pg_uuid_t& incident) {
    pg_uuid_t thread = incident;
    const Datum values[] = {UUIDPGetDatum(&thread)};
    const uint64 rows = warned_addresses.run(values);
    auto* list = static_cast<std::string_view*>(palloc(sizeof(std::string_view) * (rows + 1)));
    for (uint64 row = 0; row < rows; ++row) {
        bool isnull = false;
        new (&list[row]) std::string_view(pg::view(pg::spi_value(row, 1, isnull)));
    }
    return {list, rows};
}

Addresses reply_in_incident(const Server& server, const pg_uuid_t& incident, std::string_view owner,
                            core::Disposition disposition, std::string_view text) {
    const Addresses warned = warned_in(incident);
    if (warned.empty()) {
        const Addresses owners = owners_of(server, owner);
        if (!owners.empty()) {
            open_incident(server, owners, text);
        }
        return owners;
    }
    for (const std::string_view address : warned) {
        reply_to(server, incident, address, disposition, text);
    }
    return warned;
}

void reply_to(const Server& server, const pg_uuid_t& parent, std::string_view address,
              core::Disposition disposition, std::string_view text) {
    const core::Address from = address_of(server.options.address);
    const core::Address to = address_of(address);
    core::Uuid uuid;
    std::memcpy(uuid.bytes.data(), parent.data, sizeof parent.data);
    board::post_as(from.view().key(), to.view().key(), fit(text), board::Reply{uuid, disposition});
}

} // namespace cloudsat::guardian
