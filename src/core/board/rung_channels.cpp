// Channels rung in a transaction, see rung_channels.hpp.

#include "core/board/rung_channels.hpp"

#include <algorithm>
#include <tuple>

namespace cloudsat::core {

void RungChannels::use(std::span<Ring> room) noexcept {
    std::copy_n(room_.begin(), size_, room.begin());
    room_ = room;
}

Ring* RungChannels::ring(int level, std::uint64_t hash) noexcept {
    // Most transactions ring on one channel, some alternate between a few. Searching further back than this
    // does not pay.
    constexpr std::size_t nearby = 8;
    for (std::size_t i = size_; i > 0 && size_ - i < nearby && room_[i - 1].level == level; --i) {
        if (room_[i - 1].hash == hash) {
            return &room_[i - 1];
        }
    }
    if (overflow_ <= level) {
        return nullptr; // compacting the log for each ring would cost more than it saves
    }
    if (size_ == room_.size()) {
        put_together();
        // if it were nearly full again at once, every other ring would sort
        if (size_ >= room_.size() / 4 * 3) {
            return nullptr;
        }
        return ring(level, hash);
    }
    room_[size_] = Ring{};
    room_[size_].hash = hash;
    room_[size_].level = level;
    return &room_[size_++];
}

void RungChannels::overflow(int level) noexcept {
    overflow_ = std::min(overflow_, level);
    ++overflown_;
}

void RungChannels::keep(int level) noexcept {
    for (std::size_t i = size_; i > 0 && room_[i - 1].level >= level; --i) {
        room_[i - 1].level = level - 1;
    }
    if (overflow_ != none) {
        overflow_ = std::min(overflow_, level - 1);
    }
}

void RungChannels::forget(int level) noexcept {
    while (size_ > 0 && room_[size_ - 1].level >= level) {
        --size_;
    }
    if (overflow_ >= level) {
        overflow_ = none;
        overflown_ = 0;
    }
}

std::span<const Ring> RungChannels::all() noexcept {
    for (std::size_t i = 0; i < size_; ++i) {
        room_[i].level = 1; // all remaining rings now belong to the transaction itself
    }
    put_together();
    return room_.first(size_);
}

void RungChannels::clear() noexcept {
    size_ = 0;
    overflow_ = none;
    overflown_ = 0;
}

// Sorted by level first, so levels stay ascending; the newest message of a channel comes last.
void RungChannels::put_together() noexcept {
    if (size_ < 2) {
        return;
    }
    std::sort(room_.begin(), room_.begin() + static_cast<std::ptrdiff_t>(size_),
              [](const Ring& a, const Ring& b) {
                  return std::tie(a.level, a.hash, a.uuid) < std::tie(b.level, b.hash, b.uuid);
              });
    std::size_t last = 0;
    for (std::size_t i = 1; i < size_; ++i) {
        Ring& kept = room_[last];
        const Ring& next = room_[i];
        if (next.level != kept.level || next.hash != kept.hash) {
            room_[++last] = next;
        } else if (next.notification || !kept.notification) {
            kept = next;
        } else {
            kept.uuid = next.uuid;
        }
    }
    size_ = last + 1;
}

} // namespace cloudsat::core
