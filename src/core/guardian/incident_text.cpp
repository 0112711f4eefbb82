// Texts about incidents; see incident_text.hpp.

#include "core/guardian/incident_text.hpp"

#include "core/base/text.hpp"
#include "core/base/text_writer.hpp"

#include <algorithm>
#include <cstdint>

namespace cloudsat::core {
namespace {

using Writer = TextWriter;

// The code point at the beginning of UTF-8 text; for other text, the byte itself.
struct CodePoint {
    std::uint32_t value;
    std::size_t size;
};
CodePoint code_point(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const std::uint32_t first = byte(0);
    const std::size_t size = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    if (size == 1 || size > text.size()) {
        return {first, 1};
    }
    std::uint32_t value = first & (0xFFU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if (!continues_code_point(text[i])) {
            return {first, 1};
        }
        value = value << 6U | (byte(i) & 0x3FU);
    }
    return {value, size};
}

struct Range {
    std::uint32_t first, last;
};
template <std::size_t N> constexpr bool is_in(std::uint32_t c, const Range (&ranges)[N]) noexcept {
    return std::any_of(ranges, ranges + N,
                       [c](const Range& range) { return c >= range.first && c <= range.last; });
}

// Characters that can end a line, are invisible, or change the reading direction: the Unicode general
// categories Cc, Cf, Zl and Zp; characters with the property Default_Ignorable_Code_Point (fillers, variation
// selectors, tags); and the Braille blank.
constexpr Range treacherous[] = {
    {0x0000, 0x001F},   {0x007F, 0x009F},   {0x00AD, 0x00AD},   {0x034F, 0x034F},   {0x0600, 0x0605},
    {0x061C, 0x061C},   {0x06DD, 0x06DD},   {0x070F, 0x070F},   {0x0890, 0x0891},   {0x08E2, 0x08E2},
    {0x115F, 0x1160},   {0x17B4, 0x17B5},   {0x180B, 0x180F},   {0x200B, 0x200F},   {0x2028, 0x202E},
    {0x2060, 0x206F},   {0x2800, 0x2800},   {0x3164, 0x3164},   {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},
    {0xFFA0, 0xFFA0},   {0xFFF0, 0xFFFB},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F},
    {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};

// A link, address or domain contains at least one of these: ".", ":", "@" and their lookalikes.
constexpr Range link_marks[] = {{'.', '.'},       {':', ':'},       {'@', '@'},       {0x2024, 0x2024},
                                {0x3002, 0x3002}, {0xFE52, 0xFE52}, {0xFE55, 0xFE55}, {0xFE6B, 0xFE6B},
                                {0xFF0E, 0xFF0E}, {0xFF1A, 0xFF1A}, {0xFF20, 0xFF20}, {0xFF61, 0xFF61}};

void put_escaped(Writer& out, std::uint32_t c) {
    out.put(c > 0xFFFF ? "\\U" : "\\u");
    for (int shift = c > 0xFFFF ? 28 : 12; shift >= 0; shift -= 4) {
        out.put(hex_digits.substr(c >> shift & 15U, 1));
    }
}

enum class Shown : std::uint8_t { on_board, in_mail };

void put_quoted(Writer& out, std::string_view name, Shown shown = Shown::on_board) {
    const bool in_mail = shown == Shown::in_mail;
    out.put("\"");
    while (!name.empty()) {
        const CodePoint c = code_point(name);
        const std::string_view bytes = name.substr(0, c.size);
        name.remove_prefix(c.size);
        // in mails a bracket has only one meaning, and two backslashes begin a network path
        if (is_in(c.value, treacherous) || (in_mail && (c.value == '[' || c.value == '\\'))) {
            put_escaped(out, c.value);
        } else if (c.value == '"' || c.value == '\\') {
            out.put("\\").put(bytes);
        } else if (in_mail && is_in(c.value, link_marks) && !name.empty() && name.front() != ' ') {
            out.put("[").put(bytes).put("]");
        } else {
            out.put(bytes);
        }
    }
    out.put("\"");
}

Writer& put_queue(Writer& out, const Incident& incident) {
    out.put("Queue ");
    put_quoted(out, incident.queue);
    out.put(" in vhost ");
    put_quoted(out, incident.vhost);
    return out.put(" of broker ").put(incident.server);
}

// "N messages", or "N messages ready" if the basis is ready
Writer& put_size(Writer& out, const Incident& incident) {
    out.messages(incident.size.value_or(0));
    return incident.limits.basis == Basis::ready ? out.put(" ready") : out;
}

// The time left to help the queue; nothing if there is none.
Writer& put_delay(Writer& out, Micros delay, std::string_view after) {
    struct Unit {
        std::string_view name;
        Micros length;
    };
    constexpr Unit units[] = {{"day", 86'400 * micros_per_second},
                              {"hour", 3'600 * micros_per_second},
                              {"minute", 60 * micros_per_second},
                              {"second", micros_per_second}};
    for (const auto& [name, length] : units) {
        if (delay > 0 && (delay % length == 0 || length == micros_per_second)) {
            const Micros count = (delay + length - 1) / length;
            return out.put(", at the earliest ")
                .put(count)
                .put(" ")
                .put(name)
                .put(count == 1 ? " after " : "s after ")
                .put(after);
        }
    }
    return out;
}

} // namespace

bool never_deleted(const Incident& incident) noexcept {
    return incident.limits.unbounded || incident.stream;
}

std::string_view quoted(std::string_view name, std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_quoted(out, name);
    return out.keep(arena);
}

std::string_view mail_name(std::string_view name, std::pmr::memory_resource* arena) {
    const std::string_view shown = cut(name, mail_name_size);
    Writer out(arena);
    put_quoted(out, shown, Shown::in_mail);
    if (shown.size() < name.size()) {
        out.put("...");
    }
    return out.keep(arena);
}

std::string_view say_prospects(const Incident& incident, std::pmr::memory_resource* arena) {
    Writer out(arena);
    const bool archived = incident.limits.archive_size && incident.enforce && !incident.stream;
    if (archived) {
        out.put("Above ").put(*incident.limits.archive_size).put(" its oldest messages will be archived.\n");
    }
    if (never_deleted(incident)) {
        out.put("It will not be deleted, however large it grows.\n");
    } else if (incident.enforce) {
        out.put("Above ").put(incident.limits.delete_size).put(" it will be deleted, with all its messages");
        put_delay(out, incident.limits.delete_delay, "this warning").put(".\n");
    } else {
        out.put("Above ").put(incident.limits.delete_size);
        out.put(" it would be deleted if limits were enforced for this broker.\n");
    }
    if (incident.enforce && (!never_deleted(incident) || archived)) {
        out.put("To prevent this, an owner replies \"belay\" on the board.\n");
    }
    out.put("The warning ends when it has ").put(rearm_size(incident.limits.warn_size)).put(" or fewer.");
    return out.keep(arena);
}

std::string_view say_warned(const Incident& incident, std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_size(put_queue(out, incident).put(" has "), incident);
    out.put(", more than its warning size of ").put(incident.limits.warn_size).put(".\n");
    out.put(say_prospects(incident, arena));
    return out.keep(arena);
}

std::string_view say_deletable(const Incident& incident, std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_size(put_queue(out, incident).put(" has "), incident);
    out.put(". From now on it can be deleted.\n");
    out.put(say_prospects(incident, arena));
    return out.keep(arena);
}

std::string_view say_would_delete(const Incident& incident, std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_size(put_queue(out, incident).put(" has "), incident);
    out.put(", more than its deletion size of ").put(incident.limits.delete_size);
    if (incident.limits.delete_delay == 0) {
        out.put(". It would have been deleted now if limits were enforced for this broker.");
    } else {
        out.put(". If limits were enforced for this broker, it would be deleted");
        put_delay(out, incident.limits.delete_delay, "the warning").put(".");
    }
    return out.keep(arena);
}

std::string_view say_archive_started(const Incident& incident, std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_size(put_queue(out, incident).put(" has "), incident);
    out.put(", more than its archiving size of ").put(incident.limits.archive_size.value_or(0));
    out.put(". Its oldest messages are being moved to the archive.");
    return out.keep(arena);
}

std::string_view say_archive_full(const Incident& incident, std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_queue(out, incident).put(" is no longer archived: the archive holds ");
    out.messages(incident.limits.max_archive_size.value_or(0)).put(" of it, the maximum.");
    return out.keep(arena);
}

std::string_view say_archive_withheld(const Incident& incident, std::string_view reason,
                                      std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_queue(out, incident).put(" is not archived: ").put(reason).put(".");
    return out.keep(arena);
}

std::string_view say_archive_failed(const Incident& incident, std::string_view reason,
                                    std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_queue(out, incident).put(" could not be archived: ").put(reason).put(".");
    return out.keep(arena);
}

std::string_view say_archived(const Incident& incident, std::int64_t messages,
                              std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_queue(out, incident).put(": ").messages(messages);
    out.put(messages == 1 ? " was archived." : " were archived.");
    return out.keep(arena);
}

std::string_view say_belayed(const Incident& incident, std::string_view by,
                             std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_queue(out, incident).put(" was put on hold by ").put(by).put(": it is neither archived nor deleted,");
    out.put(" however large it grows, until it has ").messages(rearm_size(incident.limits.warn_size));
    out.put(" or fewer.\nTo end the hold earlier, an owner or admin replies \"end\".");
    return out.keep(arena);
}

std::string_view say_belay_ended(const Incident& incident, std::string_view by,
                                 std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_queue(out, incident).put(" is no longer on hold: ").put(by);
    out.put(" ended the hold, and its limits apply again.");
    return out.keep(arena);
}

std::string_view say_not_obeyed(const Incident& incident, std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_queue(out, incident);
    out.put(" can be put on hold only by its owners and by the broker's admins. You are not one of them.");
    return out.keep(arena);
}

std::string_view say_recovered(const Incident& incident, std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_queue(out, incident);
    if (incident.limits.exempt) {
        out.put(" is now exempt from limits.");
    } else if (incident.size) {
        put_size(out.put(" is back to normal, with "), incident).put(".");
    } else {
        out.put(" is ignored from now on.");
    }
    return out.keep(arena);
}

std::string_view say_deleted(const Incident& incident, std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_queue(out, incident);
    if (incident.size) {
        out.put(" was deleted, and ").messages(*incident.size).put(" with it: its deletion size was ");
        out.put(incident.limits.delete_size).put(".");
    } else {
        out.put(" was to be deleted, but is already gone.");
    }
    return out.keep(arena);
}

std::string_view say_gone(const Incident& incident, std::string_view how, std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_queue(out, incident).put(" ").put(how).put(".");
    return out.keep(arena);
}

std::string_view say_failed(const Incident& incident, std::string_view reason,
                            std::pmr::memory_resource* arena) {
    Writer out(arena);
    put_queue(out, incident).put(" could not be deleted: ").put(reason).put(".");
    return out.keep(arena);
}

} // namespace cloudsat::core
