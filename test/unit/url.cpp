// URLs: encoding of names, the look-again query, and the rules for base URLs.
#include "core/wire/url.hpp"

#include <gtest/gtest.h>
#include <memory_resource>
#include <string>

namespace {

using namespace cloudsat::core;

class UrlTest : public testing::Test {
protected:
    std::string segment(std::string_view name) {
        return std::string(encode_segment(name, &arena_).value_or("(none)"));
    }

    std::optional<UrlRule> rule(std::string_view url) {
        const auto result = check_base_url(url, &arena_);
        return result ? std::nullopt : std::optional(result.error());
    }

    BaseUrl good(std::string_view url) {
        const auto result = check_base_url(url, &arena_);
        EXPECT_TRUE(result) << url;
        return result ? result.value() : BaseUrl{};
    }

    std::pmr::monotonic_buffer_resource arena_;
};

TEST_F(UrlTest, Endpoints) {
    const auto endpoint = [&](std::string_view url) { return endpoint_of(good(url), &arena_); };
    EXPECT_EQ(endpoint("http://Broker.Example.com"), "broker.example.com:80");
    EXPECT_EQ(endpoint("https://broker.example.com:443/"), "broker.example.com:443");
    EXPECT_EQ(endpoint("http://broker:15672/Rabbit/a/"), "broker:15672/Rabbit/a");
    EXPECT_EQ(endpoint("http://127.0.0.1:15672"), "localhost:15672");
    EXPECT_EQ(endpoint("http://[::1]:15672/"), "localhost:15672");
    EXPECT_EQ(endpoint("http://[0:0:0:0::0001]:015672/"), "localhost:15672") << "as curl connects";
    EXPECT_EQ(endpoint("http://127.1:15672"), "localhost:15672");
    EXPECT_EQ(endpoint("HTTP://LOCALHOST:15672"), "localhost:15672");
    EXPECT_EQ(endpoint("http://127.0.0.2:15672"), "127.0.0.2:15672");
}

TEST_F(UrlTest, Segments) {
    EXPECT_EQ(segment("/"), "%2F");
    EXPECT_EQ(segment("queue/alice/tasks-1_2.3~4"), "queue%2Falice%2Ftasks-1_2.3~4");
    EXPECT_EQ(segment("%2F"), "%252F");
    EXPECT_EQ(segment("x?y#z a+b&c=d"), "x%3Fy%23z%20a%2Bb%26c%3Dd");
    EXPECT_EQ(segment("é\"'\n"), "%C3%A9%22%27%0A");
    EXPECT_EQ(segment(std::string_view("\0", 1)), "%00");
    EXPECT_EQ(segment("..."), "...");
    EXPECT_EQ(segment(".a"), ".a");
    for (const auto* name : {"", ".", ".."})
        EXPECT_EQ(encode_segment(name, &arena_), std::nullopt) << "'" << name << "' has no address over HTTP";
}

TEST_F(UrlTest, LookAgainMatchesOneNameOnly) {
    EXPECT_EQ(look_again_query("q", &arena_), "page=1&page_size=500&name=%5E%28%3F-i%29q%5Cz&use_regex=true");
    // ^(?-i)a\.b\*\-é_1\z
    EXPECT_EQ(look_again_query("a.b*-é_1", &arena_),
              "page=1&page_size=500&name=%5E%28%3F-i%29a%5C.b%5C%2A%5C-%C3%A9_1%5Cz&use_regex=true");
    EXPECT_EQ(look_again_query(std::string_view("a\0b", 3), &arena_),
              "page=1&page_size=500&name=%5E%28%3F-i%29a%5Cx00b%5Cz&use_regex=true");
    // ^(?-i)(?=(?s:.*?)(?:^q|b))q\z
    EXPECT_EQ(
        look_again_query("q", &arena_, "^q|b"),
        "page=1&page_size=500&name=%5E%28%3F-i%29%28%3F%3D%28%3Fs%3A.%2A%3F%29%28%3F%3A%5Eq%7Cb%29%29q%5Cz"
        "&use_regex=true");
}

TEST_F(UrlTest, GoodBases) {
    const auto url = good("HTTPS://Broker_1.example.com:15671/rabbit/");
    EXPECT_EQ(url.text, "https://Broker_1.example.com:15671/rabbit");
    EXPECT_EQ(url.host, "Broker_1.example.com");
    EXPECT_EQ(url.port, 15671);
    EXPECT_TRUE(url.tls);
    EXPECT_EQ(good("http://h").port, 80);
    EXPECT_EQ(good("https://h///").text, "https://h");
    EXPECT_EQ(good("http://[::1]:15672").host, "::1");
    EXPECT_EQ(good("http://h:65535/a%20b").text, "http://h:65535/a%20b");
}

TEST_F(UrlTest, BadBases) {
    const std::pair<const char*, UrlRule> table[] = {
        {"", UrlRule::empty},
        {"http://a b", UrlRule::bad_character},
        {"http://a\nb", UrlRule::bad_character},
        {"http://é", UrlRule::bad_character},
        {"http://h/%zz", UrlRule::bad_character},
        {"http://h/%2", UrlRule::bad_character},
        {"http://h/%0a/../b", UrlRule::bad_character},
        {"ftp://h", UrlRule::scheme},
        {"h:15672", UrlRule::scheme},
        {"http:/h", UrlRule::scheme},
        {"://h", UrlRule::scheme},
        {"http://u:p@h", UrlRule::credentials},
        {"http://u@h", UrlRule::credentials},
        {"http://", UrlRule::host},
        {"http:///api", UrlRule::host},
        {"http://:80", UrlRule::host},
        {"http://.h", UrlRule::host},
        {"http://a..b", UrlRule::host},
        {"http://-h", UrlRule::host},
        {"http://[::1", UrlRule::host},
        {"http://[x]", UrlRule::host},
        {"http://h:0", UrlRule::port},
        {"http://h:65536", UrlRule::port},
        {"http://h:", UrlRule::port},
        {"http://h:1a", UrlRule::port},
        {"http://[::1]80", UrlRule::port},
        {"http://h?x", UrlRule::query},
        {"http://h/#x", UrlRule::fragment},
        {"http://h/a/../b", UrlRule::dot_segment},
        {"http://h/.", UrlRule::dot_segment},
        {"http://h/%2E%2e/", UrlRule::dot_segment},
    };
    for (const auto& [url, expected] : table)
        EXPECT_EQ(rule(url), expected) << url;
    EXPECT_EQ(rule("http://h/" + std::string(2048, 'a')), UrlRule::too_long);
    for (int i = 0; i <= static_cast<int>(UrlRule::dot_segment); ++i)
        EXPECT_TRUE(meaning_of(static_cast<UrlRule>(i)).ends_with('.'));
}

TEST_F(UrlTest, AmqpBases) {
    const auto check = [this](std::string_view url) { return check_amqp_url(url, &arena_); };
    ASSERT_TRUE(check("AMQPS://broker.example.com/"));
    EXPECT_EQ(check("AMQPS://broker.example.com/").value().text, "amqps://broker.example.com");
    EXPECT_EQ(check("amqps://broker").value().port, 5671);
    EXPECT_TRUE(check("amqps://broker").value().tls);
    EXPECT_EQ(check("amqp://broker").value().port, 5672);
    EXPECT_FALSE(check("amqp://broker").value().tls);
    EXPECT_EQ(check("amqp://[::1]:5673").value().port, 5673);
    EXPECT_EQ(check("http://broker").error(), UrlRule::amqp_scheme);
    EXPECT_EQ(check("broker:5672").error(), UrlRule::amqp_scheme);
    EXPECT_EQ(check("amqp://broker/vhost").error(), UrlRule::amqp_path);
    EXPECT_EQ(check("amqp://broker/%2F").error(), UrlRule::amqp_path);
    EXPECT_EQ(check("amqp://user:secret@broker").error(), UrlRule::credentials);
    EXPECT_EQ(rule("amqp://broker"), UrlRule::scheme) << "which is not for the management API";
}

TEST(Url, MailServers) {
    for (const char* good : {"smtp://mail.example.com", "SMTPS://mail:465", "smtp://[::1]:587/"}) {
        EXPECT_FALSE(check_mail_url(good)) << good;
    }
    EXPECT_EQ(check_mail_url("http://mail"), UrlRule::mail_scheme);
    EXPECT_EQ(check_mail_url("mail.example.com:25"), UrlRule::mail_scheme);
    EXPECT_EQ(check_mail_url("smtp://me:secret@mail"), UrlRule::credentials);
    EXPECT_EQ(check_mail_url("smtp://mail/me"), UrlRule::mail_path);
    EXPECT_EQ(check_mail_url("smtp://mail:0"), UrlRule::port);
    EXPECT_EQ(check_mail_url("smtp://"), UrlRule::host);
    EXPECT_EQ(check_mail_url("smtp://mail\r\nQUIT"), UrlRule::bad_character);
    EXPECT_EQ(check_mail_url(""), UrlRule::empty);
}

} // namespace
