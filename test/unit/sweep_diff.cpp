// A sweep against what is known: who is new, changed, absent, another queue of the same name.

#include "core/guardian/sweep_diff.hpp"

#include <gtest/gtest.h>

#include <map>
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
    void know(std::string_view name, const Known& known) { know(sweep, name, known); }
    void know(Sweep& which, std::string_view name, const Known& known) {
        rows[std::string(name)] = known;
        which.know(which.vhost("/"), name, known.gone, known.source);
    }
    Entry entry_of(Sweep& which, std::string_view name) {
        const Sighting* sighting = which.find(vhost, name);
        EXPECT_NE(sighting, nullptr);
        Entry entry;
        entry.see(*sighting);
        entry.row = rows[std::string(name)];
        return entry;
    }
    Step step_of(Sweep& which, std::string_view name) {
        return step(entry_of(which, name), which.vhosts()[vhost], context);
    }
    Step step_of(std::string_view name) { return step_of(sweep, name); }

    std::map<std::string, Known> rows; // of vhost /
};

TEST_F(SweepTest, AnUnchangedQueueIsNotWritten) {
    know("q", row(7));
    sweep.saw_size(vhost, "q", counts(7), SizeSource::totals);
    sweep.vhosts()[vhost].sized = true;
    sweep.compare_names();
    EXPECT_FALSE(sweep.vhosts()[vhost].differs);
    const Step s = step_of("q");
    EXPECT_FALSE(s.write || s.sample || s.appeared || s.vanished);
}

TEST_F(SweepTest, ANewNumberIsWrittenAndSampled) {
    know("q", row(7));
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
    know("q", row(7));
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
    know("q", known);
    Facts zero = counts(0);
    zero.type = "quorum";
    sweep.saw_size(vhost, "q", zero, SizeSource::totals);
    const Step first = step_of("q");
    EXPECT_FALSE(first.verdict.recovered);
    EXPECT_EQ(first.row.facts.messages, 0); // what was told is recorded all the same
    know("q", first.row);
    EXPECT_TRUE(step_of("q").verdict.recovered);
    // classic ones are right at once
    known.facts.type = zero.type = "classic";
    know("c", known);
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
    know("q", row(7));
    sweep.saw_size(vhost, "q", counts(7), SizeSource::totals);
    sweep.saw_name(vhost, "q", named());
    EXPECT_FALSE(step_of("q").write);
    know("m", row(7, SizeSource::metrics));
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
    know("q", known);
    Facts numbers;
    numbers.messages = numbers.ready = 9000;
    sweep.saw_size(vhost, "q", numbers, SizeSource::metrics);
    EXPECT_FALSE(step_of("q").verdict.warned);
}

TEST_F(SweepTest, GoneOnlyWhenBothListingsMissIt) {
    know("q", row(7));
    EXPECT_FALSE(step_of("q").vanished); // nothing was read
    sweep.vhosts()[vhost].sized = true;
    EXPECT_FALSE(step_of("q").vanished);
    sweep.vhosts()[vhost].named = true;
    EXPECT_TRUE(step_of("q").vanished);
    context.believe_absent = false;
    EXPECT_FALSE(step_of("q").vanished);
}

TEST_F(SweepTest, ARowMissingInTotalsIsNotGone) {
    know("dead", row(7));
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
    know(next, "dead", s.row);
    next.vhosts()[0].sized = true;
    next.compare_names();
    EXPECT_FALSE(next.vhosts()[0].differs);
}

TEST_F(SweepTest, AVhostThatIsGoneTakesItsQueuesAlong) {
    know("q", row(7));
    sweep.vhosts()[vhost].gone = true;
    EXPECT_TRUE(step_of("q").vanished);
}

TEST_F(SweepTest, AVanishedQueueEndsItsIncidentAndStartsAfresh) {
    Known known = row(3000);
    known.standing = {.level = Level::warned, .pending = Level::warned, .would_delete = true};
    know("q", known);
    read_both();
    const Step s = step_of("q");
    EXPECT_TRUE(s.vanished && s.write);
    EXPECT_EQ(s.row.standing, Standing{});
    EXPECT_TRUE(s.row.gone);

    Sweep next(&memory);
    know(next, "q", s.row);
    next.saw_size(vhost, "q", counts(3000), SizeSource::totals);
    next.saw_name(vhost, "q", named());
    const Step back = step_of(next, "q");
    EXPECT_TRUE(back.appeared);
    EXPECT_FALSE(back.redeclared);
    EXPECT_FALSE(back.verdict.warned);
    EXPECT_FALSE(back.row.gone);
}

TEST_F(SweepTest, AnOpenIntentionIsNotSettledByAbsence) {
    Known known = row(9000);
    known.standing = {.level = Level::warned, .intended = true};
    know("q", known);
    read_both();
    const Step s = step_of("q");
    EXPECT_FALSE(s.vanished);
    EXPECT_FALSE(s.write);
}

TEST_F(SweepTest, AnotherQueueOfTheSameNameStartsAfresh) {
    Known known = row(9000);
    known.standing = {.level = Level::warned, .pending = Level::deleted, .intended = true, .acted_at = now};
    know("q", known);
    Facts facts = counts(9000);
    facts.durable = false;
    sweep.saw_size(vhost, "q", facts, SizeSource::totals);
    sweep.saw_name(vhost, "q", facts);
    const Step s = step_of("q");
    EXPECT_TRUE(s.appeared && s.redeclared && s.withdrawn);
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
    know("here", row(7, SizeSource::metrics));
    know("there", row(7, SizeSource::totals));
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
        know(one, "q", known);
        one.saw_size(v, "q", counts(1000 + i * 100), SizeSource::totals);
        known = step_of(one, "q").row;
    }
    EXPECT_NEAR(known.growth, 1200, 20);
    Sweep last(&memory);
    const std::uint32_t v = last.vhost("/");
    known.changed_at = now - 60 * second;
    know(last, "q", known);
    last.saw_size(v, "q", known.facts, SizeSource::totals);
    const Step s = step_of(last, "q");
    EXPECT_EQ(s.row.growth, 0);
    EXPECT_TRUE(s.write);
    EXPECT_FALSE(s.sample);
}

// Polls that find nothing new write nothing, and count all the same: 2 messages a minute are 2 a minute.
TEST_F(SweepTest, SlowGrowthIsNeitherLostNorExaggerated) {
    for (const Micros every : {second, 5 * second, 15 * second}) {
        Known known = row(1000);
        known.changed_at = now;
        std::int64_t size = 1000;
        double sum = 0;
        int polls = 0;
        for (Micros t = every; t <= 1200 * second; t += every) {
            size = 1000 + t / (30 * second);
            context.last_poll = now + t - every;
            context.circumstances.now = now + t;
            Sweep one(&memory);
            const std::uint32_t v = one.vhost("/");
            know(one, "q", known);
            one.saw_size(v, "q", counts(size), SizeSource::totals);
            known = step_of(one, "q").row;
            if (t >= 600 * second && t % (30 * second) == 0) { // just after each change
                sum += known.growth;
                ++polls;
            }
        }
        EXPECT_NEAR(sum / polls, 2.5, 0.4) << every; // highest just after a change
    }
}

TEST_F(SweepTest, GrowthIsOfTheNumberThatCounts) {
    Known known = row(1000);
    known.limits.basis = Basis::ready;
    know("q", known);
    Facts facts = counts(1000);
    facts.messages = 5000; // all of them held by consumers
    facts.unacknowledged = 4000;
    sweep.saw_size(vhost, "q", facts, SizeSource::totals);
    EXPECT_EQ(step_of("q").row.growth, 0);
}

TEST_F(SweepTest, NewRulesAreWrittenEvenForQueuesThatAreNotSeen) {
    know("q", row(7));
    Entry entry = entry_of(sweep, "q");
    EXPECT_FALSE(step(entry, sweep.vhosts()[vhost], context).write);
    entry.ruled = true;
    EXPECT_TRUE(step(entry, sweep.vhosts()[vhost], context).write);
}

TEST_F(SweepTest, TenThousandQueuesInTwoVhostsAreKeptApart) {
    const std::uint32_t other = sweep.vhost("a/b");
    sweep.reserve(100); // and grows beyond
    const auto name_of = [](int i) {
        return "queue/u" + std::to_string(i % 50) + "/tasks-" + std::to_string(i);
    };
    for (int i = 0; i < 10'000; ++i) {
        sweep.saw_size(vhost, name_of(i), counts(i), SizeSource::totals);
        sweep.know(other, name_of(i), i % 2 == 0, SizeSource::metrics);
    }
    EXPECT_EQ(sweep.sightings().size(), 20'000U);
    EXPECT_EQ(sweep.live(), 5'000U);
    for (int i = 0; i < 10'000; ++i) {
        const Sighting* here = sweep.find(vhost, name_of(i));
        ASSERT_NE(here, nullptr);
        ASSERT_EQ(here->name(), name_of(i));
        ASSERT_EQ(here->seen().messages, i);
        ASSERT_FALSE(here->known());
        const auto expected = static_cast<std::size_t>(2 * i + 1);
        const Sighting* there = sweep.find(other, name_of(i), expected);
        ASSERT_EQ(there, &sweep.sightings()[expected]);
        ASSERT_EQ(sweep.find(other, name_of(i)), there); // the hint saves time, and no more
        ASSERT_EQ(sweep.find(other, name_of(i), 0), there);
        ASSERT_EQ(there->live(), i % 2 == 1);
        ASSERT_EQ(there->seen().messages, std::nullopt);
    }
    EXPECT_EQ(sweep.find(vhost, "nobody"), nullptr);
    EXPECT_EQ(sweep.vhost("a/b"), other);
    EXPECT_EQ(sweep.find_vhost("a/b"), other);
    EXPECT_EQ(sweep.find_vhost("a"), std::nullopt);
}

TEST_F(SweepTest, WhatWasSeenComesBackWhole) {
    Facts facts;
    facts.type = "quorum";
    facts.state = "running";
    facts.arguments = R"({"x-queue-type":"quorum"})";
    facts.durable = true;
    facts.exclusive = false;
    facts.auto_delete = false;
    facts.messages = 5'000'000'000;
    facts.ready = 0;
    facts.unacknowledged = 1;
    facts.consumers = 2;
    facts.memory = 3;
    sweep.saw_size(vhost, "all", facts, SizeSource::statistics);
    EXPECT_EQ(sweep.find(vhost, "all")->seen(), facts);
    sweep.saw_size(vhost, "nothing", {}, SizeSource::statistics);
    EXPECT_EQ(sweep.find(vhost, "nothing")->seen(), Facts{});
    // a second listing adds, and takes nothing away
    Facts more;
    more.messages = 7;
    sweep.saw_size(vhost, "all", more, SizeSource::metrics);
    facts.messages = 7;
    EXPECT_EQ(sweep.find(vhost, "all")->seen(), facts);
    // more states than anybody has
    for (int i = 0; i < 100; ++i) {
        const std::string state = "state " + std::to_string(i % 40);
        Facts odd;
        odd.state = state;
        sweep.saw_size(vhost, "odd" + std::to_string(i), odd, SizeSource::totals);
    }
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(sweep.find(vhost, "odd" + std::to_string(i))->seen().state,
                  "state " + std::to_string(i % 40));
    }
}

TEST(SizeSources, KeepTheirNames) {
    for (SizeSource s : {SizeSource::none, SizeSource::metrics, SizeSource::totals, SizeSource::statistics}) {
        EXPECT_EQ(parse_size_source(to_string(s)), s);
    }
    EXPECT_EQ(parse_size_source("hearsay"), SizeSource::none);
}

} // namespace
