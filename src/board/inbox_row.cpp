// Rows of cloudsat.inbox, see inbox_row.hpp.

#include "board/inbox_row.hpp"

#include <iterator>

extern "C" {
#include "utils/tuplestore.h"
}

namespace cloudsat::board {
namespace {

constexpr Field columns[] = {Field::uuid,   Field::timestamp,   Field::poster, Field::chan, Field::message,
                             Field::before, Field::disposition, Field::root,   Field::depth};

} // namespace

void fill_inbox_row(const MessageRow& row, Datum* values, bool* nulls) {
    slot_getallattrs(row.slot()); // all at once
    for (std::size_t i = 0; i < std::size(columns); ++i) {
        values[i] = row.value(columns[i], nulls[i]);
    }
}

void put_inbox_row(ReturnSetInfo* result, const MessageRow& row, Datum upto) {
    Datum values[std::size(columns) + 1];
    bool nulls[std::size(columns) + 1];
    fill_inbox_row(row, values, nulls);
    values[std::size(columns)] = upto;
    nulls[std::size(columns)] = false;
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

} // namespace cloudsat::board
