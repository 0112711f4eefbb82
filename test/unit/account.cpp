// Accounts: names, patterns, hashes of passwords, and what the broker is told and tells.
#include "core/guardian/account.hpp"

#include <gtest/gtest.h>
#include <memory_resource>
#include <regex>
#include <string>

namespace {

using namespace cloudsat::core;

class AccountTest : public testing::Test {
protected:
    std::pmr::monotonic_buffer_resource arena_;
};

TEST_F(AccountTest, Usernames) {
    for (const std::string name : {"alice", "A1", "0", "a.b-c_d+e", "alice@example.com", "a.."})
        EXPECT_EQ(check_username(name), "") << name;
    for (const std::string name :
         {"", ".", "..", "-rf", "@", "a/b", "a b", "a\nb", "a%2F", "a*", "a,b", "a\"", "\xC3\xA9", "a\x7F"})
        EXPECT_NE(check_username(name), "") << name;
    EXPECT_NE(check_username(std::string_view("a\0b", 3)), "");
    EXPECT_EQ(check_username(std::string(64, 'x')), "");
    EXPECT_NE(check_username(std::string(65, 'x')), "");
}

TEST_F(AccountTest, PasswordsAreCountedInCharacters) {
    for (const std::string brief : {"", "x", "seven77", "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"})
        EXPECT_EQ(check_password(brief), PasswordFault::too_short) << brief;
    EXPECT_EQ(check_password("eight888"), PasswordFault::none);
    EXPECT_EQ(check_password(std::string(1024, 'x')), PasswordFault::none);
    EXPECT_EQ(check_password(std::string(1025, 'x')), PasswordFault::too_long);
}

TEST_F(AccountTest, AnEscapedTextMatchesItselfOnly) {
    std::string all;
    for (int c = 0x20; c < 0x7F; ++c)
        all += static_cast<char>(c);
    const std::regex pattern{std::string(escape_pattern(all, &arena_))};
    EXPECT_TRUE(std::regex_match(all, pattern));
    for (std::size_t i = 0; i < all.size(); ++i) {
        std::string other = all;
        other[i] = other[i] == 'x' ? 'y' : 'x';
        EXPECT_FALSE(std::regex_match(other, pattern)) << all[i];
    }
}

TEST_F(AccountTest, WhatAnAccountMayTouch) {
    EXPECT_EQ(own_pattern("a.b+c", &arena_), R"(^(queue/a\.b\+c/.*|exchange/a\.b\+c/.*))");
    EXPECT_EQ(read_pattern("u", "", &arena_), own_pattern("u", &arena_));
    EXPECT_EQ(read_pattern("u", "^exchange/|^amq", &arena_),
              "^(queue/u/.*|exchange/u/.*)|(?:^exchange/|^amq)");
}

// The example of RabbitMQ's documentation: password test12, salt 908DC60A.
TEST_F(AccountTest, PasswordHash) {
    const Salt salt{0x90, 0x8D, 0xC6, 0x0A};
    const Sha256 digest{0xA5, 0xB9, 0x24, 0xB3, 0x09, 0x6B, 0x88, 0x97, 0xD6, 0x5A, 0x3B,
                        0x5F, 0x80, 0xFA, 0x5D, 0xB6, 0x2A, 0x94, 0xB8, 0x31, 0x22, 0xCD,
                        0xF4, 0xF8, 0xFE, 0xAD, 0x10, 0xD5, 0x15, 0xD8, 0xF3, 0x91};
    const std::string_view hash = password_hash(salt, digest, &arena_);
    EXPECT_EQ(hash, "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR");
    EXPECT_TRUE(has_salt(hash, salt));
    EXPECT_FALSE(has_salt(hash, Salt{0x90, 0x8D, 0xC6, 0x0B}));
    EXPECT_FALSE(has_salt(hash, Salt{0x91, 0x8D, 0xC6, 0x0A}));
    EXPECT_FALSE(has_salt("", salt));
    EXPECT_FALSE(has_salt("kI3GC", salt));
    EXPECT_FALSE(has_salt("kI3GC*==", salt));
}

TEST_F(AccountTest, Tokens) {
    const std::uint8_t bytes[] = {0xFB, 0xFF, 0x00, 0x01, 0x02};
    EXPECT_EQ(token_text({bytes, 0}, &arena_), "");
    EXPECT_EQ(token_text({bytes, 1}, &arena_), "-w");
    EXPECT_EQ(token_text({bytes, 2}, &arena_), "-_8");
    EXPECT_EQ(token_text({bytes, 3}, &arena_), "-_8A");
    EXPECT_EQ(token_text({bytes, 5}, &arena_), "-_8AAQI");
}

TEST_F(AccountTest, WhatTheBrokerIsTold) {
    EXPECT_EQ(
        user_document("aGFzaA==", "cloudsat,it's \"so\"", &arena_),
        R"({"password_hash":"aGFzaA==","hashing_algorithm":"rabbit_password_hashing_sha256","tags":"cloudsat,it's \"so\""})");
    EXPECT_EQ(
        permissions_document(own_pattern("a.b", &arena_), "", &arena_),
        R"x({"configure":"^(queue/a\\.b/.*|exchange/a\\.b/.*)","write":"^(queue/a\\.b/.*|exchange/a\\.b/.*)","read":""})x");
}

TEST_F(AccountTest, WhatTheBrokerTells) {
    const auto user = [&](std::string_view json) { return read_user({json, 0}, &arena_); };
    const auto alice = user(
        R"({"name":"alice","password_hash":"kI3G","hashing_algorithm":"x","tags":["a","b"],"limits":{}})");
    ASSERT_TRUE(alice);
    EXPECT_EQ(alice.value().password_hash, "kI3G");
    EXPECT_EQ(alice.value().tags, "a,b");
    EXPECT_EQ(user(R"({"tags":"a,b"})").value().tags, "a,b");
    EXPECT_EQ(user(R"({"tags":[]})").value().tags, "");
    EXPECT_EQ(user(R"({"tags":null})").value().tags, "");
    EXPECT_FALSE(user("[]"));
    EXPECT_FALSE(user(R"({"tags":)"));

    EXPECT_TRUE(has_tag("a,b", "a"));
    EXPECT_TRUE(has_tag("a,b", "b"));
    EXPECT_FALSE(has_tag("ab", "a"));
    EXPECT_FALSE(has_tag("", "a"));

    const std::string listing =
        R"([{"name":"a"},{"name":""},{"name":"n\u0000l"},{"name":"\u00e9","tags":[]}])";
    const auto names = read_column({listing, 0}, "name", &arena_);
    ASSERT_TRUE(names);
    ASSERT_EQ(names.value().size(), 2U);
    EXPECT_EQ(names.value()[1], "\xC3\xA9");
    EXPECT_FALSE(read_column({R"([{"vhost":"/"}])", 0}, "name", &arena_));
    EXPECT_FALSE(read_column({R"({"error":"x"})", 0}, "name", &arena_));
    EXPECT_FALSE(read_column({"[1]", 0}, "name", &arena_));
}

} // namespace
