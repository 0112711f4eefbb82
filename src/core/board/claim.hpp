// Claims: who works on a message. One rule decides, from the newest entry in the log of a message's claims,
// what a claimer gets. Pure: knows neither clock nor connections, both are facts that the caller brings.
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
    renewed,    // the holder claimed it again: the lease begins anew
    taken_over, // from a holder who had lost it
    released    // the holder gave it up
};

inline constexpr std::array<std::string_view, 4> claim_actions{"claimed", "renewed", "taken_over",
                                                               "released"};

constexpr std::string_view name_of(ClaimAction action) noexcept {
    return claim_actions[static_cast<std::size_t>(action)];
}
std::optional<ClaimAction> parse_claim_action(std::string_view text) noexcept;

// Who holds a claim: without a lease the connection, for as long as it lives; with one the nick, on any
// connection, for as long as the lease runs.
enum class Tenure : std::uint8_t { connection, lease };

// Who asks, compared with who made the entry.
enum class Claimer : std::uint8_t { same_connection, same_nick, stranger };

// The newest entry of a message's log, and how things stand now.
struct ClaimEntry {
    ClaimAction action;
    Disposition disposition; // of the reply
    Tenure tenure;
    bool is_lease_over;
    bool is_connected; // is the connection that made the entry still there?
};

enum class ClaimAnswer : std::uint8_t {
    take,      // it is free
    renew,     // the claimer holds it already
    take_over, // its holder has lost it
    refuse     // somebody holds it, or the work on it is over
};

// Does a release with it close the message for good? After an end nothing is left to do, and what was
// cancelled nobody shall do. A problem frees it: somebody else may have more luck.
constexpr bool closes(Disposition disposition) noexcept {
    return disposition == Disposition::end || disposition == Disposition::belay;
}

constexpr bool is_held(const ClaimEntry& newest) noexcept {
    return newest.action != ClaimAction::released;
}

// Held, but by nobody who can still be expected to work on it.
constexpr bool is_orphaned(const ClaimEntry& newest) noexcept {
    return is_held(newest) && (newest.tenure == Tenure::lease ? newest.is_lease_over : !newest.is_connected);
}

ClaimAnswer answer_claim(const ClaimEntry& newest, Claimer claimer) noexcept;

// The holder may, and what its nick has lost, but nobody has taken over, any connection of the nick.
bool may_release(const ClaimEntry& newest, Claimer claimer) noexcept;

} // namespace cloudsat::core
