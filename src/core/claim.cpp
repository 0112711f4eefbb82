// The rule of claims, see claim.hpp.
#include "core/claim.hpp"

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
    // A bot that came back while its lease runs goes on; two connections of one nick are two claimers.
    const bool is_back = claimer == Claimer::same_nick && !newest.is_connected;
    return is_back ? ClaimAnswer::renew : ClaimAnswer::refuse;
}

} // namespace cloudsat::core
