// Incidents are threads: the guardian opens one with a warning to the owner, and replies in it to the end.
#pragma once

#include <string_view>

#include "core/disposition.hpp"
#include "core/incident_text.hpp"
#include "guardian/server.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace cloudsat::guardian {

// Posts a warning from the guardian's address to the owner's, and returns the thread. Needs a transaction and
// SPI.
pg_uuid_t open_incident(const Server& server, std::string_view owner, std::string_view text);

// Replies in the thread, to the address that was warned. When the warning has been cleaned up, the text is
// posted to the owner on its own instead; `owner` is empty when there is none who can be told. Returns the
// address that was told, which lives as long as SPI; empty when nobody was.
std::string_view reply_in_incident(const Server& server, const pg_uuid_t& incident, std::string_view owner,
                                   core::Disposition disposition, std::string_view text);

} // namespace cloudsat::guardian
