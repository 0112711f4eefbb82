// Claims: the whole rule as a table, and the names of the log's actions.

#include "core/board/claim.hpp"

#include <gtest/gtest.h>
#include <string>

using namespace cloudsat::core;

namespace {

using enum ClaimAction;
using enum ClaimAnswer;
using Claimers = std::array<ClaimAnswer, 3>; // of the same connection, the same nick, a stranger

Claimers answers(const ClaimEntry& entry) {
    return {answer_claim(entry, Claimer::same_connection), answer_claim(entry, Claimer::same_nick),
            answer_claim(entry, Claimer::stranger)};
}

ClaimEntry held(ClaimAction action, Tenure tenure, bool is_lease_over, bool is_connected) {
    return {action, Disposition::acknowledged, tenure, is_lease_over, is_connected};
}

TEST(Claim, Released) {
    for (const DispositionEntry& disposition : dispositions) {
        const bool is_closed =
            disposition.value == Disposition::end || disposition.value == Disposition::belay;
        const Claimers expected = is_closed ? Claimers{refuse, refuse, refuse} : Claimers{take, take, take};
        for (bool connected : {false, true}) {
            const ClaimEntry entry{released, disposition.value, Tenure::connection, false, connected};
            EXPECT_EQ(answers(entry), expected) << disposition.name;
            EXPECT_FALSE(is_held(entry));
            EXPECT_FALSE(is_orphaned(entry));
        }
        EXPECT_EQ(closes(disposition.value), is_closed) << disposition.name;
    }
}

TEST(Claim, WithoutLeaseTheConnectionHolds) {
    for (ClaimAction action : {claimed, renewed, taken_over}) {
        EXPECT_EQ(answers(held(action, Tenure::connection, false, true)), (Claimers{renew, refuse, refuse}));
        EXPECT_EQ(answers(held(action, Tenure::connection, false, false)),
                  (Claimers{renew, take_over, take_over}));
    }
}

TEST(Claim, WithOneTheLeaseHolds) {
    for (ClaimAction action : {claimed, renewed, taken_over}) {
        for (bool connected : {false, true}) {
            // the nick's, on whichever connection
            EXPECT_EQ(answers(held(action, Tenure::lease, false, connected)),
                      (Claimers{renew, renew, refuse}));
            EXPECT_EQ(answers(held(action, Tenure::lease, true, connected)),
                      (Claimers{renew, take_over, take_over}));
        }
    }
}

TEST(Claim, HolderReleases) {
    using Releasers = std::array<bool, 3>; // the same connection, the same nick, a stranger
    const auto releasers = [](const ClaimEntry& entry) {
        return Releasers{may_release(entry, Claimer::same_connection), may_release(entry, Claimer::same_nick),
                         may_release(entry, Claimer::stranger)};
    };
    for (bool over : {false, true})
        for (bool connected : {false, true}) {
            EXPECT_EQ(releasers(held(claimed, Tenure::lease, over, connected)),
                      (Releasers{true, true, false}));
            EXPECT_EQ(releasers(held(claimed, Tenure::connection, over, connected)),
                      (Releasers{true, !connected, false}));
            for (Tenure tenure : {Tenure::connection, Tenure::lease})
                EXPECT_EQ(releasers(held(released, tenure, over, connected)),
                          (Releasers{false, false, false}));
        }
}

TEST(Claim, OrphanedIsWhatAStrangerTakesOver) {
    for (ClaimAction action : {claimed, renewed, taken_over, released})
        for (Tenure tenure : {Tenure::connection, Tenure::lease})
            for (bool over : {false, true})
                for (bool connected : {false, true}) {
                    const ClaimEntry entry = held(action, tenure, over, connected);
                    EXPECT_EQ(is_orphaned(entry), answer_claim(entry, Claimer::stranger) == take_over);
                }
}

TEST(Claim, ActionsInAndOut) {
    for (ClaimAction action : {claimed, renewed, taken_over, released})
        EXPECT_EQ(parse_claim_action(name_of(action)), action);
    for (std::string_view bad : {"", "claim", "claimed ", "Claimed"})
        EXPECT_FALSE(parse_claim_action(bad)) << bad;
}

} // namespace
