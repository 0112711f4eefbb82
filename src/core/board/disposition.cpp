// Parses a disposition; everything else is in the table.
#include "core/board/disposition.hpp"

#include "core/base/bytes.hpp"

namespace cloudsat::core {

std::optional<Disposition> parse_disposition(std::string_view text) noexcept {
    for (const DispositionEntry& entry : dispositions) {
        if (is_word(text, entry.name)) {
            return entry.value;
        }
    }
    if (is_word(text, end_alias)) {
        return Disposition::end;
    }
    return std::nullopt;
}

} // namespace cloudsat::core
