// The HTTP client against a broker that fails in every way that was measured on a real one. No test sleeps:
// each waits with poll(2) on the client's fd, for a limited time.
#include "net/http.hpp"

#include "core/wire/queue_listing.hpp"
#include "core/wire/queue_metrics.hpp"
#include "fake_broker.hpp"

#include <chrono>
#include <memory_resource>
#include <poll.h>
#include <pthread.h>

namespace {

using namespace cloudsat::net;
using cloudsat::core::Expect;
using cloudsat::core::FaultKind;
using cloudsat::core::name_of;
using cloudsat::test::FakeBroker;
using Clock = std::chrono::steady_clock;

long ms_since(Clock::time_point start) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
}

class HttpTest : public testing::Test {
protected:
    void SetUp() override {
        broker.control("/reset");
        request.connect_timeout_ms = 1000;
        request.timeout_ms = 10000;
        request.max_body = 32u << 20;
    }

    // One turn of what a caller does: waits, at most until `limit`, and steps.
    bool turn(Clock::time_point limit) {
        const auto left = std::max(0L, -ms_since(limit));
        const int wanted = http.timeout_ms();
        pollfd waiting{.fd = http.fd(), .events = POLLIN, .revents = 0};
        poll(&waiting, 1, wanted < 0 ? static_cast<int>(left) : std::min(wanted, static_cast<int>(left)));
        http.step();
        return Clock::now() < limit;
    }

    const Reply& run() {
        http.start(request);
        const auto limit = Clock::now() + std::chrono::seconds(20);
        while (!http.done() && turn(limit)) {
        }
        EXPECT_TRUE(http.done()) << url_;
        return http.reply();
    }

    const Reply& get(const std::string& url) {
        url_ = url;
        request.url = url_;
        return run();
    }

    FakeBroker& broker = FakeBroker::instance();
    Request request;
    Http http;
    std::string url_;
};

TEST_F(HttpTest, FetchesADocument) {
    broker.control("/queues", R"({"count":1000,"messages":3})");
    const auto& reply = get(broker.url("/api/queues/%2F?disable_stats=true&enable_queue_totals=true"));
    EXPECT_EQ(reply.kind, FaultKind::none) << reply.error;
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.content_type, "application/json");
    EXPECT_EQ(reply.error, "");
    EXPECT_EQ(reply.bytes, reply.body.size());
    EXPECT_GE(reply.elapsed_ms, 0);
    std::pmr::monotonic_buffer_resource arena;
    const auto listing = cloudsat::core::read_queue_listing(reply.json(), &arena);
    ASSERT_TRUE(listing);
    EXPECT_EQ(listing.value().rows.size(), 1000u);
    EXPECT_EQ(listing.value().rows[7].messages, 3);
}

TEST_F(HttpTest, FetchesMetrics) {
    broker.control("/queues", R"({"count":100,"messages":3})");
    request.expect = Expect::metrics;
    const auto& reply = get(broker.url("/metrics/detailed?family=queue_coarse_metrics"));
    EXPECT_EQ(reply.kind, FaultKind::none) << reply.error;
    std::size_t rows = 0;
    const auto count = [&](const cloudsat::core::QueueSizes&) { ++rows; };
    const auto unusable = cloudsat::core::for_each_queue_size(reply.body, count);
    ASSERT_TRUE(unusable);
    EXPECT_EQ(rows, 100u);
    EXPECT_EQ(unusable.value(), 0u);
}

// --- the failures, one by one, and what each is called
// -----------------------------------------------------------

struct Case {
    const char* behaviour;
    FaultKind kind;
    int status;
    const char* words; // part of the error text
};

void PrintTo(const Case& c, std::ostream* out) {
    *out << c.behaviour;
}

class HttpFaultTest : public HttpTest, public testing::WithParamInterface<Case> {};

TEST_P(HttpFaultTest, HasItsKind) {
    const auto& expected = GetParam();
    request.timeout_ms = expected.kind == FaultKind::timed_out ? 700 : 10000;
    request.gzip = true;
    const auto& reply = get(broker.url(std::string("/behave/") + expected.behaviour));
    EXPECT_EQ(name_of(reply.kind), name_of(expected.kind)) << reply.error;
    EXPECT_EQ(reply.status, expected.status);
    EXPECT_NE(reply.error.find(expected.words), std::string_view::npos) << reply.error;
    EXPECT_NE(reply.error.find("127.0.0.1 port " + broker.word("port")), std::string_view::npos)
        << reply.error;
    if (reply.status / 100 == 2 && expected.kind != FaultKind::not_json) {
        EXPECT_EQ(reply.body, "") << "nothing is handed out from half an answer";
    }

    // And the client is as good as new.
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::none) << http.reply().error;
}

INSTANTIATE_TEST_SUITE_P(
    Broker, HttpFaultTest,
    testing::Values(
        Case{"hang", FaultKind::timed_out, 0, "did not answer within"},
        Case{"hang_headers", FaultKind::timed_out, 200, "did not finish its answer within"},
        Case{"drip_headers", FaultKind::timed_out, 200, "did not finish its answer within"},
        Case{"drip_body", FaultKind::timed_out, 200, "bytes received)"},
        Case{"close", FaultKind::closed, 0, "closed the connection without an answer"},
        Case{"rst", FaultKind::closed, 0, "closed the connection without an answer: connection reset"},
        Case{"rst_body", FaultKind::closed, 200, "closed the connection in the middle of its answer"},
        Case{"short", FaultKind::truncated, 200, "stopped after 50 bytes"},
        Case{"truncated_chunked", FaultKind::truncated, 200, "stopped after"},
        Case{"bad_chunk", FaultKind::protocol, 200, "valid HTTP"},
        Case{"html", FaultKind::not_json, 200, "status 200, but the answer's content type"},
        Case{"empty", FaultKind::not_json, 200, "status 200, but the answer is empty"},
        Case{"no_content", FaultKind::not_json, 204, "status 204, but the answer is empty"},
        Case{"redirect", FaultKind::redirect, 302, "HTTP status 302"},
        Case{"status?code=400&reason=queue+'e'+not+empty", FaultKind::bad_request, 400,
             "status 400: queue 'e' not empty"},
        Case{"status?code=401", FaultKind::unauthorized, 401, "status 401: Access refused."},
        Case{"status?code=403", FaultKind::forbidden, 403, "HTTP status 403"},
        Case{"status?code=404", FaultKind::not_found, 404, "HTTP status 404: Not Found"},
        Case{"status?code=405", FaultKind::unexpected_status, 405, "HTTP status 405"},
        Case{"status?code=500", FaultKind::server_error, 500, "HTTP status 500"},
        Case{"status?code=503", FaultKind::server_error, 503, "HTTP status 503"},
        Case{"huge_length", FaultKind::too_large, 200, "larger than 33554432 bytes"},
        Case{"endless_body", FaultKind::too_large, 200, "larger than 33554432 bytes"},
        Case{"gzip_bomb?mb=40", FaultKind::too_large, 200, "larger than 33554432 bytes"},
        Case{"bad_gzip", FaultKind::protocol, 200, "valid HTTP"},
        Case{"endless_headers", FaultKind::too_large, 200, "header"},
        Case{"endless_line", FaultKind::too_large, 200, "header"},
        Case{"not_http", FaultKind::protocol, 0, "valid HTTP"}),
    [](const auto& test) {
        std::string name = test.param.behaviour;
        name = name.substr(0, name.find("?mb"));
        if (const auto code = name.find("code="); code != std::string::npos)
            name = "status_" + name.substr(code + 5, 3);
        return name;
    });

// Whole as far as HTTP can tell: the decoder must refuse them.
TEST_F(HttpTest, HalfADocumentIsRefusedByTheDecoder) {
    for (const auto* behaviour : {"truncated_json", "close_delimited"}) {
        const auto& reply = get(broker.url(std::string("/behave/") + behaviour));
        ASSERT_EQ(reply.kind, FaultKind::none) << behaviour << " " << reply.error;
        ASSERT_FALSE(reply.body.empty());
        std::pmr::monotonic_buffer_resource arena;
        const auto listing = cloudsat::core::read_queue_listing(reply.json(), &arena);
        ASSERT_FALSE(listing) << behaviour;
        EXPECT_EQ(listing.error().kind, FaultKind::not_json);
    }
}

TEST_F(HttpTest, NoBrokerIsRefused) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0); // bound, not listening: the port is nobody else's
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    const auto port = std::to_string(ntohs(address.sin_port));
    const auto& reply = get("http://127.0.0.1:" + port + "/api/overview");
    EXPECT_EQ(reply.kind, FaultKind::refused);
    EXPECT_EQ(reply.error, "could not connect to 127.0.0.1 port " + port + ": connection refused");
    EXPECT_EQ(reply.status, 0);
    close(fd);
}

TEST_F(HttpTest, ABacklogThatIsFullTimesOutWhileConnecting) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(listen(fd, 0), 0);
    ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    std::array<int, 4> fillers{};
    for (auto& filler : fillers) { // the kernel drops every SYN once the queue is full
        filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(filler, reinterpret_cast<sockaddr*>(&address), size);
    }
    request.connect_timeout_ms = 300;
    const auto& reply = get("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/");
    EXPECT_EQ(reply.kind, FaultKind::timed_out);
    EXPECT_TRUE(reply.error.starts_with("could not connect to 127.0.0.1 port ")) << reply.error;
    EXPECT_LT(reply.elapsed_ms, 1500);
    for (const int filler : fillers)
        close(filler);
    close(fd);
}

TEST_F(HttpTest, AnUnknownNameIsUnresolved) {
    const auto& reply = get("http://no-such-host.invalid:15672/api/overview");
    // Where no resolver can be reached, the lookup may outlast the connection timeout.
    EXPECT_TRUE(reply.kind == FaultKind::unresolved || reply.kind == FaultKind::timed_out) << reply.error;
    EXPECT_NE(reply.error.find("no-such-host.invalid port 15672"), std::string_view::npos) << reply.error;
}

TEST_F(HttpTest, UnusableUrlsFail) {
    EXPECT_EQ(get("").kind, FaultKind::failed);
    EXPECT_EQ(get("http://").kind, FaultKind::failed);
    EXPECT_NE(get("file:///etc/passwd").kind, FaultKind::none);
    EXPECT_EQ(http.reply().body, "");
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::none);
}

TEST_F(HttpTest, ConnectionsThatAreNeverReadTimeOut) {
    broker.control("/accept", R"({"mode":"hang"})");
    request.timeout_ms = 300;
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::timed_out);
    for (const auto* mode : {R"({"mode":"close"})", R"({"mode":"rst"})"}) {
        broker.control("/accept", mode);
        request.timeout_ms = 5000;
        EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::closed) << mode << http.reply().error;
    }
}

// --- TLS
// ---------------------------------------------------------------------------------------------------------

TEST_F(HttpTest, TlsTrustsWhatItIsTold) {
    const auto ca = broker.word("ca"), ca_other = broker.word("ca_other");
    request.ca_file = ca;
    EXPECT_EQ(get(broker.tls_url("/api/overview")).kind, FaultKind::none) << http.reply().error;

    request.ca_file = "";
    EXPECT_EQ(get(broker.tls_url("/api/overview")).kind, FaultKind::tls) << "self-signed";
    EXPECT_TRUE(http.reply().error.starts_with("could not secure the connection to 127.0.0.1 port "))
        << http.reply().error;
    request.ca_file = ca_other;
    EXPECT_EQ(get(broker.tls_url("/api/overview")).kind, FaultKind::tls) << "somebody else's certificate";
    EXPECT_EQ(get(broker.tls_other_url("/api/overview")).kind, FaultKind::tls) << "trusted, for another host";
    request.ca_file = "/nonexistent.pem";
    EXPECT_EQ(get(broker.tls_url("/api/overview")).kind, FaultKind::tls);

    request.ca_file = "";
    request.tls_verify = false;
    EXPECT_EQ(get(broker.tls_other_url("/api/overview")).kind, FaultKind::none) << http.reply().error;
}

TEST_F(HttpTest, TlsOnTheWrongPort) {
    request.timeout_ms = 1500;
    auto url = broker.url("/api/overview");
    EXPECT_TRUE(get(url.replace(0, 4, "https")).kind == FaultKind::tls ||
                http.reply().kind == FaultKind::timed_out)
        << http.reply().error;
    url = broker.tls_url("/api/overview");
    EXPECT_EQ(get(url.replace(0, 5, "http")).kind, FaultKind::closed) << http.reply().error;
}

// --- credentials
// -------------------------------------------------------------------------------------------------

TEST_F(HttpTest, CredentialsAreSentAndNeverShown) {
    broker.control("/settings", R"({"user":"guardian","password":"s3cret:pass wörd"})");
    request.user = "guardian";
    request.password = "s3cret:pass wörd";
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::none) << http.reply().error;
    request.password = "wrong";
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::unauthorized);
    EXPECT_NE(http.reply().error.find("status 401: Login failed"), std::string_view::npos)
        << http.reply().error;
    request.user = request.password = "";
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::unauthorized) << "no credentials left over";

    request.user = "guardian";
    request.password = "hunter2";
    get(broker.url("/behave/status?code=400&reason=bad+password+hunter2"));
    EXPECT_EQ(http.reply().kind, FaultKind::bad_request);
    EXPECT_EQ(http.reply().error.find("hunter2"), std::string_view::npos) << http.reply().error;
}

TEST_F(HttpTest, WhatABrokerSaysBecomesOneCleanLine) {
    get(broker.url("/behave/status?code=500&reason=a%0d%0ab%00c%e2%82%ac"));
    EXPECT_TRUE(http.reply().error.ends_with(": a  b c€")) << http.reply().error;
}

// --- connections, requests, time
// ---------------------------------------------------------------------------------

std::size_t number_after(const std::string& text, const std::string& key) {
    const auto at = text.find(key);
    return at == std::string::npos ? 0 : std::stoul(text.substr(at + key.size()));
}

TEST_F(HttpTest, KeepsItsConnection) {
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::none);
    const auto seen = broker.control("/seen");
    EXPECT_EQ(number_after(seen, "\"total\":"), 5u) << seen;
    EXPECT_EQ(number_after(seen, "\"connections\":"), 1u) << seen;
}

TEST_F(HttpTest, AQuestionOnAConnectionThatHasDiedIsAskedAgain) {
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::none);
    broker.control("/behave", R"({"behaviour":"close","path":"/api/vhosts","times":1})");
    EXPECT_EQ(get(broker.url("/api/vhosts")).kind, FaultKind::none) << http.reply().error;
    const auto seen = broker.control("/seen");
    EXPECT_EQ(number_after(seen, "\"GET /api/vhosts\":"), 2u) << seen;
}

TEST_F(HttpTest, WhatChangesSomethingIsSentOnceOnAConnectionOfItsOwn) {
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::none);
    broker.control("/behave", R"({"behaviour":"close","path":"/api/queues/%2F/q","method":"DELETE"})");
    request.method = Method::del;
    EXPECT_EQ(get(broker.url("/api/queues/%2F/q")).kind, FaultKind::closed);
    const auto seen = broker.control("/seen");
    EXPECT_EQ(number_after(seen, "\"DELETE /api/queues/%2F/q\":"), 1u) << seen;
}

TEST_F(HttpTest, PutsAndDeletes) {
    request.method = Method::put;
    request.expect = Expect::anything;
    request.body = R"({"durable":true,"auto_delete":false})";
    EXPECT_EQ(get(broker.url("/api/queues/%2F/a%2Fb")).kind, FaultKind::none) << http.reply().error;
    EXPECT_EQ(http.reply().status, 201);
    request.body = "";
    EXPECT_EQ(get(broker.url("/api/queues/%2F/a%2Fb")).status, 204);
    request.method = Method::del;
    EXPECT_EQ(get(broker.url("/api/queues/%2F/a%2Fb")).status, 204);
    EXPECT_EQ(http.reply().kind, FaultKind::none);
    EXPECT_EQ(get(broker.url("/api/queues/%2F/a%2Fb")).kind, FaultKind::not_found);
    EXPECT_EQ(broker.control("/queue_list"), "[]");
    request.method = Method::get;
    request.expect = Expect::json;
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::none) << "no method left over";
}

TEST_F(HttpTest, ADeleteThatTimesOutMayHaveHappened) {
    broker.control("/queue", R"({"name":"q"})");
    broker.control("/behave", R"({"behaviour":"delete_later","path":"/api/queues/%2F/q"})");
    request.method = Method::del;
    request.timeout_ms = 300;
    EXPECT_EQ(get(broker.url("/api/queues/%2F/q")).kind, FaultKind::timed_out);
    EXPECT_EQ(broker.control("/queue_list"), "[]");
}

TEST_F(HttpTest, GzipIsAskedForOnDemand) {
    broker.control("/queues", R"({"count":1000})");
    const auto url = broker.url("/api/queues/%2F");
    EXPECT_EQ(get(url).kind, FaultKind::none);
    const std::string plain(http.reply().body);
    EXPECT_EQ(http.reply().bytes, plain.size());
    request.gzip = true;
    EXPECT_EQ(get(url).kind, FaultKind::none);
    EXPECT_LT(http.reply().bytes, plain.size() / 10);
    EXPECT_EQ(http.reply().body, plain);
}

TEST_F(HttpTest, TheLargestBodyAllowedIsAllowed) {
    broker.control("/queues", R"({"count":3000})");
    const auto url = broker.url("/api/queues/%2F");
    const auto size = get(url).body.size();
    request.max_body = size;
    EXPECT_EQ(get(url).kind, FaultKind::none);
    EXPECT_EQ(http.reply().body.size(), size);
    request.max_body = size - 1;
    EXPECT_EQ(get(url).kind, FaultKind::too_large);
    request.gzip = true; // now the announced length is within the limit, and the decoded body is not
    EXPECT_EQ(get(url).kind, FaultKind::too_large);
    request.max_body = 0;
    EXPECT_EQ(get(url).kind, FaultKind::too_large);
}

TEST_F(HttpTest, AbandonsAtOnceAndStartsAnew) {
    url_ = broker.url("/behave/hang");
    for (int i = 0; i < 20; ++i) {
        request.url = url_;
        http.start(request);
        turn(Clock::now() + std::chrono::milliseconds(20));
        const auto start = Clock::now();
        http.abandon();
        EXPECT_LT(ms_since(start), 100);
        EXPECT_FALSE(http.done());
        EXPECT_FALSE(http.running());
    }
    http.abandon(); // nothing to abandon is no fault
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::none);
}

TEST_F(HttpTest, AbandonsANameLookupAtOnce) {
    url_ = "http://no-such-host.invalid/";
    request.url = url_;
    http.start(request);
    const auto start = Clock::now();
    http.abandon();
    EXPECT_LT(ms_since(start), 100);
}

TEST_F(HttpTest, AStartReplacesARunningRequest) {
    url_ = broker.url("/behave/hang");
    request.url = url_;
    http.start(request);
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::none);
}

TEST_F(HttpTest, NeverBlocks) {
    // Every step while the broker drips is short, and the waits are the caller's.
    url_ = broker.url("/behave/drip_body");
    request.url = url_;
    request.timeout_ms = 700;
    http.start(request);
    const auto limit = Clock::now() + std::chrono::seconds(10);
    long longest = 0;
    int steps = 0;
    while (!http.done() && Clock::now() < limit) {
        pollfd waiting{.fd = http.fd(), .events = POLLIN, .revents = 0};
        poll(&waiting, 1, http.timeout_ms());
        const auto start = Clock::now();
        http.step();
        longest = std::max(longest, ms_since(start));
        ++steps;
    }
    EXPECT_EQ(http.reply().kind, FaultKind::timed_out);
    EXPECT_LT(longest, 100);
    EXPECT_LT(steps, 100) << "neither does it spin";
}

TEST_F(HttpTest, AnIdleClientWantsNothing) {
    EXPECT_EQ(http.timeout_ms(), -1);
    EXPECT_FALSE(http.done());
    http.step();
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::none);
    pollfd waiting{.fd = http.fd(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&waiting, 1, 0), 0) << "an idle connection does not wake its owner";
    http.release();
    EXPECT_EQ(http.reply().body, "");
}

TEST_F(HttpTest, LeavesTheSignalMaskAlone) {
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, nullptr, &before);
    get(broker.url("/api/overview"));
    pthread_sigmask(SIG_SETMASK, nullptr, &after);
    for (int signal = 1; signal < 32; ++signal)
        EXPECT_EQ(sigismember(&before, signal), sigismember(&after, signal)) << signal;
}

TEST_F(HttpTest, TheEnvironmentDoesNotSteerIt) {
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    EXPECT_EQ(get(broker.url("/api/overview")).kind, FaultKind::none) << http.reply().error;
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

} // namespace
