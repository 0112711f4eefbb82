// Incidents as threads: the guardian opens a thread with a warning to the owner, and replies in it until the
// end.
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

// Posts a warning from the guardian's address to the first owner, and a copy as a reply to each other owner;
// returns the thread. Like all functions here, needs a transaction and SPI.
pg_uuid_t open_incident(const Server& server, Addresses owners, std::string_view text);

// The addresses warned in this thread, even if they own the queue no longer; none if the warning has been
// cleaned up.
Addresses warned_in(const pg_uuid_t& incident);

// Replies in the thread to each warned address. If the warning has been cleaned up, posts the text to the
// owners on its own; `owner` is their name, empty if there is no owner to notify. Returns the notified
// addresses, which live as long as SPI.
Addresses reply_in_incident(const Server& server, const pg_uuid_t& incident, std::string_view owner,
                            core::Disposition disposition, std::string_view text);

// One reply to one address.
void reply_to(const Server& server, const pg_uuid_t& parent, std::string_view address,
              core::Disposition disposition, std::string_view text);

} // namespace cloudsat::guardian
