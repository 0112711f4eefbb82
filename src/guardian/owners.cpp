// Owners; see owners.hpp.

#include "guardian/owners.hpp"

#include <new>

#include "core/board/address.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

namespace cloudsat::guardian {
namespace {

pg::Statement mapped_owners(R"(
    SELECT a.owner::text
    FROM cloudsat.account_owners AS a
    WHERE a.server = $1
      AND a.username = $2
    ORDER BY a.owner)",
                            {TEXTOID, TEXTOID});

} // namespace

std::string_view as_mailbox(std::string_view owner) {
    const auto address = core::parse_address(owner);
    if (!address || !core::local(address.value())) {
        return {};
    }
    const core::AddressText text = core::print(address.value().view());
    return {pnstrdup(text.view().data(), text.size()), text.size()};
}

Addresses owners_of(const Server& server, std::string_view owner) {
    if (owner.empty()) {
        return {};
    }
    const Datum values[] = {pg::to_text(server.name), pg::to_text(owner)};
    const uint64 rows = mapped_owners.run(values);
    auto* list = static_cast<std::string_view*>(palloc(sizeof(std::string_view) * (rows + 1)));
    for (uint64 row = 0; row < rows; ++row) {
        bool isnull = false;
        new (&list[row]) std::string_view(pg::view(pg::spi_value(row, 1, isnull)));
    }
    if (rows > 0) {
        return {list, rows};
    }
    new (list) std::string_view(as_mailbox(owner));
    return {list, list->empty() ? 0U : 1U};
}

} // namespace cloudsat::guardian
