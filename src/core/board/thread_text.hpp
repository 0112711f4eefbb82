// A thread drawn as an indented tree, for people: one line for each message, in the order of the walk. Pure
// text: reads and writes UTF-8, knows no clock, no server. Whatever a message holds, its line is one line, of
// bounded width and harmless to a terminal.
//
//     2026-01-05 14:03:11  alice@example.com → build.example.com: please build 1.0
//     2026-01-05 14:03:12  ├─ acknowledged w1.build.example.com → alice@example.com: on it
//     2026-01-05 14:05:40  │  └─ problem w1.build.example.com → alice@example.com: compiler crashed … [+12
//     lines] 2026-01-05 14:06:02  └─ belay alice@example.com → w1.build.example.com: never mind
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <string>
#include <string_view>

namespace cloudsat::core {

// What lines, arrows and ellipses are made of. The text of a message stays as it is in both.
enum class Drawing : std::uint8_t { box, ascii };

struct ThreadLine {
    std::string_view time;        // of the same width in all lines of a thread
    std::string_view disposition; // empty in a message that starts a thread
    std::string_view poster;
    std::string_view chan;
    std::string_view message; // all of it
    std::uint32_t depth;
    bool is_last; // of its siblings
    bool is_parent_gone;
};

class ThreadText {
public:
    static constexpr std::size_t line_width = 120; // columns; exceeded only so that a message gets its least
    static constexpr std::size_t least_message = 60;
    static constexpr std::size_t most_levels = 16; // drawn; below, the depth is a number

    ThreadText(Drawing drawing, std::pmr::memory_resource* memory) : drawing_(drawing), line_(memory) {}

    // The next message of the walk, as a line without its end. Valid until the next call. Throws what the
    // memory throws.
    std::string_view draw(const ThreadLine& line);

private:
    void draw_branches(const ThreadLine& line);
    void draw_message(std::string_view message);
    void draw_text(std::string_view text, std::size_t width);

    Drawing drawing_;
    std::pmr::string line_;
    std::array<bool, most_levels> goes_on_{}; // by level: the message drawn last there has siblings to come
};

// Columns that a terminal needs for UTF-8 text without control characters.
std::size_t display_width(std::string_view text) noexcept;

} // namespace cloudsat::core
