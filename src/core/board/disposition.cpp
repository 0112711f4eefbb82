// Parses a disposition; everything else is in the table.
#include "core/board/disposition.hpp"

#include "core/base/bytes.hpp"

#include <algorithm>

namespace cloudsat::core {

namespace {

bool equal_in_any_case(std::string_view text, std::string_view name) noexcept {
    return std::equal(text.begin(), text.end(), name.begin(), name.end(),
                      [](char byte, char expected) { return ascii_lower(byte) == expected; });
}

} // namespace

std::optional<Disposition> parse_disposition(std::string_view text) noexcept {
    for (const DispositionEntry& entry : dispositions) {
        if (equal_in_any_case(text, entry.name)) {
            return entry.value;
        }
    }
    if (equal_in_any_case(text, end_alias)) {
        return Disposition::end;
    }
    return std::nullopt;
}

} // namespace cloudsat::core
