// cloudsat.disposition as the server holds it: one byte, passed by value.
#pragma once

#include "core/board/disposition.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::board {

core::Disposition disposition_value(Datum disposition); // raises an error if the byte is not a disposition
Datum disposition_datum(core::Disposition value);

} // namespace cloudsat::board
