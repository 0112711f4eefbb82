// The tree of a thread, see thread_tree.hpp. Each node is linked to its parent, its first reply and its next
// sibling, so the walk goes down, along and up without a stack.

#include "core/board/thread_tree.hpp"

#include <algorithm>
#include <bit>

namespace cloudsat::core {

namespace {

// The low half of a UUIDv7 is random except for two bits; the high half helps if the ids were made by hand.
std::size_t hash(MessageId id) noexcept {
    const std::uint64_t mixed = (id.low ^ std::rotl(id.high, 32)) * 0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>(mixed ^ (mixed >> 32));
}

} // namespace

ThreadWalk::ThreadWalk(std::span<ThreadNode> nodes, MessageId from, ThreadScope scope,
                       std::pmr::memory_resource* memory)
    : nodes_(nodes), links_(nodes.size() + 1, Links{none, none, none}, memory),
      slots_(std::bit_ceil(2 * nodes.size() + 1), none, memory), outside_(static_cast<Index>(nodes.size())),
      at_(outside_) {
    const auto earlier = [](const ThreadNode& a, const ThreadNode& b) { return a.id < b.id; };
    // They come in this order unless posts overlapped.
    if (!std::is_sorted(nodes.begin(), nodes.end(), earlier)) {
        std::sort(nodes.begin(), nodes.end(), earlier);
    }

    for (Index i = 0; i < outside_; ++i) {
        std::size_t slot = hash(nodes[i].id) & (slots_.size() - 1);
        while (slots_[slot] != none) {
            slot = (slot + 1) & (slots_.size() - 1);
        }
        slots_[slot] = i;
    }

    const auto link = [this](Index node, Index parent) {
        links_[node].parent = parent;
        links_[node].next_sibling = links_[parent].first_reply;
        links_[parent].first_reply = node;
    };
    // Each goes in front of its siblings, so the last is added first; the requested message goes in front of
    // all tops.
    const Index start = find(from);
    for (Index i = outside_; i-- > 0;) {
        if (i == start) {
            continue;
        }
        const Index parent = nodes[i].is_reply ? find(nodes[i].parent) : none;
        if (parent != none) {
            link(i, parent);
        } else if (scope == ThreadScope::thread) {
            link(i, outside_);
        }
    }
    if (start != none) {
        link(start, outside_);
    }
}

ThreadWalk::Index ThreadWalk::find(MessageId id) const noexcept {
    std::size_t slot = hash(id) & (slots_.size() - 1);
    while (slots_[slot] != none && nodes_[slots_[slot]].id != id) {
        slot = (slot + 1) & (slots_.size() - 1);
    }
    return slots_[slot];
}

std::optional<ThreadStep> ThreadWalk::next() noexcept {
    if (at_ == none) {
        return std::nullopt;
    }
    if (const Index reply = links_[at_].first_reply; reply != none) {
        depth_ = at_ == outside_ ? 0 : depth_ + 1;
        at_ = reply;
    } else {
        while (at_ != outside_ && links_[at_].next_sibling == none) {
            at_ = links_[at_].parent;
            --depth_; // wraps around on the way outside, where it is unused
        }
        at_ = at_ == outside_ ? none : links_[at_].next_sibling;
        if (at_ == none) {
            return std::nullopt;
        }
    }
    const ThreadNode& node = nodes_[at_];
    return ThreadStep{.node = &node,
                      .depth = depth_,
                      .is_last = links_[at_].next_sibling == none,
                      .is_parent_gone =
                          links_[at_].parent == outside_ && node.is_reply && find(node.parent) == none};
}

} // namespace cloudsat::core
