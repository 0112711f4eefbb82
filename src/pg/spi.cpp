// SQL from C++, see spi.hpp.

#include "pg/spi.hpp"

extern "C" {
#include "utils/guc.h"
}

namespace cloudsat::pg {

void spi_begin() {
    if (SPI_connect() != SPI_OK_CONNECT) {
        elog(ERROR, "could not connect to SPI");
    }
    NewGUCNestLevel();
    set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
                      0, false);
}

void spi_end() {
    // Code that ran since spi_begin() has closed its own levels, so the innermost level is spi_begin()'s.
    AtEOXact_GUC(false, NewGUCNestLevel() - 1);
    if (SPI_finish() != SPI_OK_FINISH) {
        elog(ERROR, "could not disconnect from SPI");
    }
}

uint64 Statement::run(std::span<const Datum> values, std::span<const bool> nulls, bool read_only,
                      long limit) {
    Assert(static_cast<int>(values.size()) == count_);
    if (plan_ == nullptr) {
        SPIPlanPtr plan = SPI_prepare(sql_, count_, types_);
        if (plan == nullptr || SPI_keepplan(plan) != 0) {
            elog(ERROR, "could not prepare \"%s\": %s", sql_, SPI_result_code_string(SPI_result));
        }
        plan_ = plan;
    }
    Datum arguments[most_arguments] = {};
    char null_flags[most_arguments + 1] = {};
    for (std::size_t i = 0; i < values.size(); ++i) {
        arguments[i] = values[i];
        null_flags[i] = i < nulls.size() && nulls[i] ? 'n' : ' ';
    }
    int result = SPI_execute_plan(plan_, arguments, null_flags, read_only, limit);
    if (result < 0) {
        elog(ERROR, "could not execute \"%s\": %s", sql_, SPI_result_code_string(result));
    }
    return SPI_processed;
}

Datum spi_value(uint64 row, int number, bool& isnull) {
    return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, &isnull);
}

} // namespace cloudsat::pg
