// cloudsat.address as the server holds it: a varlena whose bytes are the key (core/address.hpp).
#pragma once

#include "core/address.hpp"

#include "pg/boundary.hpp"

namespace cloudsat::board {

// Points into the datum, or, when that was compressed or stored out of line, into a palloc'd copy.
core::AddressView address_view(Datum address);

// A palloc'd address.
Datum address_datum(core::AddressView address);

// The address that this text means; 22P02 with rule and place when it means none.
core::Address require_address(std::string_view text);

// The canonical text, as a palloc'd C string.
char* address_cstring(core::AddressView address);

} // namespace cloudsat::board
