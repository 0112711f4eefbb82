// The laws of addresses: what is accepted and what is refused where, the order, the subtrees, the walks.

#include "core/board/address.hpp"
#include "address_key.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

using namespace cloudsat::core;

namespace {

std::string repeat(std::string_view part, std::size_t times) {
    std::string text;
    for (std::size_t i = 0; i < times; ++i) {
        text += part;
    }
    return text;
}

// The canonical text, or "" when the text is refused.
std::string canonical(std::string_view text) {
    const auto parsed = parse_address(text);
    return parsed ? std::string(print(parsed.value()).view()) : std::string();
}

Address address(std::string_view text) {
    const auto parsed = parse_address(text);
    EXPECT_TRUE(parsed) << text;
    return parsed ? parsed.value() : Address();
}

std::string text_of(AddressView view) {
    return std::string(print(view).view());
}

// A domain name of exactly so many octets.
std::string domain_of_size(std::size_t octets) {
    std::string name;
    while (octets - name.size() > 64) {
        name += std::string(63, 'a') + '.';
    }
    return name + std::string(octets - name.size(), 'b');
}

// Addresses of a small world, so that equal ones, ancestors and near misses are frequent.
class World {
public:
    Address next() {
        static const std::vector<std::string> labels{"a", "b", "ab", "a-b", "a0", "0", "zz", "com", "x"};
        static const std::vector<std::string> locals{"a", "app", "a.b", "!", "~", "x"};
        std::string text;
        for (std::size_t depth = pick(5); depth > 0; --depth) {
            text += labels[pick(labels.size())] + '.';
        }
        if (text.empty()) {
            return address(".");
        }
        return address(pick(3) == 0 ? locals[pick(locals.size())] + '@' + text : text);
    }

private:
    std::size_t pick(std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_);
    }
    std::mt19937_64 random_{20240229};
};

// The order as DESIGN.md puts it, by another way than the key: labels from the right, an ancestor before what
// lies under it, a local part before the labels.
std::vector<std::string> sections(AddressView view) {
    std::string text = text_of(view);
    std::vector<std::string> parts;
    if (text == ".") {
        return parts;
    }
    std::string local_part;
    if (const auto at = text.find('@'); at != std::string::npos) {
        local_part = "\x02" + text.substr(0, at);
        text = text.substr(at + 1);
    }
    for (std::size_t end = text.size();;) {
        const auto dot = text.rfind('.', end - 1);
        if (dot == std::string::npos) {
            parts.push_back(text.substr(0, end));
            break;
        }
        parts.push_back(text.substr(dot + 1, end - dot - 1));
        end = dot;
    }
    if (!local_part.empty()) {
        parts.push_back(local_part);
    }
    return parts;
}

struct Refusal {
    std::string text;
    AddressRule rule;
    std::size_t place;
};

} // namespace

TEST(Address, CanonicalForm) {
    EXPECT_EQ(canonical("i-42.inst.aws.example.com"), "i-42.inst.aws.example.com");
    EXPECT_EQ(canonical("App@I-42.Inst.EXAMPLE.com"), "app@i-42.inst.example.com");
    EXPECT_EQ(canonical("example.com."), "example.com");
    EXPECT_EQ(canonical("alice@example.com."), "alice@example.com");
    EXPECT_EQ(canonical("."), ".");
    EXPECT_EQ(canonical("com"), "com");
    EXPECT_EQ(canonical("0.1"), "0.1");
    EXPECT_EQ(canonical("a--b.c"), "a--b.c");
    EXPECT_EQ(canonical("!#$%&'*+-/=?^_`{|}~@x"), "!#$%&'*+-/=?^_`{|}~@x");
    EXPECT_EQ(canonical("a.b.c@x.y"), "a.b.c@x.y");
}

TEST(Address, Key) {
    EXPECT_EQ(address("app@h.x.y").view().key(), "y\1x\1h\1\2app\1");
    EXPECT_EQ(address("h.x.y").view().key(), "y\1x\1h\1");
    EXPECT_EQ(address(".").view().key(), "");
}

TEST(Address, RefusalNamesRuleAndPlace) {
    using enum AddressRule;
    const std::vector<Refusal> refusals{
        {"", empty, 1},
        {"..", label_empty, 1},
        {".com", label_empty, 1},
        {"a..com", label_empty, 3},
        {"a.com..", label_empty, 7},
        {"a@..", label_empty, 3},
        {"a@.b", label_empty, 3},
        {" a.com", label_character, 1},
        {"a.com ", label_character, 6},
        {"a_b.com", label_character, 2},
        {"b\xc3\xbc"
         "cher.de",
         label_character, 2},
        {std::string("a\0b", 3), label_character, 2},
        {"a.b\x01", label_character, 4},
        {"a@b@c", label_character, 4},
        {"*", label_character, 1},
        {"-a.com", label_hyphen, 1},
        {"a.-b", label_hyphen, 3},
        {"a-.com", label_hyphen, 2},
        {"a.com-", label_hyphen, 6},
        {"a.com-.", label_hyphen, 6},
        {"-", label_hyphen, 1},
        {"x@-", label_hyphen, 3},
        {std::string(64, 'a'), label_too_long, 64},
        {"x." + std::string(64, 'a') + ".y", label_too_long, 66},
        {"x@" + std::string(64, 'a'), label_too_long, 66},
        {domain_of_size(254), domain_too_long, 254},
        {"l@" + domain_of_size(254), domain_too_long, 256},
        {repeat("a.", 200), domain_too_long, 254},
        {"alice@", domain_missing, 7},
        {"@", local_empty, 1},
        {"@example.com", local_empty, 1},
        {"al ice@x", local_character, 3},
        {"\"alice\"@x", local_character, 1},
        {"al\xc3\xa9@x", local_character, 3},
        {"a:b@x", local_character, 2},
        {".alice@x", local_dot, 1},
        {"alice.@x", local_dot, 6},
        {"al..ice@x", local_dot, 4},
        {"al..ice@", local_dot, 4},
        {std::string(65, 'a') + "@x", local_too_long, 65},
        {"app@.", local_at_root, 5},
    };
    for (const Refusal& refusal : refusals) {
        const auto parsed = parse_address(refusal.text);
        ASSERT_FALSE(parsed) << refusal.text;
        EXPECT_EQ(static_cast<int>(parsed.error().rule), static_cast<int>(refusal.rule)) << refusal.text;
        EXPECT_EQ(parsed.error().place, refusal.place) << refusal.text;
    }
}

TEST(Address, EachRuleHasItsSentence) {
    std::vector<std::string_view> sentences;
    for (int rule = 0; rule <= static_cast<int>(AddressRule::local_at_root); ++rule) {
        sentences.push_back(explain(static_cast<AddressRule>(rule)));
        EXPECT_FALSE(sentences.back().empty());
        EXPECT_FALSE(sentences.back().ends_with('.')) << "the caller adds the place and the full stop";
    }
    std::sort(sentences.begin(), sentences.end());
    EXPECT_EQ(std::adjacent_find(sentences.begin(), sentences.end()), sentences.end());
}

TEST(Address, Limits) {
    EXPECT_EQ(canonical(std::string(63, 'a')), std::string(63, 'a'));
    EXPECT_EQ(canonical(std::string(64, 'a')), "");
    const std::string longest_domain = domain_of_size(253);
    ASSERT_EQ(longest_domain.size(), max_domain_size);
    EXPECT_EQ(canonical(longest_domain), longest_domain);
    EXPECT_EQ(canonical(longest_domain + "."), longest_domain) << "the trailing dot does not count";
    EXPECT_EQ(canonical(longest_domain + ".."), "");
    EXPECT_EQ(canonical(domain_of_size(254)), "");

    const std::string longest = std::string(64, 'l') + '@' + longest_domain;
    ASSERT_EQ(longest.size(), max_address_size);
    EXPECT_EQ(canonical(longest), longest);
    EXPECT_EQ(address(longest).view().key().size(), max_key_size);
    EXPECT_EQ(canonical(std::string(65, 'l') + "@x"), "");

    const std::string deepest = repeat("a.", 127);
    EXPECT_EQ(depth(address(deepest)), 127U);
    EXPECT_EQ(depth(address("l@" + deepest)), 128U);
}

TEST(Address, HugeInputIsRefusedQuickly) {
    const std::string letters(50'000'000, 'a');
    EXPECT_EQ(parse_address(letters).error(), (AddressError{AddressRule::label_too_long, 64}));
    EXPECT_EQ(parse_address(letters + "@x").error(), (AddressError{AddressRule::local_too_long, 65}));
}

TEST(Address, EveryByte) {
    const std::string_view atext = "!#$%&'*+-/=?^_`{|}~.";
    for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        EXPECT_EQ(bool(parse_address(std::string("a") + c + "b")),
                  alphanumeric || c == '-' || c == '.' || c == '@')
            << byte;
        EXPECT_EQ(bool(parse_address(std::string("a") + c + "b@x")),
                  alphanumeric || (c != '\0' && atext.find(c) != std::string_view::npos))
            << byte;
    }
}

TEST(Address, ParseAndPrintAreInverse) {
    World world;
    for (int i = 0; i < 5000; ++i) {
        const Address a = world.next();
        const std::string text = text_of(a);
        const Address again = address(text);
        EXPECT_EQ(again.view(), a.view());
        EXPECT_EQ(text_of(again), text);
        EXPECT_TRUE(is_key(a.view().key()));
    }
}

TEST(Address, OnlyKeysAreKeys) {
    using namespace std::string_view_literals;
    for (std::string_view good : {""sv, "y\1"sv, "y\1x\1"sv, "y\1\2a.b\1"sv}) {
        EXPECT_TRUE(is_key(good));
    }
    for (std::string_view bad :
         {"\1"sv,      "\2"sv,       "y"sv,          "Y\1"sv,         "y\2"sv,      "\2app\1"sv,
          "y\1\2\1"sv, "y\1\2app"sv, "y\1\2app\2"sv, "y\1\2a\1b\1"sv, "y\1\1x\1"sv, "y\1\2a\1\2b\1"sv,
          "a.b\1"sv,   ".\1"sv,      "-a\1"sv,       "a@b\1"sv,       "\xff"sv,     "y\1\2A\1"sv,
          "\0\1"sv,    "y\1\0"sv}) {
        EXPECT_FALSE(is_key(bad)) << testing::PrintToString(bad);
    }
    EXPECT_FALSE(is_key(repeat("a\1", 128)));
    EXPECT_FALSE(is_key(std::string(1000, 'a') + "\1"));
}

TEST(Address, NothingLeavesItsBoundsWhateverTheKey) {
    std::mt19937_64 random{7};
    const std::string_view bytes("\0\1\2ab-.@\xff", 9);
    for (int i = 0; i < 20000; ++i) {
        std::string key;
        for (auto n = random() % 500; n > 0; --n) {
            key += bytes[random() % bytes.size()];
        }
        const AddressView view(key);
        EXPECT_LE(print(view).size(), max_address_size);
        EXPECT_LE(channel(view).size(), max_channel_size);
        EXPECT_LE(domain(view).key().size(), key.size());
        EXPECT_LE(subtree_end(view).size(), max_key_size);
        std::size_t steps = 0;
        for_each_suffix(view, [&](AddressView) { ++steps; });
        EXPECT_LE(steps, key.size() + 1);
    }
}

TEST(Address, OrderIsHierarchicalAndTotal) {
    World world;
    std::vector<Address> all;
    for (int i = 0; i < 400; ++i) {
        all.push_back(world.next());
    }
    for (const Address& a : all) {
        for (const Address& b : all) {
            const auto order = a.view() <=> b.view();
            EXPECT_EQ(order, sections(a) <=> sections(b)) << text_of(a) << ' ' << text_of(b);
            EXPECT_EQ(order, 0 <=> (b.view() <=> a.view()));
            EXPECT_EQ(order == 0, text_of(a) == text_of(b));
        }
    }
    std::sort(all.begin(), all.end(), [](const Address& a, const Address& b) { return a.view() < b.view(); });
    for (std::size_t i = 0; i < all.size(); ++i) {
        for (std::size_t j = i; j < all.size(); ++j) {
            EXPECT_LE(all[i].view(), all[j].view()); // transitive: any later one is not smaller
        }
    }
}

TEST(Address, ASubtreeIsOneRange) {
    World world;
    std::vector<Address> all;
    for (int i = 0; i < 400; ++i) {
        all.push_back(world.next());
    }
    for (const Address& container : all) {
        const SubtreeEnd end = subtree_end(container);
        EXPECT_FALSE(is_key(end.view()));
        for (const Address& a : all) {
            bool is_under = false; // by walking up, not by comparing
            for_each_suffix(a,
                            [&](AddressView suffix) { is_under |= text_of(suffix) == text_of(container); });
            EXPECT_EQ(within(a, container), is_under) << text_of(a) << ' ' << text_of(container);
            EXPECT_EQ(container.view() <= a.view() && a.view() < AddressView(end.view()), is_under)
                << text_of(a) << ' ' << text_of(container);
        }
    }
}

TEST(Address, WithinExamples) {
    const std::vector<std::string> chain{"app@h.x.y", "h.x.y", "x.y", "y", "."};
    for (std::size_t i = 0; i < chain.size(); ++i) {
        for (std::size_t j = 0; j < chain.size(); ++j) {
            EXPECT_EQ(within(address(chain[i]), address(chain[j])), i <= j);
        }
    }
    EXPECT_FALSE(within(address("ax.y"), address("x.y")));
    EXPECT_FALSE(within(address("appx@h.x.y"), address("app@h.x.y")));
    EXPECT_FALSE(within(address("x.yy"), address("y")));
}

TEST(Address, Walks) {
    std::vector<std::string> seen;
    for_each_suffix(address("app@h.x.y"), [&](AddressView a) { seen.push_back(text_of(a)); });
    EXPECT_EQ(seen, (std::vector<std::string>{"app@h.x.y", "h.x.y", "x.y", "y", "."}));

    EXPECT_FALSE(parent(address(".")));
    EXPECT_EQ(text_of(*parent(address("y"))), ".");
    EXPECT_EQ(text_of(*parent(address("app@y"))), "y");
    EXPECT_EQ(text_of(domain(address("app@h.x.y"))), "h.x.y");
    EXPECT_EQ(text_of(domain(address("h.x.y"))), "h.x.y");
    EXPECT_EQ(text_of(domain(address("."))), ".");
    EXPECT_EQ(local(address("a.b@y")), "a.b");
    EXPECT_FALSE(local(address("y")));
    EXPECT_FALSE(local(address(".")));

    World world;
    for (int i = 0; i < 2000; ++i) {
        const Address a = world.next(), b = world.next();
        std::size_t steps = 0;
        for_each_suffix(a, [&](AddressView suffix) {
            ++steps;
            EXPECT_TRUE(is_key(suffix.key()));
            EXPECT_TRUE(within(a, suffix));
        });
        EXPECT_EQ(steps, depth(a) + 1);

        // the deepest of those that hold both
        std::string deepest;
        for_each_suffix(a, [&](AddressView suffix) {
            if (deepest.empty() && within(b, suffix)) {
                deepest = text_of(suffix);
            }
        });
        EXPECT_EQ(text_of(common_ancestor(a, b)), deepest) << text_of(a) << ' ' << text_of(b);
        EXPECT_EQ(common_ancestor(a, b), common_ancestor(b, a));
        EXPECT_EQ(common_ancestor(a, a), a.view());
    }
}

TEST(Address, UnionOfSuffixes) {
    World world;
    for (std::size_t n = 0; n < 40; ++n) {
        std::vector<Address> list;
        for (std::size_t i = 0; i < n; ++i) {
            list.push_back(world.next());
        }
        std::vector<AddressView> views(list.begin(), list.end());
        std::sort(views.begin(), views.end(), std::greater<>());

        std::vector<std::string_view> expected;
        for (AddressView view : views) {
            for_each_suffix(view, [&](AddressView suffix) { expected.push_back(suffix.key()); });
        }
        std::sort(expected.begin(), expected.end(), std::greater<>());
        expected.erase(std::unique(expected.begin(), expected.end()), expected.end());

        std::vector<std::string_view> actual;
        for_each_suffix(std::span<const AddressView>(views),
                        [&](AddressView a) { actual.push_back(a.key()); });
        EXPECT_EQ(actual, expected);
    }
}

TEST(Address, UnionOfOneIsItsSuffixes) {
    const Address a = address("app@h.x.y");
    const AddressView one[] = {a};
    std::vector<AddressView> from_list, from_one;
    for_each_suffix(std::span<const AddressView>(one), [&](AddressView view) { from_list.push_back(view); });
    for_each_suffix(a, [&](AddressView view) { from_one.push_back(view); });
    EXPECT_EQ(from_list, from_one);
}

// Other clients compute these names: the vectors may never change.
TEST(Address, ChannelIsAProtocol) {
    EXPECT_EQ(fnv1a(""), 0xcbf29ce484222325U);
    EXPECT_EQ(fnv1a("a"), 0xaf63dc4c8601ec8cU);
    EXPECT_EQ(fnv1a("foobar"), 0x85944171f73967e8U);

    EXPECT_EQ(channel(address(".")).view(), ".");
    EXPECT_EQ(channel(address("App@H.x.y")).view(), "app@h.x.y");
    const std::string fits = std::string(30, 'l') + '@' + std::string(30, 'a') + ".b";
    ASSERT_EQ(fits.size(), 63U);
    EXPECT_EQ(channel(address(fits)).view(), fits);
    EXPECT_EQ(channel(address(std::string(30, 'l') + '@' + std::string(30, 'a') + ".bc")).view(),
              "llllllllllllllllllllllllllllll@aaaaaaaaaaaaaaa:593cfa38eec13626");
    EXPECT_EQ(channel(address("app@i-0123456789abcdef0.inst.eu-central-1.aws.messaging.example.com")).view(),
              "app@i-0123456789abcdef0.inst.eu-central-1.aws.:9fa5adeec344adfc");
}

TEST(Address, ChannelFitsAndIsNoOtherAddress) {
    World world;
    const std::string longest_domain = domain_of_size(253);
    for (std::size_t size = 1; size <= max_local_size; ++size) {
        for (const std::string& text :
             {std::string(size, 'l') + "@x.example", std::string(size, 'l') + '@' + longest_domain}) {
            const ChannelName name = channel(address(text));
            EXPECT_LE(name.size(), 63U);
            EXPECT_EQ(name.view() == text, text.size() <= 63);
            EXPECT_EQ(bool(parse_address(name.view())), text.size() <= 63);
        }
    }
}

TEST(Address, ListsAreNoAddresses) {
    for (std::string_view list : {"{}", "{a.b}", "{a.b, c@d} ", "[0:0]={a.b}\n", "{{a},{b}}"}) {
        EXPECT_TRUE(is_list(list)) << list;
        EXPECT_FALSE(parse_address(list)) << list;
    }
    for (std::string_view other : {"", " ", ".", "a.b", "{a}@b.c", "a}b@c", "{a.b"})
        EXPECT_FALSE(is_list(other)) << other;
}
