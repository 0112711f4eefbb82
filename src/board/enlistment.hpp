// Who may be who: whom an administrator has enlisted, for which addresses, and on whose behalf a call is
// made. Reads cloudsat.enlisted; knows nothing of sessions and their registrations.
//
// A call has two users. The session's is the login, or what SET ROLE made of it. The caller's is the same
// one, but for functions that are SECURITY DEFINER and for maintenance (an index's function run by VACUUM or
// ANALYZE): there it is the owner. A right to speak or to read as somebody counts when both have it, so that
// no such function lends its owner's rights, and none takes those of whoever happens to run it. A function of
// ours that asks must not be SECURITY DEFINER itself, or else the caller is always our owner.
#pragma once

#include <span>

#include "core/board/address.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::board {

// Are both superusers or members of cloudsat_admin?
bool is_administrator();

// May the caller use what belongs to the session, its registration above all? The session's user may, and who
// is an administrator anyway.
bool speaks_for_session();

// Returns unless the caller is a bot of kind server and nothing more. Otherwise 42501 that says which kind
// may.
void require_may_start_threads();

// Return when both users may do so with each of the addresses: they lie under those that the user is enlisted
// for as server or task, or it is an administrator; cloudsat_adhoc may read anything. Otherwise 42501 with
// what it is enlisted for. They look at what is committed now, whatever the isolation level.
void require_may_register(std::span<const core::AddressView> addresses);
void require_may_read(std::span<const core::AddressView> addresses);

// The same of one role, as an answer.
bool may_register(Oid role, std::span<const core::AddressView> addresses);

// Another number whenever somebody may have been enlisted or dismissed.
unsigned enlistment_generation() noexcept;

// To be called once, from _PG_init.
void watch_enlistment();

} // namespace cloudsat::board
