// TextWriter: builds a text for people in an arena.
#pragma once

#include "core/base/text.hpp"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory_resource>
#include <string>
#include <string_view>

namespace cloudsat::core {

// A growing text whose bytes stay in the arena. It owns nothing, so abandoning it leaks nothing.
class TextWriter {
public:
    explicit TextWriter(std::pmr::memory_resource* arena) : text_(arena) {}

    TextWriter& put(std::string_view part) {
        text_.append(part);
        return *this;
    }
    TextWriter& put(std::int64_t number) {
        char digits[24];
        const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
        return put({digits, static_cast<std::size_t>(end - digits)});
    }
    TextWriter& messages(std::int64_t number) {
        return put(number).put(number == 1 ? " message" : " messages");
    }

    std::string_view keep(std::pmr::memory_resource* arena) const { return join(arena, {text_}); }

private:
    std::pmr::string text_;
};

} // namespace cloudsat::core
