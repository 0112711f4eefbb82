// A row of a function's result, column by column.
#pragma once

#include <optional>

#include "pg/boundary.hpp"

extern "C" {
#include "access/htup_details.h"
#include "utils/tuplestore.h"
}

namespace cloudsat::pg {

class ResultRow {
public:
    void add(Datum value, bool isnull = false) {
        values_[count_] = value;
        nulls_[count_++] = isnull;
    }
    // The value as `convert` makes it, or null.
    template <class T, class Convert> void add(const std::optional<T>& value, Convert convert) {
        add(value ? convert(*value) : Datum{0}, !value);
    }

    // As the next row of a set (InitMaterializedSRF), and as a composite value.
    void put(FunctionCallInfo fcinfo) {
        auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
        Assert(count_ == result->setDesc->natts);
        tuplestore_putvalues(result->setResult, result->setDesc, values_, nulls_);
    }
    Datum value(TupleDesc type) {
        Assert(count_ == type->natts);
        return HeapTupleGetDatum(heap_form_tuple(type, values_, nulls_));
    }

private:
    static constexpr int most = 16;
    Datum values_[most];
    bool nulls_[most];
    int count_ = 0;
};

} // namespace cloudsat::pg
