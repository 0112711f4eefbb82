// The tree of a thread, see thread_tree.hpp. Each node is linked to its parent, its first reply and its next
// sibling, so that the walk goes down, along and up without a stack.

#include "core/thread_tree.hpp"

#include <algorithm>

namespace cloudsat::core {

ThreadWalk::ThreadWalk(std::span<ThreadNode> nodes, MessageId from, ThreadScope scope,
                       std::pmr::memory_resource* memory)
    : nodes_(nodes), links_(nodes.size() + 1, Links{none, none, none}, memory),
      outside_(static_cast<Index>(nodes.size())), at_(outside_) {
    const auto earlier = [](const ThreadNode& a, const ThreadNode& b) { return a.id < b.id; };
    if (!std::is_sorted(nodes.begin(), nodes.end(),
                        earlier)) // they come in this order unless posts overlapped
        std::sort(nodes.begin(), nodes.end(), earlier);

    const auto link = [this](Index node, Index parent) {
        links_[node].parent = parent;
        links_[node].next_sibling = links_[parent].first_reply;
        links_[parent].first_reply = node;
    };
    // Each goes in front of its siblings, so the last comes first; and the message asked for in front of all
    // tops.
    const Index start = find(from);
    for (Index i = outside_; i-- > 0;) {
        if (i == start)
            continue;
        const Index parent = nodes[i].is_reply ? find(nodes[i].parent) : none;
        if (parent != none)
            link(i, parent);
        else if (scope == ThreadScope::thread)
            link(i, outside_);
    }
    if (start != none)
        link(start, outside_);
}

ThreadWalk::Index ThreadWalk::find(MessageId id) const noexcept {
    const auto found =
        std::lower_bound(nodes_.begin(), nodes_.end(), id,
                         [](const ThreadNode& node, MessageId wanted) { return node.id < wanted; });
    return found != nodes_.end() && found->id == id ? static_cast<Index>(found - nodes_.begin()) : none;
}

std::optional<ThreadStep> ThreadWalk::next() noexcept {
    if (at_ == none)
        return std::nullopt;
    if (const Index reply = links_[at_].first_reply; reply != none) {
        depth_ = at_ == outside_ ? 0 : depth_ + 1;
        at_ = reply;
    } else {
        while (at_ != outside_ && links_[at_].next_sibling == none) {
            at_ = links_[at_].parent;
            --depth_; // wraps around on the way outside, where it means nothing
        }
        at_ = at_ == outside_ ? none : links_[at_].next_sibling;
        if (at_ == none)
            return std::nullopt;
    }
    const ThreadNode& node = nodes_[at_];
    return ThreadStep{.node = &node,
                      .depth = depth_,
                      .is_last = links_[at_].next_sibling == none,
                      .is_parent_gone =
                          links_[at_].parent == outside_ && node.is_reply && find(node.parent) == none};
}

} // namespace cloudsat::core
