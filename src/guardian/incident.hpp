// Incidents are threads: the guardian opens one with a warning to the owner, and replies in it to the end.
#pragma once

#include <string_view>

#include "core/board/disposition.hpp"
#include "core/guardian/incident_text.hpp"
#include "guardian/owners.hpp"
#include "guardian/server.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace cloudsat::guardian {

// Posts a warning from the guardian's address to the first of the owners, and to each other one the same as
// a reply; returns the thread. Needs a transaction and SPI, as does everything here.
pg_uuid_t open_incident(const Server& server, Addresses owners, std::string_view text);

// Those who were warned in this thread, whatever became of the owner since; nobody when the warning has been
// cleaned up.
Addresses warned_in(const pg_uuid_t& incident);

// Replies in the thread to each who was warned. When the warning has been cleaned up, the text is posted to
// the owners on its own instead; `owner` is their name, empty when there is none who can be told. Returns the
// addresses that were told, which live as long as SPI.
Addresses reply_in_incident(const Server& server, const pg_uuid_t& incident, std::string_view owner,
                            core::Disposition disposition, std::string_view text);

// One reply to one address.
void reply_to(const Server& server, const pg_uuid_t& parent, std::string_view address,
              core::Disposition disposition, std::string_view text);

} // namespace cloudsat::guardian
