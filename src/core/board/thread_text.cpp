// A thread drawn as an indented tree, see thread_text.hpp.

#include "core/board/thread_text.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <charconv>

namespace cloudsat::core {
namespace {

struct Marks {
    std::string_view branch, last_branch, blocker, blank, deeper, arrow, ellipsis, substitute;
};
constexpr Marks box_marks{"├─ ", "└─ ", "│  ", "   ", "⋮ +", " → ", "…", "\uFFFD"};
constexpr Marks ascii_marks{"|- ", "`- ", "|  ", "   ", ": +", " -> ", "...", "?"};

constexpr const Marks& marks(Drawing drawing) {
    return drawing == Drawing::box ? box_marks : ascii_marks;
}

struct Range {
    char32_t first, last;
    friend constexpr bool operator<(Range range, char32_t character) { return range.last < character; }
};

template <std::size_t N> constexpr bool contains(const Range (&ranges)[N], char32_t character) {
    const Range* found = std::lower_bound(std::begin(ranges), std::end(ranges), character);
    return found != std::end(ranges) && found->first <= character;
}

// Characters that could move the cursor, end the line, change the writing direction or be invisible.
constexpr Range harmful[] = {{0x00, 0x1F},     {0x7F, 0x9F},     {0xAD, 0xAD},      {0x61C, 0x61C},
                             {0x200B, 0x200B}, {0x200E, 0x200F}, {0x2028, 0x202E},  {0x2060, 0x206F},
                             {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};
// Combining characters, and the double-width blocks of East Asia and of emoji. Coarse: an error only shifts a
// line by a few columns.
constexpr Range combining[] = {{0x300, 0x36F},   {0x483, 0x489},   {0x591, 0x5BD},   {0x610, 0x61A},
                               {0x64B, 0x65F},   {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200C, 0x200D},
                               {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xE0100, 0xE01EF}};
constexpr Range wide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xAC00, 0xD7A3},
                          {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
                          {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD}};

constexpr std::size_t most_accents = 4; // on one character: more would take unlimited bytes and no column

constexpr std::size_t columns(char32_t character) {
    return contains(combining, character) ? 0 : contains(wide, character) ? 2 : 1;
}

void append_number(std::pmr::string& out, std::size_t number) {
    char digits[20];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), number).ptr;
    out.append(digits, end);
}

constexpr std::string_view white = " \t\r\n\v\f";

std::string_view trim_end(std::string_view text) noexcept {
    const std::size_t last = text.find_last_not_of(white);
    return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

std::string_view trim(std::string_view text) noexcept {
    text.remove_prefix(std::min(text.find_first_not_of(white), text.size()));
    return trim_end(text);
}

} // namespace

std::size_t display_width(std::string_view text) noexcept {
    std::size_t width = 0;
    while (!text.empty()) {
        const Character next = decode(text);
        width += columns(next.value);
        text.remove_prefix(next.bytes);
    }
    return width;
}

std::string_view ThreadText::draw(const ThreadLine& line) {
    line_.assign(line.time);
    line_ += "  ";
    draw_branches(line);
    if (line.is_parent_gone) {
        line_ += "(parent gone) ";
    }
    if (!line.disposition.empty()) {
        line_ += line.disposition;
        line_ += ' ';
    }
    line_ += line.poster;
    line_ += marks(drawing_).arrow;
    line_ += line.chan;
    line_ += ':';
    draw_message(line.message);
    return line_;
}

void ThreadText::draw_branches(const ThreadLine& line) {
    const Marks& mark = marks(drawing_);
    const std::size_t drawn = std::min<std::size_t>(line.depth, most_levels);
    for (std::size_t level = 1; level < drawn; ++level) {
        line_ += goes_on_[level - 1] ? mark.blocker : mark.blank;
    }
    if (line.depth > most_levels) {
        line_ += mark.deeper;
        append_number(line_, line.depth - most_levels);
        line_ += ' ';
    } else if (line.depth > 0) {
        line_ += line.is_last ? mark.last_branch : mark.branch;
        goes_on_[line.depth - 1] = !line.is_last;
    }
}

void ThreadText::draw_message(std::string_view message) {
    message = trim(message);
    const std::string_view first = message.substr(0, message.find('\n'));
    const auto more = static_cast<std::size_t>(std::ranges::count(message.substr(first.size()), '\n'));
    char digits[20];
    const std::string_view count(digits, std::to_chars(digits, std::end(digits), more).ptr);
    const std::string_view lines = more == 1 ? " line]" : " lines]";
    const std::size_t tail = more > 0 ? std::string_view(" [+").size() + count.size() + lines.size() : 0;

    if (!first.empty()) {
        line_ += ' ';
    }
    const std::size_t used = display_width(line_) + tail;
    draw_text(trim_end(first), used + least_message < line_width ? line_width - used : least_message);
    if (more > 0) {
        line_.append(" [+").append(count).append(lines);
    }
}

void ThreadText::draw_text(std::string_view text, std::size_t width) {
    const Marks& mark = marks(drawing_);
    std::size_t used = 0, accents = 0;
    std::size_t cut = line_.size(); // where an ellipsis still fits if the rest is too long
    while (!text.empty()) {
        const Character next = decode(text);
        std::string_view shown = text.substr(0, next.bytes);
        text.remove_prefix(next.bytes);
        std::size_t needed = columns(next.value);
        if (next.value == '\t') {
            shown = " ";
        } else if (next.value == not_utf8 || contains(harmful, next.value)) {
            shown = mark.substitute;
        }
        accents = needed == 0 ? accents + 1 : 0;
        if (accents > most_accents) {
            continue;
        }
        if (used + needed > width) {
            line_.resize(cut);
            line_ += mark.ellipsis;
            return;
        }
        line_ += shown;
        used += needed;
        if (used + display_width(mark.ellipsis) <= width) {
            cut = line_.size();
        }
    }
}

} // namespace cloudsat::core
