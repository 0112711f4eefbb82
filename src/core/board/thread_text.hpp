// A thread drawn as an indented tree, for people: one line per message, in walk order. Pure text: reads and
// writes UTF-8, knows no clock and no server. Every message becomes exactly one line, of bounded width and
// harmless to a terminal.
//
//     2026-01-05 14:03:11  alice@example.com → b.example.com: please build 1.0
//     2026-01-05 14:03:12  ├─ acknowledged w1.b.example.com → alice@example.com: on it
//     2026-01-05 14:05:40  │  └─ problem w1.b.example.com → alice@example.com: compiler crashed … [+12 lines]
//     2026-01-05 14:06:02  └─ belay alice@example.com → w1.b.example.com: never mind
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <string>
#include <string_view>

namespace cloudsat::core {

// The characters for lines, arrows and ellipses. The text of a message is the same in both.
enum class Drawing : std::uint8_t { box, ascii };

struct ThreadLine {
    std::string_view time;        // of the same width in all lines of a thread
    std::string_view disposition; // empty if the message starts a thread
    std::string_view poster;
    std::string_view chan;
    std::string_view message; // the whole text
    std::uint32_t depth;
    bool is_last; // of its siblings
    bool is_parent_gone;
};

class ThreadText {
public:
    static constexpr std::size_t line_width = 120; // columns; exceeded only to show a minimum of each message
    static constexpr std::size_t least_message = 60;
    static constexpr std::size_t most_levels = 16; // drawn; below that, the depth is a number

    ThreadText(Drawing drawing, std::pmr::memory_resource* memory) : drawing_(drawing), line_(memory) {}

    // The next message of the walk, as a line without its newline. Valid until the next call. Throws what the
    // memory resource throws.
    std::string_view draw(const ThreadLine& line);

private:
    void draw_branches(const ThreadLine& line);
    void draw_message(std::string_view message);
    void draw_text(std::string_view text, std::size_t width);

    Drawing drawing_;
    std::pmr::string line_;
    std::array<bool, most_levels> goes_on_{}; // by level: the message last drawn there has later siblings
};

// Columns that a terminal needs for UTF-8 text without control characters.
std::size_t display_width(std::string_view text) noexcept;

} // namespace cloudsat::core
