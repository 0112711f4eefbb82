// Shares of a subtree in a histogram: exact where bounds tell, monotone in between.

#include "core/board/address_histogram.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

using namespace cloudsat::core;

namespace {

Address address(const std::string& text) {
    return parse_address(text).value();
}

// A histogram of 100 bins: hosts 000 to 499 of one domain and 500 to 999 of another, every tenth a bound.
struct Hosts {
    std::vector<std::string> keys;
    std::vector<std::string_view> bounds;
    Hosts() {
        for (int i = 0; i <= 1000; i += 10) {
            const std::string number = std::to_string(10000 + i).substr(1);
            keys.emplace_back(
                address("i-" + number + (i < 500 ? ".a.example.com" : ".b.example.com")).view().key());
        }
        bounds.assign(keys.begin(), keys.end());
    }
};

} // namespace

TEST(AddressHistogram, Shares) {
    const Hosts hosts;
    EXPECT_DOUBLE_EQ(share_within(hosts.bounds, Address()), 1);
    EXPECT_DOUBLE_EQ(share_within(hosts.bounds, address("com")), 1);
    EXPECT_DOUBLE_EQ(share_within(hosts.bounds, address("org")), 0);
    EXPECT_NEAR(share_within(hosts.bounds, address("a.example.com")), 0.5, 0.011);
    EXPECT_NEAR(share_within(hosts.bounds, address("b.example.com")), 0.5, 0.011);
    EXPECT_LT(share_within(hosts.bounds, address("i-0123.a.example.com")), 0.01);
}

TEST(AddressHistogram, BelowIsMonotoneAndBounded) {
    const Hosts hosts;
    double last = 0;
    for (int i = 0; i <= 1000; ++i) {
        const std::string number = std::to_string(10000 + i).substr(1);
        const double share = share_below(
            hosts.bounds,
            address("i-" + number + (i < 500 ? ".a.example.com" : ".b.example.com")).view().key());
        EXPECT_GE(share, last);
        EXPECT_NEAR(share, i / 1000.0, 0.011);
        last = share;
    }
    EXPECT_EQ(share_below(hosts.bounds, ""), 0);
    EXPECT_EQ(share_below(hosts.bounds, "\xff"), 1);
}

TEST(AddressHistogram, TooFewBounds) {
    const std::string_view one[] = {"a\1"};
    EXPECT_EQ(share_below({}, "a\1"), 0);
    EXPECT_EQ(share_below(one, "b\1"), 0);
    const std::string_view equal[] = {"a\1", "a\1"};
    EXPECT_EQ(share_below(equal, "a\1"), 0);
    EXPECT_EQ(share_below(equal, "a\1b\1"), 1);
}
