// The tree of a thread: puts messages, given in any order, into depth-first order. Pure: no server, no
// recursion. Terms: a node is a message with its parent, the message that it replies to. A top is where the
// walk begins: the requested message, or a reply whose parent is not among the nodes because it was cleaned
// up.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <vector>

namespace cloudsat::core {

// A uuid as two big-endian halves: ordered as the server's uuid, compared without a call.
struct MessageId {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend constexpr auto operator<=>(const MessageId&, const MessageId&) = default;
};

struct ThreadNode {
    MessageId id;
    MessageId parent;        // valid only for a reply
    std::uint64_t place = 0; // the caller's own reference to the rest of the message
    bool is_reply = false;
};

// The extent of a walk from a message.
enum class ThreadScope : std::uint8_t {
    thread, // all nodes: the tops are the message itself, if it exists, and nodes that have lost their parent
    subtree // the message and everything under it
};

// One message of a walk.
struct ThreadStep {
    const ThreadNode* node;
    std::uint32_t depth; // 0 at a top
    bool is_last;        // of its siblings
    bool is_parent_gone; // a reply whose parent is not among the nodes
};

// One walk of a thread from top to bottom: parents before replies, siblings in id order. Tops are in id
// order, too, but the requested message comes first. O(n log n) time, and O(n) memory from the resource. No
// node is visited twice. Nodes in a circle, which posting cannot create, are not reached, unless the
// requested message is one of them; the circle is cut there.
class ThreadWalk {
public:
    static constexpr std::size_t most_nodes = UINT32_MAX - 1;

    // Sorts the nodes, and refers to them until it is destroyed. Throws what the resource throws; at most
    // most_nodes are allowed.
    ThreadWalk(std::span<ThreadNode> nodes, MessageId from, ThreadScope scope,
               std::pmr::memory_resource* memory);

    // The next message; none at the end and in later calls.
    std::optional<ThreadStep> next() noexcept;

private:
    // Nodes are identified by their index. One past the last stands for the parent of the tops: `outside`.
    using Index = std::uint32_t;
    static constexpr Index none = UINT32_MAX;

    struct Links {
        Index parent, first_reply, next_sibling;
    };

    Index find(MessageId id) const noexcept;

    std::span<const ThreadNode> nodes_;
    std::pmr::vector<Links> links_;
    // a hash table of the nodes' ids, at most half full; its size is a power of two
    std::pmr::vector<Index> slots_;
    Index outside_;
    Index at_; // the message that next() returned last; `outside` before the first, `none` after the last
    std::uint32_t depth_ = 0;
};

} // namespace cloudsat::core
