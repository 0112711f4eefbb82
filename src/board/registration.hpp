// Registration: the addresses that this session posts as and those that it hears. It is kept in the backend's
// memory, follows transactions and savepoints, and leaves an append-only trace in cloudsat.registered. It
// belongs to the registering role: under another role, the session is not registered.
#pragma once

#include <span>

#include "core/board/address.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::board {

// To be called once, from _PG_init.
void watch_registration();

// Ends the registration, of any role, and its stream, if there is one. The channels stay unchanged.
void end_registration();

// The session's nick, an address. Raises 55000 with a hint if the session is not registered. Valid until the
// next register.
Datum own_nick();

// The session's own addresses, the nick first, and its subscriptions. As own_nick.
std::span<const Datum> own_addresses();
std::span<const Datum> own_subscriptions();

// The addresses of an address[], distinct, in the order given. Raises if one is null, or if there are more
// than a session may have.
std::span<const core::AddressView> read_addresses(Datum array);
// The same for an argument that may also be a text[], an address, or a text: an address or an array literal.
std::span<const core::AddressView> read_addresses(FunctionCallInfo fcinfo, int number);

// The subscriptions that these addresses would have: all their suffixes, descending, as addresses. Raises if
// they are too many.
std::span<const Datum> subscriptions_to(std::span<const core::AddressView> addresses);

// Returns if this session may post as the address: it is one of its own, or the user is an administrator.
// Otherwise raises 55000 if the session is not registered, and 42501 if it is.
void require_own(Datum address);

// Whether the address is one of this session's own; false if it is not registered.
bool is_own(Datum address);

// Whether the address is among this session's subscriptions; false if it is not registered.
bool is_subscribed(Datum address);

} // namespace cloudsat::board
