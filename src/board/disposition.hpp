// cloudsat.disposition as the server holds it: one byte, passed by value.
#pragma once

#include "core/board/disposition.hpp"

#include "pg/boundary.hpp"

namespace cloudsat::board {

core::Disposition disposition_value(Datum disposition); // an error when the byte is none
Datum disposition_datum(core::Disposition value);

} // namespace cloudsat::board
