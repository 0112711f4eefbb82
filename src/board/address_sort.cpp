// Sort support for cloudsat.address: a comparison without the function call interface, and abbreviated keys
// (core/board/address_abbreviation.hpp). Abbreviation is abandoned if the keys distinguish too few addresses
// to be worth their cost.

#include <algorithm>
#include <cstdint>

#include "board/address.hpp"
#include "core/board/address_abbreviation.hpp"
#include "pg/memory.hpp"

extern "C" {
#include "common/hashfn.h"
#include "lib/hyperloglog.h"
#include "utils/sortsupport.h"
}

namespace cloudsat::board {

namespace {

// State of one sort, allocated in its context.
struct SortState {
    core::AddressAbbreviation abbreviation;
    hyperLogLogState keys;   // estimated number of distinct addresses
    hyperLogLogState labels; // estimated number of distinct labels
    // labels per address below which abbreviation is abandoned; decreases while it pays off
    double demanded_share = 0.20;
};

int compare(Datum x, Datum y, SortSupport) {
    AddressArgument a(x), b(y);
    const int order = a.view().key().compare(b.view().key());
    a.release();
    b.release();
    return order;
}

uint32 hash_of(std::string_view bytes) {
    return hash_bytes(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
}

Datum abbreviate(Datum original, SortSupport sort) {
    auto* state = static_cast<SortState*>(sort->ssup_extra);
    AddressArgument address(original);
    const std::string_view key = address.view().key();
    const std::uint64_t label = state->abbreviation.label(key);
    addHyperLogLog(&state->keys, hash_of(key));
    addHyperLogLog(&state->labels, hash_bytes_uint32(static_cast<uint32>(label ^ (label >> 32))));
    address.release();
    if constexpr (sizeof(Datum) == sizeof label) {
        return static_cast<Datum>(label);
    } else {
        return static_cast<Datum>(label >> 32);
    }
}

// The server asks at growing intervals. As for text, the threshold decreases while labels are distinct,
// because abandoning late loses the work already done.
bool give_up(int count, SortSupport sort) {
    auto* state = static_cast<SortState*>(sort->ssup_extra);
    if (count < 100) {
        return false;
    }
    const double keys = std::max(estimateHyperLogLog(&state->keys), 1.0);
    const double labels = std::max(estimateHyperLogLog(&state->labels), 1.0);
    if (labels <= keys * state->demanded_share) {
        return true;
    }
    if (count > 10000) {
        state->demanded_share *= 0.65;
    }
    return false;
}

Datum address_sortsupport(FunctionCallInfo fcinfo) {
    auto* sort = reinterpret_cast<SortSupport>(PG_GETARG_POINTER(0));
    sort->comparator = compare;
    if (sort->abbreviate) {
        MemoryContext before = MemoryContextSwitchTo(sort->ssup_cxt);
        auto* state = pg::make<SortState>(sort->ssup_cxt);
        initHyperLogLog(&state->keys, 10);
        initHyperLogLog(&state->labels, 10);
        sort->ssup_extra = state;
        sort->comparator = ssup_datum_unsigned_cmp;
        sort->abbrev_converter = abbreviate;
        sort->abbrev_abort = give_up;
        sort->abbrev_full_comparator = compare;
        MemoryContextSwitchTo(before);
    }
    PG_RETURN_VOID();
}

} // namespace

SQL_FUNCTION(address_sortsupport);

} // namespace cloudsat::board
