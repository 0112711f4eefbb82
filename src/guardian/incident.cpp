// Incidents on the board, see incident.hpp.

#include "guardian/incident.hpp"

#include <algorithm>
#include <cstring>

#include "board/message.hpp"
#include "core/address.hpp"
#include "pg/settings.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

namespace cloudsat::guardian {
namespace {

// Where the warning went, there go the replies, whatever became of the owner since.
pg::Statement channel_of(R"(
    SELECT m.chan::pg_catalog.text FROM cloudsat.messages AS m
    WHERE m.uuid OPERATOR(pg_catalog.=) $1)",
                         {UUIDOID});

// All are addresses by the time they come here: the validator and the rules have seen to it.
core::Address address_of(std::string_view text) {
    const auto address = core::parse_address(text);
    if (!address) {
        elog(ERROR, "not an address: \"%.*s\"", static_cast<int>(text.size()), text.data());
    }
    return address.value();
}

// A small cloudsat.max_message_size must not stop the guardian.
std::string_view fit(std::string_view text) {
    const auto most = static_cast<std::size_t>(pg::settings().max_message_size);
    if (text.size() <= most) {
        return text;
    }
    std::size_t size = most;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) {
        --size;
    }
    return text.substr(0, size);
}

} // namespace

pg_uuid_t open_incident(const Server& server, std::string_view owner, std::string_view text) {
    const core::Address from = address_of(server.options.address);
    const core::Address to = address_of(owner);
    const core::Uuid uuid = board::post_as(from.view().key(), to.view().key(), fit(text));
    pg_uuid_t result;
    static_assert(sizeof result.data == sizeof uuid);
    std::memcpy(result.data, uuid.bytes.data(), sizeof result.data);
    return result;
}

std::string_view reply_in_incident(const Server& server, const pg_uuid_t& incident, std::string_view owner,
                                   core::Disposition disposition, std::string_view text) {
    const core::Address from = address_of(server.options.address);
    pg_uuid_t parent = incident;
    const Datum values[] = {UUIDPGetDatum(&parent)};
    if (channel_of.run(values, {}, false, 1) > 0) {
        bool isnull = false;
        const std::string_view warned = pg::view(pg::spi_value(0, 1, isnull));
        const core::Address to = address_of(warned);
        core::Uuid uuid;
        std::memcpy(uuid.bytes.data(), incident.data, sizeof incident.data);
        board::post_as(from.view().key(), to.view().key(), fit(text), board::Reply{uuid, disposition});
        return warned;
    }
    if (!owner.empty()) {
        board::post_as(from.view().key(), address_of(owner).view().key(), fit(text));
    }
    return owner;
}

} // namespace cloudsat::guardian
