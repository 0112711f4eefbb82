// Names with a NUL; see broker_name.hpp.
#include "core/wire/broker_name.hpp"

#include "core/base/text.hpp"
#include "core/wire/url.hpp"

#include <string>

namespace cloudsat::core {
namespace {

constexpr std::string_view encoded_nul = "%00", encoded_percent = "%25";

} // namespace

std::string_view text_of_name(std::string_view name, std::pmr::memory_resource* arena) {
    if (name.find('\0') == std::string_view::npos && !name.ends_with(encoded_mark)) {
        return name;
    }
    std::pmr::string text(arena);
    for (const char c : name) {
        if (c == '\0') {
            text += encoded_nul;
        } else if (c == '%') {
            text += encoded_percent;
        } else {
            text += c;
        }
    }
    text += encoded_mark;
    return copy_text(arena, text);
}

std::string_view name_of_text(std::string_view text, std::pmr::memory_resource* arena) {
    if (!text.ends_with(encoded_mark)) {
        return text;
    }
    std::string_view rest = text.substr(0, text.size() - encoded_mark.size());
    std::pmr::string name(arena);
    while (!rest.empty()) {
        const bool nul = rest.starts_with(encoded_nul), percent = rest.starts_with(encoded_percent);
        name += nul ? '\0' : rest.front();
        rest.remove_prefix(nul || percent ? encoded_nul.size() : 1);
    }
    return copy_text(arena, name);
}

std::optional<std::string_view> segment_of_text(std::string_view text, std::pmr::memory_resource* arena) {
    return encode_segment(name_of_text(text, arena), arena);
}

} // namespace cloudsat::core
