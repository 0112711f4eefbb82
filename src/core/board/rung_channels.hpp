// The channels on which a transaction will ring when it commits. Pure: knows the nesting of savepoints. It
// forgets the rings of a rolled-back savepoint, and of many rings on a channel it keeps the newest message.
//
// A log rather than a table: rings are appended, and if there is no room, those on the same channel and level
// are merged. Levels never decrease along the log, so a rollback cuts off its end.
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/board/address.hpp"
#include "core/board/uuid7.hpp"

namespace cloudsat::core {

struct Ring {
    std::uint64_t hash = 0;    // of the channel's address; equal hashes count as the same channel
    int level = 0;             // of nesting; 1 is the transaction itself
    bool notification = false; // `channel` is set, and its listeners are to be notified
    Uuid uuid;                 // of the newest message
    ChannelName channel;
};

class RungChannels {
public:
    // Room for rings, which must outlive them. Existing rings move to it, and the old room is no longer used.
    void use(std::span<Ring> room) noexcept;
    std::size_t room() const noexcept { return room_.size(); }
    bool empty() const noexcept { return size_ == 0 && overflown_ == 0; }

    // The ring of this channel on this level, possibly a new one without notification; null if the room is
    // full: then give more, or call overflow(). The level is the current one, no lower than any in the log.
    Ring* ring(int level, std::uint64_t hash) noexcept;

    // A ring on this level is not in the log.
    void overflow(int level) noexcept;
    std::uint64_t overflown() const noexcept { return overflown_; } // number of overflows

    // At the end of a savepoint's level.
    void keep(int level) noexcept;   // its rings become the parent's
    void forget(int level) noexcept; // rolled back

    // At the end of the transaction: each channel once; and discarding all.
    std::span<const Ring> all() noexcept;
    void clear() noexcept;

private:
    static constexpr int none = INT_MAX;

    void put_together() noexcept;

    std::span<Ring> room_;
    std::size_t size_ = 0;
    int overflow_ = none; // the lowest level with an overflow
    std::uint64_t overflown_ = 0;
};

} // namespace cloudsat::core
