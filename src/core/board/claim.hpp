// Claims: which nick works on a message. One rule decides, from the newest log entry of a message, what a
// claimer gets. Pure: the caller provides the facts of clock and connections.
#pragma once

#include "core/board/disposition.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cloudsat::core {

// What an entry of the log says.
enum class ClaimAction : std::uint8_t {
    claimed,    // a free message was taken
    renewed,    // the holder claimed it again: a new lease begins
    taken_over, // from a holder that had lost it
    released    // the holder gave it up
};

inline constexpr std::array<std::string_view, 4> claim_actions{"claimed", "renewed", "taken_over",
                                                               "released"};

constexpr std::string_view name_of(ClaimAction action) noexcept {
    return claim_actions[static_cast<std::size_t>(action)];
}
std::optional<ClaimAction> parse_claim_action(std::string_view text) noexcept;

// The holder of a claim: without a lease the connection, while it is alive; with one the nick, on any
// connection, until the lease expires.
enum class Tenure : std::uint8_t { connection, lease };

// The caller, compared with the author of the entry.
enum class Claimer : std::uint8_t { same_connection, same_nick, stranger };

// The newest entry of a message's log, and the present state.
struct ClaimEntry {
    ClaimAction action;
    Disposition disposition; // of the reply
    Tenure tenure;
    bool is_lease_over;
    bool is_connected; // whether the connection of the entry still exists
};

enum class ClaimAnswer : std::uint8_t {
    take,      // it is free
    renew,     // the claimer already holds it
    take_over, // its holder has lost it
    refuse     // it is held by another, or the work is over
};

// Whether a release with it closes the message permanently. After an end no work is left, and cancelled work
// must not be done. A problem frees it, because another claimer may succeed.
constexpr bool closes(Disposition disposition) noexcept {
    return disposition == Disposition::end || disposition == Disposition::belay;
}

constexpr bool is_held(const ClaimEntry& newest) noexcept {
    return newest.action != ClaimAction::released;
}

// Held by a holder that can no longer be expected to work on it.
constexpr bool is_orphaned(const ClaimEntry& newest) noexcept {
    return is_held(newest) && (newest.tenure == Tenure::lease ? newest.is_lease_over : !newest.is_connected);
}

ClaimAnswer answer_claim(const ClaimEntry& newest, Claimer claimer) noexcept;

// The holder may; if its nick has lost it and no other has taken over, any connection of the nick may.
bool may_release(const ClaimEntry& newest, Claimer claimer) noexcept;

} // namespace cloudsat::core
