// A password in a file on the server's machine.
#pragma once

#include <string_view>

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// The first line of the file, palloc'd. Raises if the file cannot be read or contains no possible password.
std::string_view read_password(const char* path);

} // namespace cloudsat::pg
