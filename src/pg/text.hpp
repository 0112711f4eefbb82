// Converts between the server's text and array values and C++ views. Views point into the datum and are valid
// as long as it is.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include "pg/boundary.hpp"

extern "C" {
#include "commands/trigger.h"
}

namespace cloudsat::pg {

// The bytes of a text argument, detoasted when needed (then palloc'd in the current context).
std::string_view view(Datum text_value);
Datum to_text(std::string_view bytes);

// The elements of a one-dimensional array, and their null flags. Both spans are palloc'd.
struct Elements {
    std::span<Datum> values;
    std::span<bool> nulls;
};
Elements elements(Datum array, Oid element_type);

// Raises 22004, naming the argument, if it is null. Arguments are counted from 0.
void require_argument(FunctionCallInfo fcinfo, int number, const char* name);
// The same for the first ones.
void require_arguments(FunctionCallInfo fcinfo, std::initializer_list<const char*> names);

// Raises unless the function is called by a trigger.
const TriggerData& require_trigger(FunctionCallInfo fcinfo);

// The declared type of an argument of the called function.
Oid argument_type(FunctionCallInfo fcinfo, int number);

} // namespace cloudsat::pg
