// cloudsat.address as the server holds it: a varlena whose bytes are the key (core/board/address.hpp).
#pragma once

#include "core/board/address.hpp"

#include "pg/boundary.hpp"

namespace cloudsat::board {

// The type's object id.
Oid address_oid();

// Points into the datum, or, when that was compressed or stored out of line, into a palloc'd copy.
core::AddressView address_view(Datum address);

// A palloc'd address.
Datum address_datum(core::AddressView address);

// For what runs a million times in one memory context: a view that gives back the copy, if one was made.
class AddressArgument {
public:
    explicit AddressArgument(Datum datum)
        : original_(DatumGetPointer(datum)),
          packed_(pg_detoast_datum_packed(reinterpret_cast<struct varlena*>(original_))) {}

    core::AddressView view() const {
        return core::AddressView(
            {VARDATA_ANY(packed_), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(packed_))});
    }
    // A statement, not a destructor: an ERROR in between leaves the copy to the context.
    void release() {
        if (reinterpret_cast<char*>(packed_) != original_) {
            pfree(packed_);
        }
    }

private:
    char* original_;
    struct varlena* packed_;
};

// The address that this text means; 22P02 with rule and place when it means none.
core::Address require_address(std::string_view text);

// The canonical text, as a palloc'd C string.
char* address_cstring(core::AddressView address);

} // namespace cloudsat::board
