// The walk of a thread, against a naive recursive one on random trees, and on shapes that hurt.

#include "core/board/thread_tree.hpp"

#include <algorithm>
#include <map>
#include <memory_resource>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace cloudsat::core {
namespace {

MessageId id(std::uint64_t number) {
    return {number >> 3, number << 61};
} // uses both halves

ThreadNode root(std::uint64_t number) {
    return {.id = id(number), .parent = {}, .place = number, .is_reply = false};
}
ThreadNode reply(std::uint64_t number, std::uint64_t parent) {
    return {.id = id(number), .parent = id(parent), .place = number, .is_reply = true};
}

// What a test compares: message, depth, last sibling, parent gone.
struct Seen {
    std::uint64_t number;
    std::uint32_t depth;
    bool is_last, is_parent_gone;
    friend bool operator==(const Seen&, const Seen&) = default;
    friend void PrintTo(const Seen& seen, std::ostream* out) {
        *out << seen.number << "@" << seen.depth << (seen.is_last ? " last" : "")
             << (seen.is_parent_gone ? " gone" : "");
    }
};

std::vector<Seen> walk(std::vector<ThreadNode> nodes, std::uint64_t from,
                       ThreadScope scope = ThreadScope::thread) {
    std::vector<Seen> seen;
    ThreadWalk walk(nodes, id(from), scope, std::pmr::get_default_resource());
    while (auto step = walk.next())
        seen.push_back({step->node->place, step->depth, step->is_last, step->is_parent_gone});
    EXPECT_FALSE(walk.next());
    return seen;
}

// The oracle: says the same as the header does, as slowly as it can be said.
class Naive {
public:
    Naive(const std::vector<ThreadNode>& nodes, std::uint64_t from, ThreadScope scope) {
        for (const ThreadNode& node : nodes)
            by_number_[node.place] = node;
        std::vector<std::uint64_t> tops;
        if (by_number_.contains(from))
            tops.push_back(from);
        if (scope == ThreadScope::thread)
            for (const auto& [number, node] : by_number_)
                if (number != from && parent_gone(node, true))
                    tops.push_back(number);
        from_ = from;
        visit_all(tops, 0);
    }
    std::vector<Seen> seen;

private:
    bool parent_gone(const ThreadNode& node, bool or_root) {
        return node.is_reply ? std::none_of(by_number_.begin(), by_number_.end(),
                                            [&](const auto& entry) { return entry.second.id == node.parent; })
                             : or_root;
    }
    void visit_all(const std::vector<std::uint64_t>& siblings, std::uint32_t depth) {
        for (std::uint64_t number : siblings) {
            const ThreadNode& node = by_number_[number];
            seen.push_back(
                {number, depth, number == siblings.back(), depth == 0 && parent_gone(node, false)});
            std::vector<std::uint64_t> replies;
            for (const auto& [other, candidate] : by_number_)
                if (other != from_ && candidate.is_reply && candidate.parent == node.id)
                    replies.push_back(other);
            visit_all(replies, depth + 1);
        }
    }
    std::map<std::uint64_t, ThreadNode> by_number_;
    std::uint64_t from_ = 0;
};

TEST(ThreadTree, EmptyThread) {
    EXPECT_TRUE(walk({}, 1).empty());
    EXPECT_TRUE(walk({}, 1, ThreadScope::subtree).empty());
}

TEST(ThreadTree, RootAlone) {
    EXPECT_EQ(walk({root(1)}, 1), (std::vector<Seen>{{1, 0, true, false}}));
}

TEST(ThreadTree, SiblingsInOrderRepliesUnderTheirParent) {
    EXPECT_EQ(walk({reply(5, 2), reply(4, 1), root(1), reply(3, 2), reply(2, 1)}, 1),
              (std::vector<Seen>{{1, 0, true, false},
                                 {2, 1, false, false},
                                 {3, 2, false, false},
                                 {5, 2, true, false},
                                 {4, 1, true, false}}));
}

TEST(ThreadTree, ReplyMaySortBeforeItsParent) { // a clock was set back
    EXPECT_EQ(walk({root(9), reply(3, 9), reply(1, 3)}, 9),
              (std::vector<Seen>{{9, 0, true, false}, {3, 1, true, false}, {1, 2, true, false}}));
}

TEST(ThreadTree, SubtreeOfAMessageInTheMiddle) {
    const std::vector<ThreadNode> nodes{root(1),     reply(2, 1), reply(3, 2),
                                        reply(4, 2), reply(5, 1), reply(6, 4)};
    EXPECT_EQ(walk(nodes, 2, ThreadScope::subtree),
              (std::vector<Seen>{
                  {2, 0, true, false}, {3, 1, false, false}, {4, 1, true, false}, {6, 2, true, false}}));
    EXPECT_EQ(walk(nodes, 6, ThreadScope::subtree), (std::vector<Seen>{{6, 0, true, false}}));
    EXPECT_TRUE(walk(nodes, 7, ThreadScope::subtree).empty());
}

TEST(ThreadTree, RepliesOutliveTheirRoot) {
    EXPECT_EQ(walk({reply(2, 1), reply(5, 1), reply(3, 2)}, 1),
              (std::vector<Seen>{{2, 0, false, true}, {3, 1, true, false}, {5, 0, true, true}}));
}

TEST(ThreadTree, RepliesOutliveAMessageInTheMiddle) {
    const std::vector<ThreadNode> nodes{root(1), reply(6, 1), reply(3, 2), reply(4, 3), reply(5, 2)};
    EXPECT_EQ(walk(nodes, 1), (std::vector<Seen>{{1, 0, false, false},
                                                 {6, 1, true, false},
                                                 {3, 0, false, true},
                                                 {4, 1, true, false},
                                                 {5, 0, true, true}}));
    // asked for the one in the middle: only what hangs on it, and it says itself what it has lost
    EXPECT_EQ(walk(nodes, 3, ThreadScope::subtree),
              (std::vector<Seen>{{3, 0, true, true}, {4, 1, true, false}}));
}

TEST(ThreadTree, TheMessageAskedForComesFirst) {
    EXPECT_EQ(walk({root(9), reply(1, 5), reply(2, 9)}, 9),
              (std::vector<Seen>{{9, 0, false, false}, {2, 1, true, false}, {1, 0, true, true}}));
}

TEST(ThreadTree, CirclesEnd) {
    EXPECT_TRUE(walk({reply(1, 2), reply(2, 1)}, 3).empty());
    EXPECT_TRUE(walk({reply(1, 1)}, 3).empty());
    EXPECT_EQ(walk({root(1), reply(2, 1), reply(3, 4), reply(4, 5), reply(5, 3)}, 1).size(), 2u);
    // cut at the message asked for
    for (auto scope : {ThreadScope::thread, ThreadScope::subtree}) {
        EXPECT_EQ(walk({reply(1, 1)}, 1, scope), (std::vector<Seen>{{1, 0, true, false}}));
        EXPECT_EQ(walk({reply(1, 2), reply(2, 3), reply(3, 1)}, 2, scope),
                  (std::vector<Seen>{{2, 0, true, false}, {1, 1, true, false}, {3, 2, true, false}}));
    }
}

TEST(ThreadTree, EqualIdsEnd) {
    EXPECT_EQ(walk({root(1), root(1), reply(2, 1), reply(2, 1)}, 1).size(), 4u);
}

TEST(ThreadTree, RandomTreesAsTheNaiveWalk) {
    std::mt19937_64 random(20120229);
    for (int round = 0; round < 400; ++round) {
        const std::size_t size = 1 + random() % 40;
        std::vector<std::uint64_t> numbers(size);
        std::iota(numbers.begin(), numbers.end(), 1);
        std::shuffle(numbers.begin(), numbers.end(),
                     random); // a reply's number may be smaller than its parent's
        std::vector<ThreadNode> nodes{root(numbers[0])};
        for (std::size_t i = 1; i < size; ++i)
            nodes.push_back(reply(numbers[i], numbers[random() % i]));
        const std::uint64_t from = random() % 2 != 0 ? numbers[0] : numbers[random() % size];
        if (random() % 2 != 0) // some have been cleaned up
            std::erase_if(nodes, [&](const ThreadNode&) { return random() % 5 == 0; });
        std::shuffle(nodes.begin(), nodes.end(), random);
        for (auto scope : {ThreadScope::thread, ThreadScope::subtree})
            ASSERT_EQ(walk(nodes, from, scope), Naive(nodes, from, scope).seen) << "round " << round;
    }
}

constexpr std::uint64_t many = 100'000;

TEST(ThreadTree, LongChain) {
    std::vector<ThreadNode> nodes{root(1)};
    for (std::uint64_t i = 2; i <= many; ++i)
        nodes.push_back(reply(i, i - 1));
    std::reverse(nodes.begin(), nodes.end());
    const auto seen = walk(nodes, 1);
    ASSERT_EQ(seen.size(), many);
    for (std::uint64_t i = 0; i < many; ++i)
        ASSERT_EQ(seen[i], (Seen{i + 1, static_cast<std::uint32_t>(i), true, false}));
    EXPECT_EQ(walk(nodes, many / 2, ThreadScope::subtree).size(), many / 2 + 1);
}

TEST(ThreadTree, WideStar) {
    std::vector<ThreadNode> nodes;
    for (std::uint64_t i = many; i > 1; --i)
        nodes.push_back(reply(i, 1));
    for (bool root_survives : {false, true}) {
        if (root_survives)
            nodes.push_back(root(1));
        const auto seen = walk(nodes, 1);
        ASSERT_EQ(seen.size(), nodes.size());
        const std::uint64_t skipped = root_survives ? 1 : 0;
        for (std::uint64_t i = skipped; i < seen.size(); ++i)
            ASSERT_EQ(seen[i],
                      (Seen{i + 2 - skipped, root_survives ? 1u : 0u, i + 1 == seen.size(), !root_survives}));
    }
}

// Gives nothing: how a server without memory looks to the tree.
class NoMemory final : public std::pmr::memory_resource {
    void* do_allocate(std::size_t, std::size_t) override { throw std::bad_alloc(); }
    void do_deallocate(void*, std::size_t, std::size_t) override {}
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
        return this == &other;
    }
};

TEST(ThreadTree, AllMemoryComesFromTheResource) {
    NoMemory nothing;
    std::vector<ThreadNode> nodes{root(1)};
    EXPECT_THROW(ThreadWalk(nodes, id(1), ThreadScope::thread, &nothing), std::bad_alloc);

    nodes.push_back(reply(2, 1));
    alignas(std::max_align_t) std::byte buffer[256];
    std::pmr::monotonic_buffer_resource only(buffer, sizeof buffer, &nothing);
    ThreadWalk walk(nodes, id(1), ThreadScope::thread, &only);
    EXPECT_TRUE(walk.next() && walk.next() && !walk.next());
}

} // namespace
} // namespace cloudsat::core
