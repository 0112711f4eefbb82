// Between the server's text and array values and C++ views. Views point into the datum: they live as long as
// it does.
#pragma once

#include <span>
#include <string_view>

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// The bytes of a text argument, detoasted when needed (then palloc'd in the current context).
std::string_view view(Datum text_value);
Datum to_text(std::string_view bytes);

// The elements of a one-dimensional array, and which of them are null. Both spans are palloc'd.
struct Elements {
    std::span<Datum> values;
    std::span<bool> nulls;
};
Elements elements(Datum array, Oid element_type);

// 22004 naming the argument, unless it is there. Arguments are counted from 0.
void require_argument(FunctionCallInfo fcinfo, int number, const char* name);

// The type with which the function that is called declares an argument.
Oid argument_type(FunctionCallInfo fcinfo, int number);

} // namespace cloudsat::pg
