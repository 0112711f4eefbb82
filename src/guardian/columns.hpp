// Columns of rows, sent as arrays so that one statement writes all of them: SELECT ... FROM unnest($1, $2,
// ...). (unnest of several arrays is syntax, not a function that a search_path could replace;
// schema-qualified, it would be a function.) Plain and palloc'd: an ereport may jump over it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "pg/boundary.hpp"
#include "pg/text.hpp"

namespace cloudsat::guardian {

class Column {
public:
    void add(Datum value, bool isnull = false);
    void add_null() { add(Datum{0}, true); }
    // an empty text is null: the listing did not report it
    void add_told(std::string_view value) { value.empty() ? add_null() : add(pg::to_text(value)); }
    void add_text(std::string_view value) { add(pg::to_text(value)); }
    void add_int8(std::int64_t value) { add(Int64GetDatum(value)); }
    void add_int8(std::optional<std::int64_t> value) { value ? add_int8(*value) : add_null(); }
    void add_bool(bool value) { add(BoolGetDatum(value)); }
    void add_bool(std::optional<bool> value) { value ? add_bool(*value) : add_null(); }
    void add_time(std::int64_t micros) { add(Int64GetDatum(micros), micros == 0); } // 0 is null

    int size() const noexcept { return size_; }
    Datum array(Oid type) const;

private:
    Datum* values_ = nullptr;
    bool* nulls_ = nullptr;
    int size_ = 0;
    int capacity_ = 0;
};
static_assert(pg::Plain<Column>);

} // namespace cloudsat::guardian
