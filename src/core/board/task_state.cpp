// The state of a task, see task_state.hpp. core/board/thread_tree walks the tree once. Belays are then passed
// down it, so that their number does not multiply with that of the participants.
#include "core/board/task_state.hpp"

#include <algorithm>

namespace cloudsat::core {

TaskStage Participant::stage() const noexcept {
    if (!state) {
        return TaskStage::informed;
    }
    switch (*state) {
    case Disposition::ignored:
        return TaskStage::ignored;
    case Disposition::problem:
        return TaskStage::failed;
    case Disposition::belay:
        return TaskStage::belayed;
    case Disposition::end:
        return TaskStage::ended;
    case Disposition::info: // not a state
    case Disposition::acknowledged:
        break;
    }
    return belayed_by ? TaskStage::belayed : TaskStage::working;
}

TaskState::TaskState(std::pmr::memory_resource* memory)
    : nodes_(memory), replies_(memory), steps_(memory), participants_(memory) {}

void TaskState::add_start(TaskMoment posted) {
    nodes_.push_back({.id = posted.id, .parent = {}, .place = none, .is_reply = false});
    count_time(posted.time);
}

void TaskState::add_reply(TaskMoment posted, MessageId parent, std::string_view poster,
                          Disposition disposition) {
    auto found = participants_.find(poster);
    if (found == participants_.end()) {
        found = participants_.emplace(poster, Person{}).first;
    }
    nodes_.push_back({.id = posted.id, .parent = parent, .place = replies_.size(), .is_reply = true});
    replies_.push_back({posted, &found->second, disposition});
}

void TaskState::judge(MessageId start, ThreadScope scope) {
    walk(start, scope);
    std::erase_if(participants_, [](const auto& entry) { return entry.second.replies == 0; });
    cancel();
    sum_up();
}

// Earlier than any reply.
bool TaskState::is_later(Index reply, Index other) const noexcept {
    return reply != none && (other == none || replies_[reply].posted.id > replies_[other].posted.id);
}

TaskState::Index TaskState::add_step(Index above, Index reply) {
    steps_.push_back({.above = above, .reply = reply, .belay = none});
    return static_cast<Index>(steps_.size() - 1);
}

void TaskState::count_time(TaskTime time) {
    summary_.first = std::min(summary_.first.value_or(time), time);
    summary_.last = std::max(summary_.last.value_or(time), time);
}

// Records one reply: for its poster, and for the message it replies to.
void TaskState::count(Index step) {
    const auto [above, index, belay] = steps_[step];
    const Reply& reply = replies_[index];
    Person& poster = *reply.poster;
    ++summary_.replies;
    count_time(reply.posted.time);
    if (poster.replies++ == 0 || reply.posted.id > poster.last.id) {
        poster.last = reply.posted;
    }
    if (reply.disposition == Disposition::acknowledged &&
        (!poster.taken_up || reply.posted.id < poster.taken_up->id)) {
        poster.taken_up = reply.posted;
    }
    if (reply.disposition != Disposition::info && (!poster.state || reply.posted.id > poster.since.id)) {
        poster.state = reply.disposition;
        poster.since = reply.posted;
        poster.acknowledged_at = reply.disposition == Disposition::acknowledged ? step : none;
    }
    if (reply.disposition == Disposition::belay) {
        if (is_later(index, steps_[above].belay)) {
            steps_[above].belay = index;
        }
        if (const Index parent = steps_[above].reply; parent != none) {
            Index& known = replies_[parent].poster->belay;
            if (is_later(index, known)) {
                known = index;
            }
        }
    }
}

void TaskState::walk(MessageId start, ThreadScope scope) {
    std::pmr::memory_resource* memory = nodes_.get_allocator().resource();
    std::pmr::vector<Index> path(memory);         // the steps from the top down to the current message
    std::pmr::map<MessageId, Index> gone(memory); // the steps of missing messages
    gone.emplace(start, add_step(none, none));    // the first, whether it exists or not
    ThreadWalk order(nodes_, start, scope, memory);
    while (const std::optional<ThreadStep> next = order.next()) {
        const ThreadNode& node = *next->node;
        path.resize(next->depth + 1);
        if (node.place == none) {
            path[0] = 0;
            continue;
        }
        Index above;
        if (next->depth > 0) {
            above = path[next->depth - 1];
        } else {
            auto found = gone.find(node.parent);
            if (found == gone.end()) {
                found = gone.emplace(node.parent, add_step(0, none)).first;
            }
            above = found->second;
        }
        path[next->depth] = add_step(above, static_cast<Index>(node.place));
        count(path[next->depth]);
    }
}

// A parent's step precedes those of its replies.
void TaskState::cancel() {
    for (std::size_t i = 1; i < steps_.size(); ++i) {
        const Index above = steps_[steps_[i].above].belay;
        if (is_later(above, steps_[i].belay)) {
            steps_[i].belay = above;
        }
    }
    for (auto& [address, person] : participants_) {
        if (person.acknowledged_at == none) {
            continue;
        }
        const Step& acknowledged = steps_[person.acknowledged_at];
        const Index last = is_later(person.belay, acknowledged.belay) ? person.belay : acknowledged.belay;
        if (is_later(last, acknowledged.reply)) {
            person.belayed_by = replies_[last].posted;
        }
    }
}

// Acknowledged if a participant works on it. Otherwise the latest final disposition. If there is none,
// ignored if a participant said that.
void TaskState::sum_up() {
    std::optional<MessageId> last;
    for (const auto& [address, person] : participants_) {
        ++summary_.participants;
        const TaskStage stage = person.stage();
        ++summary_.counts[static_cast<std::size_t>(stage)];
        const std::optional<Disposition> said =
            stage == TaskStage::belayed ? Disposition::belay : person.state;
        const MessageId when = person.belayed_by ? person.belayed_by->id : person.since.id;
        if (said && is_final(*said) && (!last || when > *last)) {
            last = when;
            summary_.state = said;
        }
    }
    if (summary_.count(TaskStage::working) > 0) {
        summary_.state = Disposition::acknowledged;
    } else if (!last && summary_.count(TaskStage::ignored) > 0) {
        summary_.state = Disposition::ignored;
    }
}

} // namespace cloudsat::core
