// UUIDv7 (RFC 9562): a uuid that begins with its time, so that later uuids sort later. 48 bits of
// milliseconds, 12 bits of the millisecond's fraction (section 6.2, method 3), 62 random bits. Time here is a
// number: microseconds since 1970-01-01 UTC. This file reads neither clock nor random source.
#pragma once

#include "core/base/result.hpp"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace cloudsat::core {

struct Uuid {
    std::array<std::uint8_t, 16> bytes{};
    friend auto operator<=>(const Uuid&,
                            const Uuid&) = default; // the order of the bytes is the order of time
};

// Canonical text, lower case, not terminated.
using UuidText = std::array<char, 36>;
UuidText print(const Uuid& uuid) noexcept;

// 48 bits of milliseconds end on 10889-08-02.
inline constexpr std::int64_t max_uuid_time = (std::int64_t{1} << 48) * 1000 - 1;

// The smallest and the greatest UUIDv7 of that microsecond; nullopt before 1970 and after the year 10889.
std::optional<Uuid> uuid_floor(std::int64_t time) noexcept;
std::optional<Uuid> uuid_ceil(std::int64_t time) noexcept;

// The microsecond of a UUIDv7; nullopt for a uuid of another version or variant.
std::optional<std::int64_t> uuid_time(const Uuid& uuid) noexcept;

enum class UuidError : std::uint8_t {
    clock_out_of_range, // before 1970 or after the year 10889
    no_randomness       // the random source failed
};

// Makes uuids, each greater than the one before, even if the clock stands still or steps back. The time in
// the uuid then runs ahead of the clock by a fraction of a microsecond per uuid.
class UuidSource {
public:
    using Clock = std::int64_t (*)() noexcept;
    using Random = bool (*)(std::span<std::uint8_t>) noexcept; // false if no randomness is available

    constexpr UuidSource(Clock clock, Random random) noexcept : clock_(clock), random_(random) {}

    // `process` is the caller's process: a fork inherits drawn randomness, and must not reuse it.
    Result<Uuid, UuidError> next(std::int64_t process) noexcept;

private:
    static constexpr std::size_t per_uuid = 8; // bytes, of which 62 bits are used

    Clock clock_;
    Random random_;
    std::uint64_t last_ = 0; // milliseconds and fraction of the last uuid: 60 bits
    std::int64_t process_ = 0;
    std::size_t left_ = 0; // unused bytes at the end of pool_
    // a system call per uuid would cost more than everything else
    std::array<std::uint8_t, 64 * per_uuid> pool_{};
};

} // namespace cloudsat::core
