// SQL from C++: an SPI connection for a scope of statements, and statements planned once per backend. Between
// spi_begin and spi_end search_path is "pg_catalog, pg_temp", as in the server's own maintenance commands
// (RestrictSearchPath of 17): statements qualify only names outside pg_catalog.
#pragma once

#include <initializer_list>
#include <span>

#include "pg/boundary.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace cloudsat::pg {

// Begin and end are statements, not a constructor and a destructor: an ERROR in between closes SPI
// automatically.
void spi_begin();
void spi_end();

// A prepared statement. Declare it static; it is planned at first use, and the server replans it when objects
// change. Argument types must be built-in (their OIDs never change): pass an address as text and cast it in
// the statement.
class Statement {
public:
    constexpr Statement(const char* sql, std::initializer_list<Oid> types)
        : Statement(sql, std::span(types.begin(), types.size())) {}
    constexpr Statement(const char* sql, std::span<const Oid> types) : sql_(sql) {
        for (Oid type : types) {
            types_[count_++] = type;
        }
    }

    // Runs it between spi_begin and spi_end; the result is in SPI_tuptable. Returns the row count. `nulls`:
    // one flag per argument, empty for none. Raises if the statement fails.
    uint64 run(std::span<const Datum> values = {}, std::span<const bool> nulls = {}, bool read_only = false,
               long limit = 0);

private:
    static constexpr int most_arguments = 64;
    const char* sql_;
    Oid types_[most_arguments] = {};
    int count_ = 0;
    SPIPlanPtr plan_ = nullptr;
};

// Column `number` (from 1) of row `row` (from 0) of the last result. Sets `isnull` for a null.
Datum spi_value(uint64 row, int number, bool& isnull);

} // namespace cloudsat::pg
