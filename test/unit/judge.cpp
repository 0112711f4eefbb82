// The judge as a truth table: what was, what is seen, and what must come of it.

#include "core/guardian/judge.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

namespace {

using namespace cloudsat::core;

constexpr Micros second = micros_per_second;
constexpr Micros now = 1'000'000 * second;

Sample size(std::int64_t messages) {
    return {.messages = messages, .ready = messages, .liveness = Liveness::live, .stream = false};
}
Circumstances watching() {
    return {.now = now};
}
Circumstances enforcing() {
    return {.now = now, .enforce = true};
}

// Shows a sequence of sizes to the judge, one per poll, and counts what it says.
struct Course {
    Standing standing;
    int warned = 0, recovered = 0, would_delete = 0, intended = 0;

    void poll(const Sample& sample, const Limits& limits = {}, Owner owner = Owner::person,
              const Circumstances& c = watching()) {
        const Verdict v = judge(standing, sample, limits, owner, c);
        standing = v.next;
        warned += v.warned;
        recovered += v.recovered;
        would_delete += v.would_delete;
        intended += v.delete_intended;
    }
    void poll_twice(std::int64_t messages, const Limits& limits = {}, Owner owner = Owner::person,
                    const Circumstances& c = watching()) {
        poll(size(messages), limits, owner, c);
        poll(size(messages), limits, owner, c);
    }
};

struct Row {
    const char* what;
    Level level, pending;
    std::int64_t messages;
    Level then, then_pending;
    bool warned, recovered, would_delete;
};

class JudgeTable : public testing::TestWithParam<Row> {};

TEST_P(JudgeTable, OnePollOfAPersonsQueue) {
    const Row& row = GetParam();
    const Standing was{.level = row.level, .pending = row.pending};
    const Verdict v = judge(was, size(row.messages), Limits{}, Owner::person, watching());
    EXPECT_EQ(v.next.level, row.then);
    EXPECT_EQ(v.next.pending, row.then_pending);
    EXPECT_EQ(v.warned, row.warned);
    EXPECT_EQ(v.recovered, row.recovered);
    EXPECT_EQ(v.would_delete, row.would_delete);
    EXPECT_FALSE(v.delete_intended);
}

std::string name_of_row(const testing::TestParamInfo<Row>& row) {
    std::string name;
    for (const char* c = row.param.what; *c != '\0'; ++c) {
        name += std::isalnum(static_cast<unsigned char>(*c)) != 0 ? *c : '_';
    }
    return name;
}

constexpr auto n = Level::normal, w = Level::warned, d = Level::deleted;
INSTANTIATE_TEST_SUITE_P(
    Limits2000And8000, JudgeTable,
    testing::Values(Row{"small", n, n, 10, n, n, false, false, false},
                    Row{"at the limit is not over it", n, w, 2000, n, n, false, false, false},
                    Row{"first time over", n, n, 2001, n, w, false, false, false},
                    Row{"second time over", n, w, 2001, w, w, true, false, false},
                    Row{"over much more the second time", n, w, 9000, w, d, true, false, false},
                    Row{"still over", w, w, 2001, w, w, false, false, false},
                    Row{"below, not yet armed again", w, w, 1601, w, n, false, false, false},
                    Row{"armed again at 0.8", w, w, 1600, n, n, false, true, false},
                    Row{"empty", w, w, 0, n, n, false, true, false},
                    Row{"first time over delete_size", w, w, 8001, w, d, false, false, false},
                    Row{"second time over delete_size", w, d, 8001, w, d, false, false, true},
                    Row{"at delete_size", w, d, 8000, w, w, false, false, false},
                    Row{"flooded at once, warned and told in one", n, d, 9000, w, d, true, false, true}),
    name_of_row);

TEST(Judge, OscillationAroundTheLimitWarnsOnce) {
    Course course;
    for (int i = 0; i < 200; ++i) {
        course.poll(size(i % 3 == 0 ? 1900 : 2100));
    }
    EXPECT_EQ(course.warned, 1);
    EXPECT_EQ(course.recovered, 0);
}

TEST(Judge, OnePeakOnEverySecondPollIsNoReason) {
    Course course;
    for (int i = 0; i < 200; ++i) {
        course.poll(size(i % 2 == 0 ? 100 : 100'000));
    }
    EXPECT_EQ(course.warned + course.would_delete, 0);
}

TEST(Judge, WouldDeleteIsSaidOncePerIncident) {
    Course course;
    for (int i = 0; i < 100; ++i) {
        course.poll(size(i % 5 == 0 ? 3000 : 9000));
    }
    EXPECT_EQ(course.would_delete, 1);
    course.poll(size(0)); // recovered: the next incident is another one
    course.poll_twice(9000);
    EXPECT_EQ(course.recovered, 1);
    EXPECT_EQ(course.would_delete, 2);
    EXPECT_EQ(course.warned, 2);
}

TEST(Judge, EnforcingIntendsAndThenWaitsForTheAct) {
    Course course;
    course.poll_twice(9000, {}, Owner::person, enforcing());
    EXPECT_EQ(course.warned, 1);
    EXPECT_EQ(course.intended, 1);
    EXPECT_TRUE(course.standing.intended);
    for (int i = 0; i < 10; ++i) {
        course.poll(size(i % 2 == 0 ? 0 : 90'000), {}, Owner::person, enforcing());
    }
    EXPECT_EQ(course.intended, 1);
    EXPECT_EQ(course.recovered, 0);
    EXPECT_EQ(course.standing.pending, Level::normal);
}

TEST(Judge, SwitchingEnforceOnDeletesWhatItWouldHave) {
    Course course;
    course.poll_twice(9000);
    EXPECT_EQ(course.would_delete, 1);
    course.poll(size(9000), {}, Owner::person, enforcing());
    EXPECT_EQ(course.intended, 1);
}

TEST(Judge, NoOwnerMeansNoWarningAndSilentDeletion) {
    Course course;
    course.poll_twice(5000, {}, Owner::none, enforcing());
    EXPECT_EQ(course.standing.level, Level::normal);
    course.poll_twice(9000, {}, Owner::none, enforcing());
    EXPECT_EQ(course.warned, 0);
    EXPECT_EQ(course.intended, 1);
}

TEST(Judge, NoOwnerNotEnforcedIsToldOnceUntilItFallsWell) {
    Course course;
    course.poll_twice(9000, {}, Owner::none);
    course.poll_twice(7000, {}, Owner::none);
    course.poll_twice(9000, {}, Owner::none);
    EXPECT_EQ(course.would_delete, 1);
    course.poll(size(6400), {}, Owner::none);
    course.poll_twice(9000, {}, Owner::none);
    EXPECT_EQ(course.would_delete, 2);
}

TEST(Judge, ReservedOwnersAndExemptQueuesAreLeftAlone) {
    Course reserved;
    reserved.poll_twice(90'000, {}, Owner::reserved, enforcing());
    Course exempt;
    exempt.poll_twice(90'000, {.exempt = true}, Owner::person, enforcing());
    for (const Course& course : {reserved, exempt}) {
        EXPECT_EQ(course.warned + course.intended + course.would_delete, 0);
        EXPECT_EQ(course.standing, Standing{});
    }
}

TEST(Judge, AnExemptionEndsTheIncidentEvenWithoutNumbers) {
    Course course;
    course.poll_twice(9000);
    course.poll(Sample{}, {.exempt = true});
    EXPECT_EQ(course.recovered, 1);
    EXPECT_EQ(course.standing, Standing{});
}

TEST(Judge, UnboundedAndStreamsAreWarnedAboutAndNeverDeleted) {
    Course unbounded;
    unbounded.poll_twice(90'000, {.unbounded = true}, Owner::person, enforcing());
    EXPECT_EQ(unbounded.warned, 1);
    EXPECT_EQ(unbounded.intended + unbounded.would_delete, 0);
    Course stream;
    Sample sample = size(90'000);
    sample.stream = true;
    stream.poll(sample, {}, Owner::person, enforcing());
    stream.poll(sample, {}, Owner::person, enforcing());
    EXPECT_EQ(stream.warned, 1);
    EXPECT_EQ(stream.intended + stream.would_delete, 0);
}

TEST(Judge, WithoutANumberNothingIsDecided) {
    Course course;
    course.poll_twice(9000);
    const int told = course.warned + course.would_delete;
    Sample no_number{.messages = {}, .ready = {}, .liveness = Liveness::live, .stream = false};
    course.poll(no_number);
    EXPECT_EQ(course.standing.level, Level::warned);
    EXPECT_EQ(course.warned + course.would_delete, told);
    EXPECT_EQ(course.recovered, 0);
}

TEST(Judge, AGapBreaksTheRowOfTwo) {
    Course course;
    course.poll(size(9000));
    course.poll(Sample{});
    course.poll(size(9000));
    EXPECT_EQ(course.warned, 0);
    course.poll(size(9000));
    EXPECT_EQ(course.warned, 1);
}

TEST(Judge, StatesWhoseNumbersLieAreNotBelieved) {
    for (const char* state : {"down", "stopped", "crashed", "minority", "terminated", "whatever"}) {
        EXPECT_EQ(liveness_of(state), Liveness::dead) << state;
    }
    for (const char* state : {"running", "idle", "flow", "live"}) {
        EXPECT_EQ(liveness_of(state), Liveness::live) << state;
    }
    EXPECT_EQ(liveness_of(""), Liveness::unknown);

    Course course;
    course.poll_twice(9000);
    Sample zero = size(0);
    zero.liveness = Liveness::dead; // a stopped vhost says messages: 0
    course.poll(zero);
    EXPECT_EQ(course.recovered, 0);
    EXPECT_EQ(course.standing.level, Level::warned);
}

TEST(Judge, AnUnknownStateIsJudgedByItsNumber) {
    Course course;
    Sample sample = size(3000);
    sample.liveness = Liveness::unknown; // metrics tell no state
    course.poll(sample);
    course.poll(sample);
    EXPECT_EQ(course.warned, 1);
}

TEST(Judge, HoldsAfterTheBrokerCameBack) {
    Circumstances back = enforcing();
    back.up_since = now - 15 * second + 1;
    Course course;
    course.poll_twice(9000, {}, Owner::person, back);
    EXPECT_EQ(course.warned + course.intended, 0);
    EXPECT_EQ(course.standing.pending, Level::normal);
    back.up_since = now - 15 * second;
    course.poll_twice(9000, {}, Owner::person, back);
    EXPECT_EQ(course.warned, 1);
    EXPECT_EQ(course.intended, 1);
}

TEST(Judge, HoldsAfterAnAction) {
    Course course;
    course.standing.level = Level::warned;
    course.standing.acted_at = now - 9 * second;
    course.poll(size(0));
    EXPECT_EQ(course.recovered, 0);
    course.standing.acted_at = now - 10 * second;
    course.poll(size(0));
    EXPECT_EQ(course.recovered, 1);
}

TEST(Judge, AFailedActionIsNotRepeatedBeforeItsTime) {
    Course course;
    course.standing.retry_after = now + 1;
    course.poll_twice(9000, {}, Owner::person, enforcing());
    EXPECT_EQ(course.intended, 0);
    course.standing.retry_after = now;
    course.poll(size(9000), {}, Owner::person, enforcing());
    EXPECT_EQ(course.intended, 1);
}

TEST(Judge, APartialSweepDeletesNothing) {
    Circumstances partial = enforcing();
    partial.may_delete = false;
    Course course;
    course.poll_twice(9000, {}, Owner::person, partial);
    EXPECT_EQ(course.warned, 1);
    EXPECT_EQ(course.intended, 0);
}

TEST(Judge, ReadyMayBeTheBasis) {
    const Limits limits{.basis = Basis::ready};
    Sample sample = size(9000);
    sample.ready = 10; // the rest is with consumers
    Course course;
    course.poll(sample, limits);
    course.poll(sample, limits);
    EXPECT_EQ(course.warned, 0);
    sample.ready.reset();
    course.poll(sample, limits);
    EXPECT_EQ(course.standing.pending, Level::normal);
}

TEST(Judge, RearmSizeIsFourFifthsRoundedDown) {
    for (std::int64_t limit = 0; limit < 1000; ++limit) {
        EXPECT_EQ(rearm_size(limit), limit * 4 / 5) << limit;
    }
    EXPECT_GT(rearm_size(INT64_MAX), 0);
}

TEST(Judge, LevelsKeepTheirNames) {
    for (Level level : {Level::normal, Level::warned, Level::archiving, Level::deleted}) {
        EXPECT_EQ(parse_level(to_string(level)), level);
    }
    EXPECT_FALSE(parse_level("overgrown"));
}

// --- belay

TEST(Belayed, IsWarnedAboutAndNothingIsDoneUntilItHasRecovered) {
    Course course;
    course.poll_twice(3000, {}, Owner::person, enforcing());
    course.standing.belayed = true;
    course.poll_twice(90'000, {}, Owner::person, enforcing());
    course.poll_twice(90'000);
    EXPECT_EQ(course.warned, 1);
    EXPECT_EQ(course.intended + course.would_delete, 0);
    EXPECT_TRUE(course.standing.belayed);
    const Verdict kept =
        judge(course.standing, size(90'000), {.archive_size = 4000}, Owner::person, enforcing());
    EXPECT_EQ(kept.delete_blocker, Blocker::belayed);
    EXPECT_EQ(kept.archive_blocker, Blocker::belayed);
    course.poll(size(1601), {}, Owner::person, enforcing());
    EXPECT_TRUE(course.standing.belayed);
    course.poll(size(1600), {}, Owner::person, enforcing());
    EXPECT_EQ(course.recovered, 1);
    EXPECT_EQ(course.standing, Standing{}) << "and the hold is over";
    course.poll_twice(90'000, {}, Owner::person, enforcing());
    EXPECT_EQ(course.warned, 2);
    EXPECT_EQ(course.intended, 1) << "so the next time it is not spared";
}

TEST(Belayed, OutlivesPollsThatSayNothing) {
    const Standing was{.level = Level::warned, .belayed = true};
    EXPECT_TRUE(judge(was, Sample{}, {}, Owner::person, enforcing()).next.belayed);
    EXPECT_TRUE(judge(was, size(3000), {}, Owner::none, enforcing()).next.belayed);
    const Standing intended{.level = Level::warned, .belayed = true, .intended = true};
    EXPECT_TRUE(judge(intended, size(9000), {}, Owner::person, enforcing()).next.belayed);
}

TEST(Belayed, EndsByDecree) {
    const Standing was{.level = Level::warned, .belayed = true};
    EXPECT_EQ(judge(was, Sample{}, {.exempt = true}, Owner::person, enforcing()).next, Standing{});
}

// --- archiving, between 2000 and 8000, at 4000

Limits archiving() {
    Limits limits;
    limits.archive_size = 4000;
    return limits;
}

class Archiving : public testing::Test {
protected:
    Verdict poll(std::int64_t messages, const Circumstances& c = enforcing(), Owner owner = Owner::person) {
        Sample sample = size(messages);
        sample.archived = archived;
        const Verdict verdict = judge(standing, sample, limits, owner, c);
        standing = verdict.next;
        return verdict;
    }
    Limits limits = archiving();
    std::optional<std::int64_t> archived;
    Standing standing;
};

TEST_F(Archiving, BeginsOnTwoPollsAndEndsAtFourFifths) {
    EXPECT_FALSE(poll(4001).archive_wanted);
    const Verdict begun = poll(4001);
    EXPECT_TRUE(begun.archive_wanted && begun.warned);
    EXPECT_EQ(standing.level, Level::archiving);
    EXPECT_EQ(standing.archive, Archive::on);
    EXPECT_FALSE(poll(4000).archive_ended);
    EXPECT_FALSE(poll(3201).archive_ended);
    const Verdict ended = poll(3200);
    EXPECT_TRUE(ended.archive_ended);
    EXPECT_EQ(standing.level, Level::warned);
    EXPECT_EQ(standing.archive, Archive::none);
    EXPECT_FALSE(ended.recovered);
    EXPECT_TRUE(poll(1600).recovered);
    poll(4001);
    EXPECT_TRUE(poll(4001).archive_wanted) << "when it is exceeded again";
}

TEST_F(Archiving, ABelayEndsItAndItsEndBeginsItAnew) {
    poll(9000);
    poll(9000);
    ASSERT_EQ(standing.archive, Archive::on);
    standing.belayed = true;
    const Verdict ended = poll(9000);
    EXPECT_TRUE(ended.archive_ended);
    EXPECT_EQ(standing.level, Level::warned);
    EXPECT_EQ(standing.archive, Archive::none);
    EXPECT_FALSE(poll(9000).archive_wanted);
    standing.belayed = false;
    EXPECT_TRUE(poll(9000).archive_wanted);
}

TEST_F(Archiving, OneThatSwingsDoesNotFlap) {
    int begun = 0, ended = 0, warned = 0;
    for (int i = 0; i < 200; ++i) {
        const Verdict verdict = poll(i % 2 == 0 ? 4500 : 3500);
        begun += verdict.archive_wanted;
        ended += verdict.archive_ended;
        warned += verdict.warned;
    }
    EXPECT_EQ(begun, 0) << "two polls in a row never agree";
    for (int i = 0; i < 200; ++i) {
        const Verdict verdict = poll(i % 3 != 0 ? 4500 : 3500);
        begun += verdict.archive_wanted;
        ended += verdict.archive_ended;
        warned += verdict.warned;
    }
    EXPECT_EQ(begun, 1);
    EXPECT_EQ(ended, 0);
    EXPECT_EQ(warned, 1);
}

TEST_F(Archiving, ADeletionWaitsForIt) {
    poll(9000);
    EXPECT_FALSE(poll(9000).delete_intended) << "it begins to archive instead";
    EXPECT_EQ(standing.level, Level::archiving);
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(poll(9000 + i * 1000).delete_blocker, Blocker::archive_first) << "however fast it grows";
    }
}

TEST_F(Archiving, OnlyAFailureForGoodLetsADeletionPass) {
    poll(9000);
    poll(9000);
    for (standing.archive_failures = 1; standing.archive_failures < 5; ++standing.archive_failures) {
        EXPECT_EQ(poll(9000).delete_blocker, Blocker::archive_first) << standing.archive_failures;
    }
    EXPECT_TRUE(poll(9000).delete_intended);
}

TEST_F(Archiving, BeginsAnewWithoutItsFailures) {
    standing.archive_failures = 5;
    poll(9000);
    EXPECT_EQ(poll(9000).delete_blocker, Blocker::archive_first);
    EXPECT_EQ(standing.archive_failures, 0);
}

TEST_F(Archiving, WithoutItNothingWaits) {
    limits.max_archive_size = 100;
    archived = 100;
    for (const Archive archive : {Archive::full, Archive::withheld}) {
        standing = {};
        standing.archive = archive;
        poll(9000);
        EXPECT_TRUE(poll(9000).delete_intended);
    }
    standing = {};
    limits.archive_size.reset();
    poll(9000);
    EXPECT_TRUE(poll(9000).delete_intended);
}

TEST_F(Archiving, FullGoesOnWhenThereIsRoom) {
    limits.max_archive_size = 500;
    poll(5000);
    poll(5000);
    standing.archive = Archive::full; // the act has found it so
    archived = 500;
    const Verdict over = poll(5000);
    EXPECT_TRUE(over.archive_ended);
    EXPECT_EQ(standing.level, Level::warned);
    for (int i = 0; i < 5; ++i) {
        EXPECT_FALSE(poll(5000).archive_wanted);
    }
    archived = 499;
    EXPECT_TRUE(poll(3500).archive_wanted) << "at once, though archive_size is not exceeded";
    EXPECT_EQ(standing.level, Level::archiving);

    standing.archive = Archive::full;
    archived = 500;
    limits.max_archive_size.reset();
    const Verdict unlimited = poll(9000);
    EXPECT_TRUE(unlimited.archive_ended && unlimited.archive_wanted) << "also before a poll saw it full";
    EXPECT_FALSE(unlimited.delete_intended);

    limits.max_archive_size = 500;
    standing.archive = Archive::full;
    poll(3200);
    EXPECT_EQ(standing.archive, Archive::none) << "and it is over when the queue is small";
}

TEST_F(Archiving, IsNotDeletedBesideAnArchiveWithRoom) {
    limits.max_archive_size = 500;
    archived = 500;
    poll(9000);
    poll(9000);
    standing.archive = Archive::full;
    poll(9000);
    standing.intended = false;
    archived = 0;
    const Verdict verdict = poll(9000);
    EXPECT_TRUE(verdict.archive_wanted);
    EXPECT_EQ(verdict.delete_blocker, Blocker::archive_first);

    standing.archive = Archive::full;
    archived.reset();
    poll(9000);
    EXPECT_EQ(poll(9000).delete_blocker, Blocker::uncounted) << "nor beside one that nobody has counted";
}

TEST_F(Archiving, EndsByThePollThatSeesItSmall) {
    poll(5000);
    poll(5000);
    standing.acted_at = now - second; // the act has made it small, and the numbers may be old
    EXPECT_TRUE(poll(3200).archive_ended);
    EXPECT_EQ(standing.archive, Archive::none);
    EXPECT_EQ(standing.level, Level::warned);
}

TEST_F(Archiving, EndsWhenTheQueueIsNotWatchedAnyMore) {
    poll(5000);
    poll(5000);
    const Verdict verdict = leave(standing, Owner::person);
    EXPECT_TRUE(verdict.archive_ended);
    EXPECT_EQ(verdict.next.archive, Archive::none);
    EXPECT_EQ(verdict.next.level, Level::warned) << "the incident stays open";
    EXPECT_EQ(verdict.next.pending, Level::normal);
    EXPECT_FALSE(leave(verdict.next, Owner::person).archive_ended);
}

TEST(Judge, DoesNotDeleteWhatIsToBeArchivedWhereNothingIsArchived) {
    Standing standing;
    Verdict verdict;
    for (int polls = 0; polls < 6; ++polls) {
        verdict = judge(standing, size(9000), {.archive_size = 4000}, Owner::person,
                        {.now = now, .enforce = true, .archives = false});
        EXPECT_FALSE(verdict.delete_intended);
        standing = verdict.next;
    }
    EXPECT_EQ(verdict.delete_blocker, Blocker::by_hand);
}

class Delay : public testing::Test {
protected:
    Limits limits{.delete_delay = 60 * second};
    bool enforce = true;
    Standing standing;
    Micros time = now;
    Verdict poll(std::int64_t messages, Owner owner = Owner::person) {
        const Verdict verdict =
            judge(standing, size(messages), limits, owner, {.now = time, .enforce = enforce});
        standing = verdict.next;
        time += second;
        return verdict;
    }
};

TEST_F(Delay, CountsFromTheWarning) {
    poll(9000);
    const Verdict warned = poll(9000);
    EXPECT_TRUE(warned.warned);
    EXPECT_EQ(warned.delete_blocker, Blocker::delayed);
    while (time < now + 61 * second) {
        EXPECT_FALSE(poll(9000).delete_intended);
    }
    EXPECT_TRUE(poll(9000).delete_intended);
}

TEST_F(Delay, EachIncidentHasItsOwn) {
    poll(3000);
    poll(3000);
    time += 3600 * second;
    EXPECT_FALSE(poll(9000).delete_intended) << "one poll";
    EXPECT_TRUE(poll(9000).delete_intended) << "the warning is old enough";
    standing.intended = false;
    poll(1000);
    poll(9000);
    EXPECT_EQ(poll(9000).delete_blocker, Blocker::delayed) << "of the next incident it is not";
}

TEST_F(Delay, WhereNobodyIsWarnedItCountsFromTheFirstPollAboveDeleteSize) {
    poll(9000, Owner::none);
    EXPECT_EQ(poll(9000, Owner::none).delete_blocker, Blocker::delayed);
    poll(7000, Owner::none); // not small enough for the delay to begin anew
    time = now + 60 * second;
    poll(9000, Owner::none);
    EXPECT_TRUE(poll(9000, Owner::none).delete_intended);
    standing.intended = false;
    poll(6400, Owner::none);
    poll(9000, Owner::none);
    EXPECT_EQ(poll(9000, Owner::none).delete_blocker, Blocker::delayed);
}

TEST_F(Delay, DoesNotCountWhileTheQueueCannotBeDeleted) {
    const auto at_first = [&](auto&& change, auto&& undo) {
        standing = {};
        change();
        poll(9000);
        EXPECT_TRUE(poll(9000).warned);
        time += 3600 * second;
        EXPECT_FALSE(poll(9000).delete_intended);
        undo();
        const Verdict first = poll(9000);
        EXPECT_EQ(first.delete_blocker, Blocker::delayed) << "the warning of an hour ago did not say so";
        EXPECT_TRUE(first.deletable);
        const Verdict second_poll = poll(9000);
        EXPECT_EQ(second_poll.delete_blocker, Blocker::delayed);
        EXPECT_FALSE(second_poll.deletable);
        time += 60 * second;
        EXPECT_TRUE(poll(9000).delete_intended);
        standing.intended = false;
    };
    at_first([&] { enforce = false; }, [&] { enforce = true; });
    at_first([&] { limits.unbounded = true; }, [&] { limits.unbounded = false; });
}

TEST_F(Delay, BeginsAnewWhenTheQueueIsWatchedAgain) {
    poll(9000);
    EXPECT_TRUE(poll(9000).warned);
    time += 3600 * second;
    standing = leave(standing, Owner::person).next;
    EXPECT_TRUE(poll(9000).deletable);
    EXPECT_EQ(poll(9000).delete_blocker, Blocker::delayed);
}

TEST_F(Delay, OfNoOwnerBeginsAnewToo) {
    enforce = false;
    poll(9000, Owner::none);
    EXPECT_TRUE(poll(9000, Owner::none).would_delete);
    time += 3600 * second;
    enforce = true;
    const Verdict first = poll(9000, Owner::none);
    EXPECT_EQ(first.delete_blocker, Blocker::delayed);
    EXPECT_FALSE(first.deletable);
}

TEST_F(Delay, WithoutOneNobodyIsWarnedAgain) {
    limits.delete_delay = 0;
    enforce = false;
    poll(9000);
    EXPECT_TRUE(poll(9000).would_delete);
    enforce = true;
    const Verdict verdict = poll(9000);
    EXPECT_FALSE(verdict.deletable);
    EXPECT_TRUE(verdict.delete_intended);
}

TEST_F(Delay, OfNoneNothingWaits) {
    limits.delete_delay = 0;
    poll(9000);
    EXPECT_TRUE(poll(9000).delete_intended);
}

TEST_F(Archiving, NotWhenNothingIsEnforced) {
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(poll(5000, watching()).archive_wanted);
    }
    EXPECT_EQ(standing.level, Level::warned);
    EXPECT_TRUE(poll(5000).archive_wanted);
    EXPECT_TRUE(poll(5000, watching()).archive_ended) << "switched off, it ends";
    EXPECT_EQ(standing.archive, Archive::none);
}

TEST_F(Archiving, NeitherStreamsNorHalfASweep) {
    Circumstances partial = enforcing();
    partial.may_delete = false;
    poll(5000, partial);
    EXPECT_FALSE(poll(5000, partial).archive_wanted);
    standing = {};
    Sample stream = size(5000);
    stream.stream = true;
    for (int i = 0; i < 3; ++i) {
        const Verdict verdict = judge(standing, stream, limits, Owner::person, enforcing());
        standing = verdict.next;
        EXPECT_FALSE(verdict.archive_wanted);
    }
}

TEST_F(Archiving, OfAQueueWithoutAnOwner) {
    poll(5000, enforcing(), Owner::none);
    EXPECT_TRUE(poll(5000, enforcing(), Owner::none).archive_wanted);
    const Verdict ended = poll(3000, enforcing(), Owner::none);
    EXPECT_TRUE(ended.archive_ended);
    EXPECT_FALSE(ended.recovered);
    EXPECT_EQ(standing.level, Level::normal);
}

TEST_F(Archiving, EndsByDecree) {
    poll(5000);
    poll(5000);
    limits.exempt = true;
    const Verdict verdict = judge(standing, {}, limits, Owner::person, enforcing());
    EXPECT_TRUE(verdict.archive_ended && verdict.recovered);
    EXPECT_EQ(verdict.next.archive, Archive::none);
    EXPECT_EQ(verdict.next.level, Level::normal);
}

TEST_F(Archiving, UnboundedIsNeverDeleted) {
    limits.unbounded = true;
    poll(9000);
    EXPECT_TRUE(poll(9000).archive_wanted);
    for (int i = 0; i < 5; ++i) {
        EXPECT_FALSE(poll(9000).delete_intended);
    }
}

TEST(ArchiveNames, AreReadAsTheyAreWritten) {
    for (const Archive archive : {Archive::none, Archive::on, Archive::full, Archive::withheld}) {
        EXPECT_EQ(parse_archive(to_string(archive)), archive);
    }
    EXPECT_EQ(parse_archive("nonsense"), Archive::none);
}

} // namespace
