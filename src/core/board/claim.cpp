// The rule of claims, see claim.hpp.
#include "core/board/claim.hpp"

#include <algorithm>

namespace cloudsat::core {

std::optional<ClaimAction> parse_claim_action(std::string_view text) noexcept {
    const auto* found = std::ranges::find(claim_actions, text);
    if (found == claim_actions.end()) {
        return std::nullopt;
    }
    return static_cast<ClaimAction>(found - claim_actions.begin());
}

ClaimAnswer answer_claim(const ClaimEntry& newest, Claimer claimer) noexcept {
    if (!is_held(newest)) {
        return closes(newest.disposition) ? ClaimAnswer::refuse : ClaimAnswer::take;
    }
    if (claimer == Claimer::same_connection) {
        return ClaimAnswer::renew;
    }
    if (is_orphaned(newest)) {
        return ClaimAnswer::take_over;
    }
    // a lease belongs to the nick, on any connection; without one, two connections of a nick are two claimers
    const bool is_holder = claimer == Claimer::same_nick && newest.tenure == Tenure::lease;
    return is_holder ? ClaimAnswer::renew : ClaimAnswer::refuse;
}

bool may_release(const ClaimEntry& newest, Claimer claimer) noexcept {
    if (!is_held(newest) || claimer == Claimer::stranger) {
        return false;
    }
    return claimer == Claimer::same_connection || newest.tenure == Tenure::lease || is_orphaned(newest);
}

} // namespace cloudsat::core
