// The board's uuids: core/board/uuid7 with the server's clock and randomness, and conversions to server
// values.
#pragma once

#include "core/board/thread_tree.hpp"
#include "core/board/uuid7.hpp"
#include "pg/boundary.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace cloudsat::board {

// The next uuid of this backend. Raises if the clock is out of range or randomness is unavailable.
core::Uuid new_uuid();

// The instant in a uuid that new_uuid made.
TimestampTz timestamp_of(const core::Uuid& uuid);

// The smallest uuid of an instant, if there is one.
std::optional<core::Uuid> uuid_floor_of(TimestampTz time);

// How far a clock may step back without readers missing messages that then get earlier uuids.
inline constexpr std::int64_t clock_margin = USECS_PER_DAY;

// In halves, as core compares them.
core::MessageId message_id(Datum uuid);
core::Uuid uuid_of(const core::MessageId& id);

// The server stores a uuid as the same 16 bytes.
core::Uuid from_datum(Datum uuid);
inline Datum as_datum(const core::Uuid& uuid) {
    return PointerGetDatum(&uuid);
} // points at it
Datum copy_datum(const core::Uuid& uuid); // palloc'd
// The canonical text, as a palloc'd C string.
char* uuid_cstring(const core::Uuid& uuid);

} // namespace cloudsat::board
