// UUIDv7, see uuid7.hpp.

#include "core/board/uuid7.hpp"

#include "core/base/text.hpp"

#include <algorithm>

namespace cloudsat::core {
namespace {

constexpr int fraction_bits = 12;
constexpr std::uint64_t fractions = 1U << fraction_bits; // per millisecond: 4.096 per microsecond
constexpr std::uint64_t max_ticks = (std::uint64_t{1} << 60) - 1;
constexpr std::uint64_t max_random = (std::uint64_t{1} << 62) - 1;

// A tick is a 4096th of a millisecond. Rounded up, so that rounding down in uuid_time restores the
// microsecond.
constexpr std::uint64_t ticks_of(std::uint64_t time) noexcept {
    return (time / 1000) * fractions + ((time % 1000) * fractions + 999) / 1000;
}
constexpr std::uint64_t time_of(std::uint64_t ticks) noexcept {
    return (ticks / fractions) * 1000 + (ticks % fractions) * 1000 / fractions;
}
static_assert([] {
    for (std::uint64_t time = 0; time < 2000; ++time) {
        if (time_of(ticks_of(time)) != time || time_of(ticks_of(time + 1) - 1) != time) {
            return false;
        }
    }
    return ticks_of(static_cast<std::uint64_t>(max_uuid_time) + 1) - 1 == max_ticks;
}());

Uuid assemble(std::uint64_t ticks, std::uint64_t random) noexcept {
    const std::uint64_t high = ((ticks >> fraction_bits) << 16) | 0x7000U | (ticks & (fractions - 1));
    const std::uint64_t low = (std::uint64_t{0b10} << 62) | (random & max_random);
    Uuid uuid;
    for (std::size_t i = 0; i < 8; ++i) {
        uuid.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
        uuid.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
    }
    return uuid;
}

constexpr bool in_range(std::int64_t time) noexcept {
    return time >= 0 && time <= max_uuid_time;
}

} // namespace

UuidText print(const Uuid& uuid) noexcept {
    UuidText text;
    std::size_t at = 0;
    for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text[at++] = '-';
        }
        text[at++] = hex_digits[uuid.bytes[i] >> 4];
        text[at++] = hex_digits[uuid.bytes[i] & 0xFU];
    }
    return text;
}

std::optional<Uuid> uuid_floor(std::int64_t time) noexcept {
    if (!in_range(time)) {
        return std::nullopt;
    }
    return assemble(ticks_of(static_cast<std::uint64_t>(time)), 0);
}

std::optional<Uuid> uuid_ceil(std::int64_t time) noexcept {
    if (!in_range(time)) {
        return std::nullopt;
    }
    return assemble(ticks_of(static_cast<std::uint64_t>(time) + 1) - 1, max_random);
}

std::optional<std::int64_t> uuid_time(const Uuid& uuid) noexcept {
    if (uuid.bytes[6] >> 4 != 7 || uuid.bytes[8] >> 6 != 0b10) {
        return std::nullopt;
    }
    std::uint64_t high = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        high = high << 8 | uuid.bytes[i];
    }
    return static_cast<std::int64_t>(time_of((high >> 16) * fractions + (high & (fractions - 1))));
}

Result<Uuid, UuidError> UuidSource::next(std::int64_t process) noexcept {
    const std::int64_t now = clock_();
    if (!in_range(now)) {
        return UuidError::clock_out_of_range;
    }
    const std::uint64_t ticks = std::max(ticks_of(static_cast<std::uint64_t>(now)), last_ + 1);
    if (ticks > max_ticks) {
        return UuidError::clock_out_of_range;
    }
    if (process != process_) {
        process_ = process;
        left_ = 0;
    }
    if (left_ == 0) {
        if (!random_(pool_)) {
            return UuidError::no_randomness;
        }
        left_ = pool_.size();
    }
    std::uint64_t random = 0;
    for (std::size_t i = 0; i < per_uuid; ++i) {
        random = random << 8 | pool_[pool_.size() - left_ + i];
    }
    left_ -= per_uuid;
    last_ = ticks;
    return assemble(ticks, random);
}

} // namespace cloudsat::core
