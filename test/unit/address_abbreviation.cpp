// Abbreviated sort keys never contradict the order of the keys, whatever arrives in which order, and tell
// most apart.

#include "core/board/address_abbreviation.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/board/address.hpp"

using namespace cloudsat::core;

namespace {

// Labels in the order of arrival, then checks them against the order of the keys.
std::size_t distinct_labels(const std::vector<std::string>& keys) {
    AddressAbbreviation abbreviation;
    std::vector<std::pair<std::string, std::uint64_t>> labelled;
    for (const std::string& key : keys) {
        labelled.emplace_back(key, abbreviation.label(key));
    }
    std::sort(labelled.begin(), labelled.end());
    for (std::size_t i = 1; i < labelled.size(); ++i) {
        EXPECT_LE(labelled[i - 1].second, labelled[i].second)
            << testing::PrintToString(labelled[i - 1].first) << ' '
            << testing::PrintToString(labelled[i].first);
        if (labelled[i - 1].first == labelled[i].first) {
            EXPECT_EQ(labelled[i - 1].second, labelled[i].second)
                << testing::PrintToString(labelled[i].first);
        }
    }
    std::set<std::uint64_t> labels;
    for (const auto& [key, label] : labelled) {
        labels.insert(label);
    }
    return labels.size();
}

std::string key_of(const std::string& text) {
    const auto parsed = parse_address(text);
    EXPECT_TRUE(parsed) << text;
    return std::string(parsed.value().view().key());
}

std::vector<std::string> hosts(std::size_t count) {
    const std::vector<std::string> domains{"inst.eu-central-1.aws.example.com",
                                           "inst.us-east-1.aws.example.com", "hosts.releng.mozilla.org",
                                           "b.example.net", "vm.cloud.example.de"};
    std::mt19937_64 random{1};
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < count; ++i) {
        const auto& domain = domains[random() % domains.size()];
        const auto name = "i-" + std::to_string(random() % 100'000);
        keys.push_back(key_of((random() % 4 == 0 ? "app@" : "") + name + '.' + domain));
    }
    return keys;
}

} // namespace

TEST(AddressAbbreviation, RandomBytesInRandomOrder) {
    std::mt19937_64 random{42};
    for (int round = 0; round < 200; ++round) {
        const std::string_view alphabet =
            round % 2 == 0 ? "\1\2ab" : "\1\2abcdefghijklmnopqrstuvwxyz-0123456789\xfe\xff";
        std::vector<std::string> keys;
        for (int i = 0; i < 1000; ++i) {
            std::string key;
            for (auto n = random() % 20; n > 0; --n) {
                key += alphabet[random() % alphabet.size()];
            }
            keys.push_back(key);
        }
        distinct_labels(keys);
    }
}

TEST(AddressAbbreviation, SortedArrival) {
    auto keys = hosts(5000);
    std::sort(keys.begin(), keys.end());
    distinct_labels(keys);
    std::reverse(keys.begin(), keys.end());
    distinct_labels(keys);
}

TEST(AddressAbbreviation, LongKeysAndPrefixes) {
    std::vector<std::string> keys{""};
    const std::string longest =
        key_of(std::string(64, 'l') + '@' + std::string(63, 'a') + '.' + std::string(63, 'b') + '.' +
               std::string(63, 'c') + '.' + std::string(61, 'd'));
    for (std::size_t n = 0; n <= longest.size(); ++n) {
        keys.push_back(longest.substr(0, n));
        keys.push_back(longest.substr(0, n) + "\2");
        keys.push_back(longest.substr(0, n) + "z");
    }
    std::mt19937_64 random{3};
    for (int round = 0; round < 20; ++round) {
        std::shuffle(keys.begin(), keys.end(), random);
        distinct_labels(keys);
    }
}

TEST(AddressAbbreviation, EqualKeysOnly) {
    EXPECT_EQ(distinct_labels(std::vector<std::string>(1000, key_of("a.b"))), 1U);
}

// What it is for: hosts of several domains have many labels, in whatever order they come.
TEST(AddressAbbreviation, TellsHostsApart) {
    auto keys = hosts(100'000);
    const auto different = static_cast<double>(std::set<std::string>(keys.begin(), keys.end()).size());
    EXPECT_GT(static_cast<double>(distinct_labels(keys)), 0.9 * different);

    // domain after domain, the last one first
    const auto domain_of = [](const std::string& key) {
        return domain(AddressView(key)).key().substr(0, 12);
    };
    std::stable_sort(keys.begin(), keys.end(),
                     [&](const std::string& a, const std::string& b) { return domain_of(a) > domain_of(b); });
    EXPECT_GT(static_cast<double>(distinct_labels(keys)), 0.5 * different);
}

TEST(AddressAbbreviation, MoreGroupsThanPivots) {
    std::mt19937_64 random{11};
    std::vector<std::string> keys;
    for (int i = 0; i < 20'000; ++i) {
        keys.push_back(key_of("host" + std::to_string(random() % 10) + ".group" +
                              std::to_string(random() % 2000) + ".example.com"));
        keys.push_back(key_of("user" + std::to_string(random() % 10) + "@group" +
                              std::to_string(random() % 2000) + ".example.com"));
    }
    distinct_labels(keys);
    std::sort(keys.begin(), keys.end());
    distinct_labels(keys);
}
