// The disposition: how a reply relates to the work that its parent started. One table defines all of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cloudsat::core {

// Each value is its byte on disk, and their order is the order of the type. Zero is unused.
enum class Disposition : std::uint8_t { ignored = 1, acknowledged, info, problem, belay, end };

// Whether the work that the parent started continues after such a reply.
enum class Course : std::uint8_t { open, final };

struct DispositionEntry {
    Disposition value;
    std::string_view name;
    Course course;
};

inline constexpr std::array<DispositionEntry, 6> dispositions{{
    {Disposition::ignored, "ignored", Course::open}, // not taken up by this address: others still may
    {Disposition::acknowledged, "acknowledged", Course::open},
    {Disposition::info, "info", Course::open},
    {Disposition::problem, "problem", Course::final}, // failed
    {Disposition::belay, "belay", Course::final},     // cancelled
    {Disposition::end, "end", Course::final},         // finished
}};

// What older clients send for `end`.
inline constexpr std::string_view end_alias = "done";

inline constexpr std::size_t max_disposition_size = 12; // "acknowledged"

constexpr std::optional<Disposition> disposition_of_byte(std::uint8_t byte) noexcept {
    if (byte < 1 || byte > dispositions.size()) {
        return std::nullopt;
    }
    return static_cast<Disposition>(byte);
}

constexpr const DispositionEntry& entry_of(Disposition value) noexcept {
    return dispositions[static_cast<std::size_t>(value) - 1];
}

constexpr std::string_view name_of(Disposition value) noexcept {
    return entry_of(value).name;
}

// Whether the author of such a reply has finished its work: failed, cancelled or finished.
constexpr bool is_final(Disposition value) noexcept {
    return entry_of(value).course == Course::final;
}

// Any letter case.
std::optional<Disposition> parse_disposition(std::string_view text) noexcept;

static_assert(
    [] {
        for (std::size_t i = 0; i < dispositions.size(); ++i) {
            if (static_cast<std::size_t>(dispositions[i].value) != i + 1 ||
                dispositions[i].name.size() > max_disposition_size) {
                return false;
            }
        }
        return true;
    }(),
    "the table is in the order of the values, without gaps");

} // namespace cloudsat::core
