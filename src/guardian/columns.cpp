// Columns as arrays; see columns.hpp.

#include "guardian/columns.hpp"

extern "C" {
#include "utils/lsyscache.h"
}

namespace cloudsat::guardian {

void Column::add(Datum value, bool isnull) {
    if (size_ == capacity_) {
        constexpr int first = 64;
        const int more = capacity_ == 0 ? first : capacity_ * 2;
        const auto slots = static_cast<Size>(more);
        if (capacity_ == 0) {
            values_ = static_cast<Datum*>(palloc(slots * sizeof(Datum)));
            nulls_ = static_cast<bool*>(palloc(slots * sizeof(bool)));
        } else {
            values_ = static_cast<Datum*>(repalloc_huge(values_, slots * sizeof(Datum)));
            nulls_ = static_cast<bool*>(repalloc_huge(nulls_, slots * sizeof(bool)));
        }
        capacity_ = more;
    }
    values_[size_] = value;
    nulls_[size_] = isnull;
    ++size_;
}

Datum Column::array(Oid type) const {
    int16 length;
    bool by_value;
    char alignment;
    get_typlenbyvalalign(type, &length, &by_value, &alignment);
    int dimension = size_;
    int lower = 1;
    if (size_ == 0) {
        return PointerGetDatum(construct_empty_array(type));
    }
    return PointerGetDatum(
        construct_md_array(values_, nulls_, 1, &dimension, &lower, type, length, by_value, alignment));
}

} // namespace cloudsat::guardian
