// The addresses that each role may use: enlisted by an administrator, and checked for the users of a call.
// Reads cloudsat.enlisted; knows nothing of sessions and their registrations.
//
// A call has two users. The session's user is the login, or the role set by SET ROLE. The caller is the same,
// except in SECURITY DEFINER functions and maintenance (an index's function run by VACUUM or ANALYZE), where
// it is the owner. A right to post or to read as an address requires both. So no such function lends its
// owner's rights, and none uses those of the user that happens to run it. Functions of ours that check rights
// must not be SECURITY DEFINER: otherwise the caller would always be our owner.
#pragma once

#include <span>

#include "core/board/address.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::board {

// Whether both are superusers or members of cloudsat_admin.
bool is_administrator();

// Whether the caller may use what belongs to the session, above all its registration: the session's user and
// administrators may.
bool speaks_for_session();

// Returns unless the caller is only a bot of kind server. Otherwise raises 42501, which names the kinds that
// may.
void require_may_start_threads();

// Return if both users may do so with each of the addresses: if these lie under those enlisted for the user
// as server or task, or the user is an administrator; cloudsat_adhoc may read any. Otherwise raise 42501 with
// the enlisted addresses. They read rows committed by now, at any isolation level.
void require_may_register(std::span<const core::AddressView> addresses);
void require_may_speak_as(const core::AddressView& address);
void require_may_read(std::span<const core::AddressView> addresses);

// The same check of one role, as a result.
bool may_register(Oid role, std::span<const core::AddressView> addresses);

// A number that changes whenever a role may have been enlisted or dismissed.
unsigned enlistment_generation() noexcept;

// To be called once, from _PG_init.
void watch_enlistment();

} // namespace cloudsat::board
