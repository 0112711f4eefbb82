// The channels on which a transaction will ring when it commits. Pure: knows the nesting of savepoints, so
// that what was rung in one that is rolled back is forgotten, and that of many rings on a channel the newest
// message counts.
//
// A log rather than a table: rings are appended, and when there is no room, those on the same channel of the
// same level are put together. Levels never fall along the log, so a rollback cuts off its end.
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/board/address.hpp"
#include "core/board/uuid7.hpp"

namespace cloudsat::core {

struct Ring {
    std::uint64_t hash = 0;    // of the channel's address: two with the same hash are taken for one
    int level = 0;             // of nesting; 1 is the transaction itself
    bool notification = false; // `channel` is set, and whoever LISTENs to it is to hear of it
    Uuid uuid;                 // of the newest message
    ChannelName channel;
};

class RungChannels {
public:
    // Room for rings, which must outlive them; what is there moves. Uses of the old room end.
    void use(std::span<Ring> room) noexcept;
    std::size_t room() const noexcept { return room_.size(); }
    bool empty() const noexcept { return size_ == 0 && overflown_ == 0; }

    // The ring of this channel on this level, perhaps a new one without notification; null when there are too
    // many for the room: then give more, or say overflow(). The level is that of the moment: no lower than
    // any in the log.
    Ring* ring(int level, std::uint64_t hash) noexcept;

    // There was a ring on this level that is not in the log.
    void overflow(int level) noexcept;
    std::uint64_t overflown() const noexcept { return overflown_; } // how often

    // The end of a savepoint's level.
    void keep(int level) noexcept;   // its rings become the parent's
    void forget(int level) noexcept; // rolled back

    // The end of the transaction: each channel once; and nothing.
    std::span<const Ring> all() noexcept;
    void clear() noexcept;

private:
    static constexpr int none = INT_MAX;

    void put_together() noexcept;

    std::span<Ring> room_;
    std::size_t size_ = 0;
    int overflow_ = none; // the lowest level on which there was one
    std::uint64_t overflown_ = 0;
};

} // namespace cloudsat::core
