// Registration: which addresses this session speaks as and which it hears. It lives in the backend's memory,
// follows transactions and savepoints, and leaves an append-only trace in cloudsat.registered.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::board {

// To be called once, from _PG_init.
void watch_registration();

// The session's nick, an address. 55000 with a hint when the session is not registered. Valid until the next
// register.
Datum own_nick();

// Returns when this session may speak as the address: it is one of its own, or the user is an administrator.
// Otherwise 55000 when it is not registered, 42501 when it is.
void require_own(Datum address);

// Is the address one of this session's own? None is, when it is not registered.
bool is_own(Datum address);

// Is the address among the subscriptions of this session? Never, when it is not registered.
bool is_subscribed(Datum address);

} // namespace cloudsat::board
