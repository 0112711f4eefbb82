// When notices become mails: the hour, the rise, what is superseded, what is needless.
#include "core/guardian/mail_plan.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace {

using namespace cloudsat::core;
using enum NoticeKind;
using enum NoticeFate;

constexpr Micros minute = 60 * micros_per_second;
constexpr Micros now = 100 * mail_interval;

WaitingNotice about(const char* queue, NoticeKind kind) {
    WaitingNotice notice;
    notice.kind = kind;
    notice.written_at = now - minute;
    notice.server = "pulse";
    notice.vhost = "/";
    notice.queue = queue;
    return notice;
}
WaitingNotice of_broker(const char* server, NoticeKind kind) {
    WaitingNotice notice;
    notice.kind = kind;
    notice.written_at = now - minute;
    notice.server = server;
    return notice;
}

std::vector<NoticeFate> fates(const std::vector<WaitingNotice>& waiting,
                              const std::vector<MailedNotice>& mailed = {}, Micros at = now) {
    std::vector<NoticeVerdict> verdicts(waiting.size());
    plan_mail(waiting, mailed, at, verdicts);
    std::vector<NoticeFate> result;
    for (const auto& verdict : verdicts)
        result.push_back(verdict.fate);
    return result;
}
using Fates = std::vector<NoticeFate>;

TEST(MailPlan, TheFirstMailGoesAtOnceWithAllThatThereIs) {
    EXPECT_EQ(fates({about("a", warned)}), Fates{mail});
    EXPECT_EQ(fates({about("a", warned), about("b", deleted), of_broker("x", broker_down)}),
              (Fates{mail, mail, mail}));
    EXPECT_EQ(fates({}), Fates{});
}

TEST(MailPlan, OneAnHourUnlessTheLevelRises) {
    const std::vector<MailedNotice> warning{{warned, now - 10 * minute, "pulse"}};
    std::vector<NoticeVerdict> verdicts(1);
    const std::vector<WaitingNotice> another{about("b", warned)};
    plan_mail(another, warning, now, verdicts);
    EXPECT_EQ(verdicts[0].fate, wait);
    EXPECT_EQ(verdicts[0].until, now + 50 * minute);
    EXPECT_EQ(fates(another, warning, now + 50 * minute), Fates{mail}) << "when the hour is over";
    EXPECT_EQ(fates({about("a", recovered)}, warning), Fates{wait});
    EXPECT_EQ(fates({about("a", deleted)}, warning), Fates{mail}) << "a rise";
    EXPECT_EQ(fates({about("b", warned), about("a", deleted)}, warning), (Fates{mail, mail}))
        << "what waits goes along";
    const std::vector<MailedNotice> deletion{{warned, now - 10 * minute, "pulse"},
                                             {deleted, now - 5 * minute, "pulse"}};
    EXPECT_EQ(fates({about("b", deleted)}, deletion), Fates{wait});
    const std::vector<MailedNotice> end{{recovered, now - 5 * minute, "pulse"}};
    EXPECT_EQ(fates({about("a", warned)}, end), Fates{mail}) << "from normal to warned is a rise";
}

TEST(MailPlan, OnlyTheNewestOfAQueueCounts) {
    EXPECT_EQ(fates({about("a", warned), about("b", warned), about("a", deleted)}),
              (Fates{superseded, mail, mail}));
    auto over = about("a", recovered);
    over.opening_unmailed = true;
    EXPECT_EQ(fates({about("a", warned), over}), (Fates{superseded, needless})) << "nobody was told";
    over.told = warned;
    EXPECT_EQ(fates({about("a", warned), over}), (Fates{superseded, mail}))
        << "of an earlier incident they were";
    over.told = recovered;
    EXPECT_EQ(fates({over}), Fates{needless});
    EXPECT_EQ(fates({about("a", recovered)}), Fates{mail}) << "the warning was forgotten since";
    EXPECT_EQ(fates({about("a", deleted), about("a", warned)}), (Fates{mail, mail}))
        << "a deletion stays true, whatever comes after it";
    auto other = about("a", warned);
    other.vhost = "other";
    EXPECT_EQ(fates({about("a", warned), other}), (Fates{mail, mail}));
}

TEST(MailPlan, AdminsHearOfABrokerAtOnce) {
    const std::vector<MailedNotice> warning{{warned, now - minute, "pulse"}};
    EXPECT_EQ(fates({of_broker("pulse", broker_down)}, warning), Fates{mail});
    const std::vector<MailedNotice> down{{broker_down, now - 10 * minute, "pulse"}};
    auto up = of_broker("pulse", broker_up);
    up.told = broker_down;
    EXPECT_EQ(fates({up}, down), Fates{mail});
    EXPECT_EQ(fates({of_broker("pulse", broker_down)}, down), Fates{wait}) << "one that comes and goes";
    EXPECT_EQ(fates({of_broker("other", broker_down)}, down), Fates{mail});
    up.told = broker_up;
    up.opening_unmailed = true;
    EXPECT_EQ(fates({of_broker("pulse", broker_down), up}, down), (Fates{superseded, needless}));
    EXPECT_EQ(fates({about("a", warned)}, down), Fates{mail}) << "which is no mail to an owner";
}

TEST(MailPlan, AdminsHearThatMailsAreHeldWhateverBecomesOfTheBroker) {
    EXPECT_EQ(fates({of_broker("pulse", broker_down), of_broker("pulse", mails_held),
                     of_broker("pulse", broker_up), of_broker("pulse", mails_held)}),
              (Fates{superseded, superseded, mail, mail}));
}

TEST(MailPlan, ANoticeGetsTooOld) {
    EXPECT_EQ(fates({about("a", warned)}, {}, now + oldest_notice - minute), Fates{mail});
    EXPECT_EQ(fates({about("a", warned)}, {}, now + oldest_notice), Fates{expired});
}

TEST(MailPlan, AnAccountHasAMailOfItsOwn) {
    EXPECT_EQ(fates({about("a", warned), about("", account), about("", account)}), (Fates{wait, mail, wait}));
    EXPECT_EQ(fates({about("", account)}, {{deleted, now, "pulse"}}), Fates{mail});
}

TEST(MailPlan, ABrokerThatCausedManyMailsWaits) {
    auto crowd = about("a", deleted);
    crowd.crowded_until = now + 7 * minute;
    auto admins = of_broker("pulse", broker_down);
    admins.crowded_until = crowd.crowded_until;
    const std::vector<WaitingNotice> waiting{crowd, admins, about("b", warned)};
    std::vector<NoticeVerdict> verdicts(waiting.size());
    plan_mail(waiting, {}, now, verdicts);
    EXPECT_EQ(verdicts[0].fate, wait);
    EXPECT_EQ(verdicts[0].until, now + 7 * minute);
    EXPECT_TRUE(verdicts[0].crowded);
    EXPECT_EQ(verdicts[1].fate, mail) << "what is for admins does not wait";
    EXPECT_EQ(verdicts[2].fate, mail) << "nor what another broker causes";
    EXPECT_EQ(fates({crowd}, {}, now + 7 * minute), Fates{mail});
}

TEST(MailPlan, WaitsGrowAndEnd) {
    EXPECT_EQ(wait_for_mail(1), minute);
    EXPECT_EQ(wait_for_mail(2), 2 * minute);
    EXPECT_EQ(wait_for_mail(1000), mail_interval);
    EXPECT_EQ(wait_for_mail_server(1), 5 * micros_per_second);
    EXPECT_EQ(wait_for_mail_server(1000), 5 * minute);
    for (const auto kind :
         {warned, recovered, vanished, deleted, broker_down, broker_up, mails_held, account})
        EXPECT_EQ(parse_notice_kind(to_string(kind)), kind);
    EXPECT_FALSE(parse_notice_kind("nonsense"));
}

} // namespace
