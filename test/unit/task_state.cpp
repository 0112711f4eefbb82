// Tasks: the state of each participant and of the whole; whom a belay reaches; what is left when messages are
// gone. Random threads are held against the rule written down naively.

#include "core/board/task_state.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace cloudsat::core {
namespace {

using enum Disposition;

struct Said {
    std::uint64_t number, parent;
    std::string poster;
    Disposition disposition;
};

MessageId id(std::uint64_t number) {
    return {number, ~number};
}

// Message 1 is the start unless told otherwise. A message's time is ten times its number.
class Task {
public:
    explicit Task(const std::vector<Said>& replies, std::uint64_t start = 1,
                  ThreadScope scope = ThreadScope::thread, bool is_start_there = true)
        : state_(std::pmr::get_default_resource()) {
        const auto moment = [](std::uint64_t number) {
            return TaskMoment{id(number), static_cast<TaskTime>(number * 10)};
        };
        if (is_start_there)
            state_.add_start(moment(start));
        for (const Said& said : replies)
            state_.add_reply(moment(said.number), id(said.parent), said.poster, said.disposition);
        state_.judge(id(start), scope);
    }

    const TaskSummary& summary() const { return state_.summary(); }
    const Participant* who(std::string_view poster) const {
        const auto found = state_.participants().find(poster);
        return found == state_.participants().end() ? nullptr : &found->second;
    }
    TaskStage stage(std::string_view poster) const { return who(poster)->stage(); }
    std::size_t size() const { return state_.participants().size(); }

private:
    TaskState state_;
};

TEST(TaskState, NothingAtAll) {
    const Task untouched({});
    EXPECT_EQ(untouched.size(), 0u);
    EXPECT_FALSE(untouched.summary().state);
    EXPECT_EQ(untouched.summary().first, 10);
    EXPECT_EQ(untouched.summary().last, 10);
    const Task gone({}, 1, ThreadScope::thread, false);
    EXPECT_FALSE(gone.summary().first);
}

TEST(TaskState, TheLastOfItsOwnDispositionsButInfo) {
    for (const DispositionEntry& entry : dispositions) {
        const Task task({{4, 1, "a", info}, {2, 1, "a", acknowledged}, {3, 1, "a", entry.value}});
        const Participant& a = *task.who("a");
        EXPECT_EQ(a.state, entry.value == info ? acknowledged : entry.value) << entry.name;
        EXPECT_EQ(a.since.id, id(entry.value == info ? 2 : 3)) << entry.name;
        EXPECT_EQ(a.last.id, id(4));
        EXPECT_EQ(a.last.time, 40);
        EXPECT_EQ(a.replies, 3u);
        EXPECT_EQ(a.taken_up->id, id(2));
    }
    const Task talk({{2, 1, "a", info}});
    EXPECT_FALSE(talk.who("a")->state);
    EXPECT_FALSE(talk.who("a")->taken_up);
    EXPECT_EQ(talk.stage("a"), TaskStage::informed);
    EXPECT_FALSE(talk.summary().state);
}

TEST(TaskState, WhomABelayReaches) {
    // 1 ─┬─ 2 a acknowledges ─── 3 b acknowledges a's ─── 4 b informs
    //    ├─ 5 c acknowledges
    //    └─ 6 a informs
    const std::vector<Said> work{{2, 1, "a", acknowledged},
                                 {3, 2, "b", acknowledged},
                                 {4, 3, "b", info},
                                 {5, 1, "c", acknowledged},
                                 {6, 1, "a", info}};
    const auto reached = [&work](std::uint64_t parent, std::uint64_t number = 9, std::string by = "boss") {
        std::vector<Said> all = work;
        all.push_back({number, parent, by, belay});
        const Task task(all);
        std::string who;
        for (const char* poster : {"a", "b", "c"})
            if (task.stage(poster) == TaskStage::belayed)
                who += poster;
        return who;
    };
    EXPECT_EQ(reached(1), "abc");
    EXPECT_EQ(reached(2), "ab");
    EXPECT_EQ(reached(3), "b");
    EXPECT_EQ(reached(4), "b") << "a note of his";
    EXPECT_EQ(reached(5), "c");
    EXPECT_EQ(reached(6), "a") << "a note elsewhere";
    EXPECT_EQ(reached(1, 9, "a"), "abc") << "whoever says so";
    EXPECT_EQ(reached(2, 9, "b"), "ab");
    EXPECT_EQ(reached(1, 0), "") << "before they took it up";
}

TEST(TaskState, ABelayIsNotForWhoHasFinished) {
    const Task task({{2, 1, "ended", acknowledged},
                     {3, 1, "failed", acknowledged},
                     {4, 2, "ended", end},
                     {5, 3, "failed", problem},
                     {6, 1, "aside", ignored},
                     {7, 1, "boss", belay},
                     {8, 1, "back", acknowledged}});
    EXPECT_EQ(task.stage("ended"), TaskStage::ended);
    EXPECT_EQ(task.stage("failed"), TaskStage::failed);
    EXPECT_EQ(task.stage("aside"), TaskStage::ignored);
    EXPECT_EQ(task.stage("boss"), TaskStage::belayed);
    EXPECT_EQ(task.stage("back"), TaskStage::working);
    EXPECT_EQ(task.summary().state, acknowledged);
    EXPECT_EQ(task.summary().participants, 5u);
    EXPECT_EQ(task.summary().replies, 7u);
    EXPECT_EQ(task.summary().last, 80);
}

TEST(TaskState, AcknowledgedAgainIsTakenUpAgain) {
    std::vector<Said> all{{2, 1, "a", acknowledged}, {3, 2, "boss", belay}};
    EXPECT_EQ(Task(all).who("a")->belayed_by->id, id(3));
    EXPECT_EQ(Task(all).who("a")->state, acknowledged) << "what it said itself";
    EXPECT_EQ(Task(all).summary().state, belay);
    all.push_back({4, 1, "a", acknowledged});
    EXPECT_EQ(Task(all).stage("a"), TaskStage::working);
    EXPECT_EQ(Task(all).who("a")->taken_up->id, id(2)) << "first";
    all.push_back({5, 1, "a", end});
    EXPECT_EQ(Task(all).summary().state, end);
}

TEST(TaskState, TheStateOfTheWhole) {
    const auto state = [](std::vector<Said> all) { return Task(all).summary().state; };
    EXPECT_EQ(state({{2, 1, "a", ignored}, {3, 1, "b", info}}), ignored);
    EXPECT_EQ(state({{2, 1, "a", end}, {3, 1, "b", ignored}}), end);
    EXPECT_EQ(state({{2, 1, "a", end}, {3, 1, "b", problem}}), problem);
    EXPECT_EQ(state({{2, 1, "a", problem}, {3, 1, "b", end}}), end) << "somebody else has done it";
    EXPECT_EQ(state({{2, 1, "a", problem}, {3, 1, "b", acknowledged}}), acknowledged);
    EXPECT_EQ(state({{2, 1, "a", acknowledged}, {3, 1, "b", end}, {4, 2, "b", belay}, {5, 1, "b", ignored}}),
              belay);
}

TEST(TaskState, WhatIsGone) {
    // 1 and 2 are gone
    const std::vector<Said> left{{3, 2, "a", acknowledged}, {4, 1, "b", acknowledged}};
    const auto with = [&left](std::uint64_t parent) {
        std::vector<Said> all = left;
        all.push_back({9, parent, "boss", belay});
        const Task task(all, 1, ThreadScope::thread, false);
        return std::pair(task.stage("a"), task.stage("b"));
    };
    using enum TaskStage;
    EXPECT_EQ(with(1), std::pair(belayed, belayed));
    EXPECT_EQ(with(2), std::pair(belayed, working));
    EXPECT_EQ(with(3), std::pair(belayed, working));
    EXPECT_EQ(Task(left, 1, ThreadScope::thread, false).summary().first, 30);
}

TEST(TaskState, ASubtreeLeavesTheRestOut) {
    const std::vector<Said> all{
        {2, 1, "a", acknowledged}, {3, 2, "b", end}, {4, 1, "boss", belay}, {5, 7, "lost", end}};
    const Task task({all[1], all[2], all[3]}, 2, ThreadScope::subtree);
    EXPECT_EQ(task.size(), 1u);
    EXPECT_EQ(task.stage("b"), TaskStage::ended);
    EXPECT_EQ(task.summary().replies, 1u);
    EXPECT_EQ(task.summary().last, 30);
    EXPECT_EQ(Task(all).size(), 4u) << "a thread keeps who has lost his parent";
}

// The rule as it reads.
TaskStage naive(const std::vector<Said>& all, const std::string& poster) {
    const Said* state = nullptr;
    for (const Said& said : all)
        if (said.poster == poster && said.disposition != info && (!state || said.number > state->number))
            state = &said;
    if (!state)
        return TaskStage::informed;
    const auto find = [&all](std::uint64_t number) -> const Said* {
        const auto found = std::ranges::find(all, number, &Said::number);
        return found == all.end() ? nullptr : &*found;
    };
    switch (state->disposition) {
    case ignored:
        return TaskStage::ignored;
    case problem:
        return TaskStage::failed;
    case belay:
        return TaskStage::belayed;
    case end:
        return TaskStage::ended;
    default:
        break;
    }
    for (const Said& said : all) {
        if (said.disposition != belay || said.number < state->number)
            continue;
        const Said* parent = find(said.parent);
        if (parent && parent->poster == poster)
            return TaskStage::belayed;
        for (std::uint64_t above = state->number;; above = find(above)->parent) {
            if (above == said.parent)
                return TaskStage::belayed;
            if (!find(above)) { // what is gone lay under the first message, too
                if (said.parent == 1)
                    return TaskStage::belayed;
                break;
            }
        }
    }
    return TaskStage::working;
}

TEST(TaskState, RandomThreadsAsTheRuleReads) {
    std::mt19937_64 random(20120229);
    for (int round = 0; round < 500; ++round) {
        std::vector<Said> all;
        const std::uint64_t size = 2 + random() % 30;
        for (std::uint64_t number = 2; number <= size; ++number)
            all.push_back({number, 1 + random() % (number - 1),
                           std::string(1, static_cast<char>('a' + random() % 5)),
                           static_cast<Disposition>(1 + random() % 6)});
        const bool is_start_there = random() % 2 != 0;
        if (random() % 2 != 0)
            std::erase_if(all, [&](const Said&) { return random() % 6 == 0; });
        std::shuffle(all.begin(), all.end(), random);
        const Task task(all, 1, ThreadScope::thread, is_start_there);
        for (const char* poster : {"a", "b", "c", "d", "e"}) {
            const bool takes_part = std::ranges::find(all, poster, &Said::poster) != all.end();
            ASSERT_EQ(task.who(poster) != nullptr, takes_part);
            if (takes_part) {
                ASSERT_EQ(task.stage(poster), naive(all, poster)) << "round " << round << ", " << poster;
            }
        }
        ASSERT_EQ(task.summary().replies, all.size());
    }
}

// A hundred thousand belays and as many who work are no product of the two.
TEST(TaskState, ManyBelaysOfMany) {
    std::vector<Said> all;
    for (std::uint64_t i = 0; i < 50'000; ++i) {
        all.push_back({2 + 2 * i, 1, "w" + std::to_string(i), acknowledged});
        all.push_back({3 + 2 * i, 1, "b" + std::to_string(i), belay});
    }
    const Task task(all);
    EXPECT_EQ(task.summary().count(TaskStage::belayed), 100'000u);
    EXPECT_EQ(task.summary().state, belay);
}

} // namespace
} // namespace cloudsat::core
