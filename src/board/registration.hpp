// Registration: which addresses this session speaks as and which it hears. It lives in the backend's memory,
// follows transactions and savepoints, and leaves an append-only trace in cloudsat.registered. It is the
// registering role's: while the session's role is another one, the session is not registered.
#pragma once

#include <span>

#include "core/board/address.hpp"

#include "pg/boundary.hpp"

namespace cloudsat::board {

// To be called once, from _PG_init.
void watch_registration();

// Ends the registration, whichever role's it is, and its stream, if there is one. The channels stay as they
// are.
void end_registration();

// The session's nick, an address. 55000 with a hint when the session is not registered. Valid until the next
// register.
Datum own_nick();

// The session's own addresses, the nick first, and its subscriptions. As own_nick.
std::span<const Datum> own_addresses();
std::span<const Datum> own_subscriptions();

// The addresses of an address[], distinct, in the order given. Raises when one is null, or when there are
// more than a session may have.
std::span<const core::AddressView> read_addresses(Datum array);
// The same of an argument, which may also be a text[], an address, or a text: an address, or an array as a
// literal.
std::span<const core::AddressView> read_addresses(FunctionCallInfo fcinfo, int number);

// What somebody who registered these would be subscribed to: all their suffixes, descending, as addresses.
// Raises when they are too many.
std::span<const Datum> subscriptions_to(std::span<const core::AddressView> addresses);

// Returns when this session may speak as the address: it is one of its own, or the user is an administrator.
// Otherwise 55000 when it is not registered, 42501 when it is.
void require_own(Datum address);

// Is the address one of this session's own? None is, when it is not registered.
bool is_own(Datum address);

// Is the address among the subscriptions of this session? Never, when it is not registered.
bool is_subscribed(Datum address);

} // namespace cloudsat::board
