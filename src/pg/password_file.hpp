// A password that stands in a file on the server's machine.
#pragma once

#include <string_view>

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// The first line of the file, palloc'd. Raises when it cannot be read or holds nothing that could be one.
std::string_view read_password(const char* path);

} // namespace cloudsat::pg
