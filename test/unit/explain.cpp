// The rows that explain a queue: every one says what the case says, whatever the case.

#include "core/guardian/explain.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace {

using namespace cloudsat::core;

constexpr Micros now = 1'000'000 * micros_per_second;

class ExplainQueue : public testing::Test {
protected:
    ExplainQueue() {
        queue.server = "pulse";
        queue.options = &options;
        queue.given = [](const void* set, std::string_view option) {
            return static_cast<const std::set<std::string, std::less<>>*>(set)->contains(option);
        };
        queue.given_by = &given;
        queue.why_not = "enforce is off";
        queue.owner = Owner::person;
        queue.owner_name = "alice@example.com";
        queue.record = Record::there;
        queue.source = SizeSource::totals;
        queue.facts.messages = queue.facts.ready = 10;
        queue.facts.state = "running";
        queue.last_poll = "then";
        queue.circumstances.now = now;
    }
    const ExplainLine* line(std::string_view item) {
        found = explain_queue(queue, &memory);
        for (const ExplainLine& one : found.rows()) {
            if (one.item == item) {
                return &one;
            }
        }
        return nullptr;
    }
    std::string value(std::string_view item) {
        const ExplainLine* one = line(item);
        return one == nullptr ? "no row" : std::string(one->value.value_or("null"));
    }
    std::string detail(std::string_view item) {
        const ExplainLine* one = line(item);
        return one == nullptr ? "no row" : std::string(one->detail);
    }

    std::pmr::monotonic_buffer_resource memory;
    ServerOptions options;
    std::set<std::string, std::less<>> given;
    QueueCase queue;
    Explanation found;
};

TEST_F(ExplainQueue, WhoGetsMail) {
    queue.mailed = "alice@example.com";
    EXPECT_EQ(value("mail") + "|" + detail("mail"), "null|cloudsat.smtp_url is not set");
    queue.has_mail_server = true;
    EXPECT_EQ(value("mail") + "|" + detail("mail"), "alice@example.com|");
    queue.mailed = {};
    EXPECT_EQ(value("mail") + "|" + detail("mail"), "null|no owner has an address with a local part");
    queue.not_mailed = "alice@example.com";
    EXPECT_EQ(value("mail") + "|" + detail("mail"),
              "null|alice@example.com is known only from the name of the queue, and not in mail_domains");
    queue.owner = Owner::reserved;
    EXPECT_EQ(value("mail") + "|" + detail("mail"), "null|it has no owner to warn");
}

TEST_F(ExplainQueue, APendingLevelIsSaidToNeedAnotherPoll) {
    queue.facts.messages = 2001;
    EXPECT_EQ(value("next_poll"), "nothing");
    EXPECT_EQ(detail("next_poll"), "its size calls for warned, if the following poll agrees");
    queue.standing.pending = Level::warned;
    EXPECT_EQ(value("next_poll"), "warned");
    EXPECT_EQ(detail("next_poll"), "warned: alice@example.com");
    queue.owners = "bot.example.com, carol@example.com";
    EXPECT_EQ(detail("next_poll"), "warned: bot.example.com, carol@example.com");
    EXPECT_EQ(detail("owner"), "an account of bot.example.com, carol@example.com");
}

TEST_F(ExplainQueue, ANumberThatIsNotBelievedIsNotJudged) {
    queue.facts.messages = 9000;
    queue.facts.state = "down";
    queue.standing.pending = Level::deleted;
    EXPECT_EQ(value("size"), "9000");
    EXPECT_EQ(detail("size"),
              "ready and unacknowledged; from totals; last poll then; not judged: its numbers are not "
              "reliable in its present state");
    EXPECT_EQ(value("next_poll"), "nothing");
    queue.facts.state = "running";
    queue.source = SizeSource::none;
    EXPECT_EQ(value("size"), "null");
    EXPECT_EQ(value("time_to_warn_size"), "null");
    EXPECT_EQ(detail("next_poll"), "the broker reports no number of messages");
}

TEST_F(ExplainQueue, AnIntentionIsResolvedAsTheSecondLookWould) {
    queue.circumstances.enforce = true;
    options.enforce = 1;
    queue.standing.intended = true;
    queue.standing.level = Level::warned;
    queue.facts.messages = 9000;
    EXPECT_EQ(value("next_poll"), "deleted");
    EXPECT_EQ(value("deletion"), "intended");
    EXPECT_EQ(detail("up to 8000"), "it has drained");
    EXPECT_EQ(value("above 8000"), "deleted");
    queue.limits.unbounded = true;
    EXPECT_EQ(value("above 8000"), "delete_withdrawn");
    EXPECT_EQ(detail("next_poll"), "a policy makes it unbounded");
    queue.limits.unbounded = false;
    queue.circumstances.enforce = false;
    queue.why_not = "enforce is held back";
    EXPECT_EQ(detail("next_poll"), "enforce is held back");
    queue.limits.delete_size = INT64_MAX;
    EXPECT_EQ(value("above 9223372036854775807"), "no row");
}

TEST_F(ExplainQueue, AHoldIsSaidAndCountsBeforeThePollThatHearsOfIt) {
    queue.circumstances.enforce = true;
    queue.standing.level = Level::warned;
    queue.standing.pending = Level::deleted;
    queue.facts.messages = 9000;
    queue.standing.belayed = queue.unheard = true;
    queue.belayed_by = "alice@example.com";
    EXPECT_EQ(value("belayed"), "alice@example.com");
    EXPECT_EQ(value("next_poll"), "belayed");
    EXPECT_EQ(detail("above 8000"), "not deleted: it is on hold");
    queue.standing.intended = true;
    EXPECT_EQ(value("next_poll"), "delete_withdrawn");
    queue.standing.intended = queue.standing.belayed = false;
    EXPECT_EQ(value("belayed"), "null");
    EXPECT_EQ(value("next_poll"), "belay_ended, delete_intended");
}

TEST_F(ExplainQueue, WaitsAreOverInTheRangesAndNotAtTheNextPoll) {
    queue.circumstances.enforce = true;
    queue.standing.level = Level::warned;
    queue.standing.pending = Level::deleted;
    queue.facts.messages = 9000;
    queue.failed_attempts = 2;
    queue.standing.retry_after = now + 1;
    queue.retry_after = "soon";
    EXPECT_EQ(value("next_poll"), "nothing");
    EXPECT_EQ(detail("next_poll"), "not deleted: the last attempt failed, and it is too early to retry");
    EXPECT_EQ(value("above 8000"), "delete_intended");
    EXPECT_EQ(detail("deletion"), "2 attempts; earliest retry soon");
    queue.dots = true;
    EXPECT_EQ(detail("deletion"),
              "2 attempts; earliest retry soon; a name consisting of dots has no address over HTTP, "
              "and the server has no amqp_url");
}

TEST_F(ExplainQueue, TheOriginOfEachLimitIsSaid) {
    EXPECT_EQ(detail("delete_size"), "default");
    given.insert("delete_size");
    EXPECT_EQ(detail("delete_size"), "option of server pulse");
    const PolicyMatch matches[] = {{.id = 7, .priority = 2, .comment = "why", .archive_size = 5000},
                                   {.id = 3, .comment = {}}};
    queue.policies = matches;
    queue.limits.warn_size = 1500;
    EXPECT_EQ(detail("warn_size"), "the server's 2000 yields to policy 7; normal again at 1200 or fewer");
    EXPECT_EQ(detail("archive_size"), "the server has no amqp_url; nothing is archived");
    queue.limits.archive_size = 5000;
    EXPECT_EQ(detail("archive_size"), "policy 7; archived until there are 4000 or fewer");
    EXPECT_EQ(value("passed_over"), "3");
    EXPECT_EQ(detail("policy"), "priority 2; why");
}

TEST_F(ExplainQueue, ManyPoliciesAreCountedAndNotAllTold) {
    std::vector<PolicyMatch> matches(500);
    for (std::size_t i = 0; i < matches.size(); ++i) {
        matches[i].id = static_cast<std::int64_t>(i);
    }
    queue.policies = matches;
    EXPECT_EQ(value("passed_over").substr(0, 10), "1, 2, 3, 4");
    EXPECT_EQ(detail("passed_over"), "also match, with a lower priority or a higher id; 499 in all");
}

TEST_F(ExplainQueue, NoCaseHasMoreRowsThanThereIsRoomFor) {
    const PolicyMatch matches[] = {{.id = 7}, {.id = 3}};
    queue.policies = matches;
    queue.limits.archive_size = 5000;
    queue.standing.level = Level::archiving;
    queue.standing.archive = Archive::on;
    queue.circumstances.enforce = true;
    found = explain_queue(queue, &memory);
    EXPECT_LT(found.count, found.list.size());
    EXPECT_EQ(value("up to 1600"), "archived, recovered");
    EXPECT_EQ(value("above 4000"), "nothing");
    EXPECT_EQ(detail("above 4000"), "it stays archiving");
    EXPECT_EQ(value("above 5000"), "no row"); // the same
}

} // namespace
