// The state of a task: from a message and the replies under it, who takes part, the stage of each
// participant, and the resulting state of the whole. Pure: no server, no recursion.
//
// The rule. A participant is the poster of at least one of the replies. Its state is its last disposition
// other than info. It works if that is acknowledged, unless a later belay replies to one of its replies, to
// the acknowledgment, or to any message above that: cancelling a message cancels everything taken up
// under it, whichever poster says so. Acknowledging again resumes work. Later means: with the greater id.
#pragma once

#include "core/board/disposition.hpp"
#include "core/board/thread_tree.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cloudsat::core {

using TaskTime = std::int64_t; // on any clock

// A message at a time: the id breaks ties, and orders messages if the clock was set back.
struct TaskMoment {
    MessageId id;
    TaskTime time = 0;
};

// The stage of a participant or a task.
enum class TaskStage : std::uint8_t { informed, ignored, working, failed, belayed, ended };
inline constexpr std::size_t task_stages = 6;

struct Participant {
    std::optional<Disposition> state; // none if it has said only info
    TaskMoment since;                 // the reply that set it
    TaskMoment last;                  // its last reply
    std::uint64_t replies = 0;
    std::optional<TaskMoment> taken_up;   // its first acknowledgment
    std::optional<TaskMoment> belayed_by; // the last belay that cancelled its work

    TaskStage stage() const noexcept;
};

struct TaskSummary {
    std::optional<Disposition> state;
    std::array<std::uint64_t, task_stages> counts{}; // of participants, by stage
    std::uint64_t participants = 0, replies = 0;
    std::optional<TaskTime> first, last; // of all messages; none if there are none

    std::uint64_t count(TaskStage stage) const noexcept { return counts[static_cast<std::size_t>(stage)]; }
};

class TaskState {
private:
    using Index = std::uint32_t;
    static constexpr Index none = UINT32_MAX;

    struct Person : Participant {
        Index acknowledged_at = none; // the step of the reply that set the state acknowledged
        Index belay = none;           // the last belay that replies to one of its replies
    };

public:
    using Participants = std::pmr::map<std::pmr::string, Person, std::less<>>; // by poster

    explicit TaskState(std::pmr::memory_resource* memory);

    // Adds the message whose task this is, if it still exists; then replies, in any order. Replies that do
    // not lie under the message are omitted; but if the task is a whole thread, those that have lost their
    // parent are included. Posters are compared as bytes. At most ThreadWalk::most_nodes.
    void add_start(TaskMoment posted);
    void add_reply(TaskMoment posted, MessageId parent, std::string_view poster, Disposition disposition);

    // Call once, after the last of them.
    void judge(MessageId start, ThreadScope scope);

    const Participants& participants() const noexcept { return participants_; }
    const TaskSummary& summary() const noexcept { return summary_; }

private:
    struct Reply {
        TaskMoment posted;
        Person* poster; // in participants_
        Disposition disposition;
    };
    // A message in walk order, or a missing one that has replies.
    struct Step {
        Index above; // the step of its parent; none for the first, which is the task itself
        Index reply; // none for the task itself or a missing message
        Index belay; // the last belay among the replies to it; later also to messages above it
    };

    bool is_later(Index reply, Index other) const noexcept;
    Index add_step(Index above, Index reply);
    void count(Index step);
    void count_time(TaskTime time);
    void walk(MessageId start, ThreadScope scope);
    void cancel();
    void sum_up();

    std::pmr::vector<ThreadNode> nodes_; // place: in replies_, or `none` for the start
    std::pmr::vector<Reply> replies_;
    std::pmr::vector<Step> steps_;
    Participants participants_;
    TaskSummary summary_;
};

} // namespace cloudsat::core
