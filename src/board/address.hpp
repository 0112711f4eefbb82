// cloudsat.address as the server holds it: a varlena whose bytes are the key (core/board/address.hpp).
#pragma once

#include "core/board/address.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::board {

// The type's OID.
Oid address_oid();

// Points into the datum, or into a palloc'd copy if that was compressed or stored out of line.
core::AddressView address_view(Datum address);

// A palloc'd address, and an address[].
Datum address_datum(core::AddressView address);
Datum address_array(std::span<const Datum> addresses);

// For code that runs a million times in one memory context: a view that frees the copy, if one was made.
class AddressArgument {
public:
    explicit AddressArgument(Datum datum)
        : original_(DatumGetPointer(datum)),
          packed_(pg_detoast_datum_packed(reinterpret_cast<struct varlena*>(original_))) {}

    core::AddressView view() const {
        return core::AddressView(
            {VARDATA_ANY(packed_), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(packed_))});
    }
    // A statement, not a destructor: after an ERROR the context frees the copy.
    void release() {
        if (reinterpret_cast<char*>(packed_) != original_) {
            pfree(packed_);
        }
    }

private:
    char* original_;
    struct varlena* packed_;
};

// Converts text to an address; otherwise raises 22P02 with the rule and the place.
core::Address require_address(std::string_view text);

// The canonical text, as a palloc'd C string.
char* address_cstring(core::AddressView address);

} // namespace cloudsat::board
