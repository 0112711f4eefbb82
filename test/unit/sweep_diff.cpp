// A sweep against what is known: who is new, changed, absent, another queue of the same name.

#include "core/sweep_diff.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>

namespace {

using namespace cloudsat::core;

constexpr Micros second = micros_per_second;
constexpr Micros now = 1'000'000 * second;

Facts counts(std::int64_t messages) {
    Facts facts;
    facts.type = "classic";
    facts.state = "running";
    facts.durable = true;
    facts.messages = facts.ready = messages;
    facts.unacknowledged = 0;
    return facts;
}
Facts named() {
    Facts facts;
    facts.type = "classic";
    facts.state = "live";
    facts.arguments = "{}";
    facts.durable = true;
    return facts;
}
Known row(std::int64_t messages, SizeSource source = SizeSource::totals) {
    Known known;
    known.facts = counts(messages);
    known.facts.arguments = "{}";
    known.source = source;
    known.owner = Owner::person;
    known.changed_at = now - 10 * second;
    return known;
}

class SweepTest : public testing::Test {
protected:
    std::pmr::monotonic_buffer_resource memory;
    Sweep sweep{&memory};
    std::uint32_t vhost = sweep.vhost("/");
    StepContext context{.circumstances = {.now = now}, .last_poll = now - 5 * second, .believe_absent = true};

    void read_both() {
        sweep.vhosts()[vhost].sized = true;
        sweep.vhosts()[vhost].named = true;
    }
    Step step_of(std::string_view name) {
        const Entry* entry = sweep.find(vhost, name);
        EXPECT_NE(entry, nullptr);
        return step(*entry, sweep.vhosts()[entry->vhost], context);
    }
};

TEST_F(SweepTest, AnUnchangedQueueIsNotWritten) {
    sweep.know(vhost, "q", row(7));
    sweep.saw_size(vhost, "q", counts(7), SizeSource::totals);
    sweep.vhosts()[vhost].sized = true;
    sweep.compare_names();
    EXPECT_FALSE(sweep.vhosts()[vhost].differs);
    const Step s = step_of("q");
    EXPECT_FALSE(s.write || s.sample || s.appeared || s.vanished);
}

TEST_F(SweepTest, ANewNumberIsWrittenAndSampled) {
    sweep.know(vhost, "q", row(7));
    sweep.saw_size(vhost, "q", counts(8), SizeSource::totals);
    const Step s = step_of("q");
    EXPECT_TRUE(s.write && s.sample);
    EXPECT_FALSE(s.appeared);
    EXPECT_EQ(s.row.facts.messages, 8);
    EXPECT_EQ(s.row.facts.arguments, "{}"); // not told, so kept
    EXPECT_EQ(s.row.changed_at, now);
    EXPECT_GT(s.row.growth, 0);
}

TEST_F(SweepTest, AnAbsentNumberKeepsTheLastOne) {
    sweep.know(vhost, "q", row(7));
    Facts facts = counts(0);
    facts.messages.reset();
    facts.ready.reset();
    facts.unacknowledged.reset();
    sweep.saw_size(vhost, "q", facts, SizeSource::totals);
    const Step s = step_of("q");
    EXPECT_EQ(s.row.facts.messages, 7);
    EXPECT_FALSE(s.write || s.sample);
}

TEST_F(SweepTest, TheFirstZeroOfAQuorumQueueEndsNothing) {
    Known known = row(5000);
    known.facts.type = "quorum";
    known.standing.level = Level::warned;
    sweep.know(vhost, "q", known);
    Facts zero = counts(0);
    zero.type = "quorum";
    sweep.saw_size(vhost, "q", zero, SizeSource::totals);
    const Step first = step_of("q");
    EXPECT_FALSE(first.verdict.recovered);
    EXPECT_EQ(first.row.facts.messages, 0); // what was told is recorded all the same
    sweep.know(vhost, "q", first.row);
    EXPECT_TRUE(step_of("q").verdict.recovered);
    // classic ones are right at once
    known.facts.type = zero.type = "classic";
    sweep.know(vhost, "c", known);
    sweep.saw_size(vhost, "c", zero, SizeSource::totals);
    EXPECT_TRUE(step_of("c").verdict.recovered);
}

TEST_F(SweepTest, ANewQueueNeedsAName) {
    sweep.saw_size(vhost, "q", counts(7), SizeSource::metrics);
    sweep.vhosts()[vhost].sized = true;
    sweep.compare_names();
    EXPECT_TRUE(sweep.vhosts()[vhost].differs);
    EXPECT_FALSE(step_of("q").write); // a ghost of the metrics so far
    sweep.saw_name(vhost, "q", named());
    const Step s = step_of("q");
    EXPECT_TRUE(s.write && s.appeared && s.sample);
    EXPECT_FALSE(s.redeclared);
    EXPECT_EQ(s.row.source, SizeSource::metrics);
    EXPECT_EQ(s.row.growth, 0);
}

TEST_F(SweepTest, TheStateOfTotalsIsBetterThanThatOfNames) {
    sweep.know(vhost, "q", row(7));
    sweep.saw_size(vhost, "q", counts(7), SizeSource::totals);
    sweep.saw_name(vhost, "q", named());
    EXPECT_FALSE(step_of("q").write);
    sweep.know(vhost, "m", row(7, SizeSource::metrics));
    Facts numbers;
    numbers.messages = numbers.ready = 7;
    Facts down = named();
    down.state = "down";
    sweep.saw_size(vhost, "m", numbers, SizeSource::metrics);
    sweep.saw_name(vhost, "m", down);
    EXPECT_EQ(step_of("m").row.facts.state, "down");
}

TEST_F(SweepTest, ADeadStateKnownBeforeStillCountsForMetrics) {
    Known known = row(9000, SizeSource::metrics);
    known.facts.state = "down";
    known.standing.pending = Level::warned;
    sweep.know(vhost, "q", known);
    Facts numbers;
    numbers.messages = numbers.ready = 9000;
    sweep.saw_size(vhost, "q", numbers, SizeSource::metrics);
    EXPECT_FALSE(step_of("q").verdict.warned);
}

TEST_F(SweepTest, GoneOnlyWhenBothListingsMissIt) {
    sweep.know(vhost, "q", row(7));
    EXPECT_FALSE(step_of("q").vanished); // nothing was read
    sweep.vhosts()[vhost].sized = true;
    EXPECT_FALSE(step_of("q").vanished);
    sweep.vhosts()[vhost].named = true;
    EXPECT_TRUE(step_of("q").vanished);
    context.believe_absent = false;
    EXPECT_FALSE(step_of("q").vanished);
}

TEST_F(SweepTest, ARowMissingInTotalsIsNotGone) {
    sweep.know(vhost, "dead", row(7));
    read_both();
    sweep.saw_name(vhost, "dead", named());
    sweep.compare_names();
    EXPECT_TRUE(sweep.vhosts()[vhost].differs);
    const Step s = step_of("dead");
    EXPECT_FALSE(s.vanished);
    EXPECT_EQ(s.row.source, SizeSource::none);
    EXPECT_EQ(s.row.facts.messages, 7);
    // and once that is recorded, it is no news
    Sweep next(&memory);
    next.know(next.vhost("/"), "dead", s.row);
    next.vhosts()[0].sized = true;
    next.compare_names();
    EXPECT_FALSE(next.vhosts()[0].differs);
}

TEST_F(SweepTest, AVhostThatIsGoneTakesItsQueuesAlong) {
    sweep.know(vhost, "q", row(7));
    sweep.vhosts()[vhost].gone = true;
    EXPECT_TRUE(step_of("q").vanished);
}

TEST_F(SweepTest, AVanishedQueueEndsItsIncidentAndStartsAfresh) {
    Known known = row(3000);
    known.standing = {.level = Level::warned, .pending = Level::warned, .would_delete = true};
    sweep.know(vhost, "q", known);
    read_both();
    const Step s = step_of("q");
    EXPECT_TRUE(s.vanished && s.ended && s.write);
    EXPECT_EQ(s.row.standing, Standing{});
    EXPECT_TRUE(s.row.gone);

    Sweep next(&memory);
    const std::uint32_t v = next.vhost("/");
    next.know(v, "q", s.row);
    next.saw_size(v, "q", counts(3000), SizeSource::totals);
    next.saw_name(v, "q", named());
    const Step back = step(*next.find(v, "q"), next.vhosts()[v], context);
    EXPECT_TRUE(back.appeared);
    EXPECT_FALSE(back.redeclared);
    EXPECT_FALSE(back.verdict.warned);
    EXPECT_FALSE(back.row.gone);
}

TEST_F(SweepTest, AnOpenIntentionIsNotSettledByAbsence) {
    Known known = row(9000);
    known.standing = {.level = Level::warned, .intended = true};
    sweep.know(vhost, "q", known);
    read_both();
    const Step s = step_of("q");
    EXPECT_FALSE(s.vanished);
    EXPECT_FALSE(s.write);
}

TEST_F(SweepTest, AnotherQueueOfTheSameNameStartsAfresh) {
    Known known = row(9000);
    known.standing = {.level = Level::warned, .pending = Level::deleted, .intended = true, .acted_at = now};
    sweep.know(vhost, "q", known);
    Facts facts = counts(9000);
    facts.durable = false;
    sweep.saw_size(vhost, "q", facts, SizeSource::totals);
    sweep.saw_name(vhost, "q", facts);
    const Step s = step_of("q");
    EXPECT_TRUE(s.appeared && s.redeclared && s.ended && s.withdrawn);
    EXPECT_EQ(s.row.standing.level, Level::normal);
    EXPECT_EQ(s.row.standing.acted_at, 0);
    EXPECT_FALSE(s.row.standing.intended);
}

TEST_F(SweepTest, NewArgumentsAreAnotherQueueToo) {
    Facts before = counts(1), after = counts(1);
    before.arguments = R"({"x-expires":1000})";
    EXPECT_FALSE(declared_differently(before, after)); // not told
    after.arguments = R"({"x-expires":2000})";
    EXPECT_TRUE(declared_differently(before, after));
    after.arguments = before.arguments;
    after.messages = 99;
    EXPECT_FALSE(declared_differently(before, after));
}

TEST_F(SweepTest, FewAbsencesAreBelievedManyNeedThreePollsAndAMinute) {
    EXPECT_TRUE(believe_absence(1, 1, {}, now));
    EXPECT_TRUE(believe_absence(20, 20, {}, now));
    EXPECT_FALSE(believe_absence(21, 21, {}, now));
    EXPECT_TRUE(believe_absence(5000, 10'000, {}, now));
    EXPECT_FALSE(believe_absence(5001, 10'000, {}, now));
    EXPECT_FALSE(believe_absence(10'000, 10'000, {.polls = 1, .since = now - 90 * second}, now));
    EXPECT_FALSE(believe_absence(10'000, 10'000, {.polls = 2, .since = now - 59 * second}, now));
    EXPECT_TRUE(believe_absence(10'000, 10'000, {.polls = 2, .since = now - 60 * second}, now));
}

TEST_F(SweepTest, MetricsOfAClusterMissTheQueuesOfOtherNodes) {
    sweep.know(vhost, "here", row(7, SizeSource::metrics));
    sweep.know(vhost, "there", row(7, SizeSource::totals));
    sweep.vhosts()[vhost].sized = true;
    sweep.saw_size(vhost, "here", counts(7), SizeSource::metrics);
    sweep.find_split();
    EXPECT_TRUE(sweep.vhosts()[vhost].split);
    sweep.saw_size(vhost, "there", counts(7), SizeSource::totals); // so the totals are read as well
    sweep.compare_names();
    EXPECT_FALSE(sweep.vhosts()[vhost].differs);
}

TEST_F(SweepTest, GrowthIsSmoothedAndComesToRest) {
    Known known = row(1000);
    known.growth = 0;
    for (int i = 1; i <= 60; ++i) { // 100 messages in each poll of 5 s: 1200 per minute
        Sweep one(&memory);
        const std::uint32_t v = one.vhost("/");
        one.know(v, "q", known);
        one.saw_size(v, "q", counts(1000 + i * 100), SizeSource::totals);
        known = step(*one.find(v, "q"), one.vhosts()[v], context).row;
    }
    EXPECT_NEAR(known.growth, 1200, 20);
    Sweep last(&memory);
    const std::uint32_t v = last.vhost("/");
    known.changed_at = now - 60 * second;
    last.know(v, "q", known);
    last.saw_size(v, "q", known.facts, SizeSource::totals);
    const Step s = step(*last.find(v, "q"), last.vhosts()[v], context);
    EXPECT_EQ(s.row.growth, 0);
    EXPECT_TRUE(s.write);
    EXPECT_FALSE(s.sample);
}

TEST_F(SweepTest, NewRulesAreWrittenEvenForQueuesThatAreNotSeen) {
    sweep.know(vhost, "q", row(7));
    sweep.find(vhost, "q")->ruled = true;
    EXPECT_TRUE(step_of("q").write);
}

TEST_F(SweepTest, TenThousandQueuesInTwoVhostsAreKeptApart) {
    std::deque<std::string> names;
    const std::uint32_t other = sweep.vhost("a/b");
    sweep.reserve(100); // and grows beyond
    for (int i = 0; i < 10'000; ++i) {
        names.push_back("queue/u" + std::to_string(i % 50) + "/tasks-" + std::to_string(i));
        sweep.know(vhost, names.back(), row(i));
        sweep.know(other, names.back(), row(i + 1));
    }
    EXPECT_EQ(sweep.entries().size(), 20'000U);
    EXPECT_EQ(sweep.live(), 20'000U);
    for (int i = 0; i < 10'000; ++i) {
        const auto at = static_cast<std::size_t>(i);
        ASSERT_EQ(sweep.find(vhost, names[at])->row.facts.messages, i);
        ASSERT_EQ(sweep.find(other, names[at])->row.facts.messages, i + 1);
    }
    EXPECT_EQ(sweep.find(vhost, "nobody"), nullptr);
    EXPECT_EQ(sweep.vhost("a/b"), other);
}

TEST(SizeSources, KeepTheirNames) {
    for (SizeSource s : {SizeSource::none, SizeSource::metrics, SizeSource::totals, SizeSource::statistics}) {
        EXPECT_EQ(parse_size_source(to_string(s)), s);
    }
    EXPECT_EQ(parse_size_source("hearsay"), SizeSource::none);
}

} // namespace
