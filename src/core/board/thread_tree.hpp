// The tree of a thread: puts messages, given in any order, into depth-first order. Pure: no server, no
// recursion. Words: a node is a message with its parent, the message that it replies to; a top is where the
// walk begins: the message asked for, or a reply whose parent is not among the nodes, because it has been
// cleaned up.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <vector>

namespace cloudsat::core {

// A uuid as two big-endian halves: in the order of the server's uuid, compared without a call.
struct MessageId {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend constexpr auto operator<=>(const MessageId&, const MessageId&) = default;
};

struct ThreadNode {
    MessageId id;
    MessageId parent;        // means something only in a reply
    std::uint64_t place = 0; // the caller's own: where the rest of the message is
    bool is_reply = false;
};

// What a walk from a message takes in.
enum class ThreadScope : std::uint8_t {
    thread, // all nodes: the tops are the message itself, when it is there, and whatever has lost its parent
    subtree // the message and what lies under it
};

// One message of a walk.
struct ThreadStep {
    const ThreadNode* node;
    std::uint32_t depth; // 0 at a top
    bool is_last;        // of its siblings
    bool is_parent_gone; // a reply whose parent is not among the nodes
};

// The walk of a thread, once, from top to bottom: parents before replies, siblings (and tops, but for the
// message asked for, which comes first) in the order of their ids. O(n log n), and O(n) memory from the
// resource. No node is visited twice, whatever the nodes are: nodes in a circle, which no posting can make,
// are not reached, unless the message asked for is one of them; the circle is cut there.
class ThreadWalk {
public:
    static constexpr std::size_t most_nodes = UINT32_MAX - 1;

    // Sorts the nodes, and refers to them until it is destroyed. Throws what the resource throws; there must
    // not be more than most_nodes.
    ThreadWalk(std::span<ThreadNode> nodes, MessageId from, ThreadScope scope,
               std::pmr::memory_resource* memory);

    // The next message; none at the end, and from then on.
    std::optional<ThreadStep> next() noexcept;

private:
    // Nodes are known by their index. One behind the last stands for the parent of the tops: `outside`.
    using Index = std::uint32_t;
    static constexpr Index none = UINT32_MAX;

    struct Links {
        Index parent, first_reply, next_sibling;
    };

    Index find(MessageId id) const noexcept;

    std::span<const ThreadNode> nodes_;
    std::pmr::vector<Links> links_;
    std::pmr::vector<Index>
        slots_; // a hash table of the nodes' ids, at most half full; its size is a power of two
    Index outside_;
    Index at_; // the message that next() gave last; `outside` before the first, `none` after the last
    std::uint32_t depth_ = 0;
};

} // namespace cloudsat::core
