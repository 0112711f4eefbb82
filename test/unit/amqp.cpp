// The AMQP client against a peer that says what a real broker says only in bad moments. Both sides run in
// this thread, a step at a time; no test sleeps.
#include "net/amqp.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <memory_resource>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace cloudsat::net;
using namespace std::string_view_literals;
using namespace std::string_literals;
using cloudsat::core::FaultKind;
using cloudsat::core::name_of;
using cloudsat::core::amqp::Fields;
using cloudsat::core::amqp::Frame;
using cloudsat::core::amqp::FrameType;
using cloudsat::core::amqp::FrameWriter;
using cloudsat::core::amqp::Framing;
using cloudsat::core::amqp::Method;
using Clock = std::chrono::steady_clock;

constexpr std::size_t frame_max = 131072;

// A listening socket, and what is said on the one connection that it takes.
class Peer {
public:
    Peer() {
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
        listen(listener_, 1);
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
    }
    ~Peer() {
        hang_up();
        close(listener_);
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    std::string url() const { return "amqp://127.0.0.1:" + std::to_string(port_); }
    bool is_connected() const { return socket_ >= 0; }
    void hang_up() {
        if (socket_ >= 0) {
            close(socket_);
        }
        socket_ = -1;
    }
    // The next connection finds it as the first one did.
    void begin_anew() {
        hang_up();
        heard.clear();
        to_say.clear();
        was_connected_ = greeted = false;
    }

    // From now on says only this, over and over and as fast as it goes; until the flood ends, or for three
    // seconds, so that a client that never comes up for air fails its test and does not hang it.
    std::thread flood(std::string bytes, const std::atomic<bool>& over) {
        while (bytes.size() < 100'000) {
            bytes += bytes;
        }
        return std::thread([this, bytes = std::move(bytes), &over] {
            const auto limit = Clock::now() + std::chrono::seconds(3);
            std::size_t at = 0;
            while (!over && Clock::now() < limit) {
                pollfd room{.fd = socket_, .events = POLLOUT, .revents = 0};
                poll(&room, 1, 10);
                const ssize_t n = send(socket_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
                at = n > 0 ? (at + static_cast<std::size_t>(n)) % bytes.size() : at;
            }
        });
    }

    // Moves bytes both ways, as far as they go.
    void turn() {
        if (socket_ < 0 && !was_connected_) {
            socket_ = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            was_connected_ = socket_ >= 0;
        }
        if (socket_ < 0) {
            return;
        }
        char piece[65536];
        for (ssize_t n; (n = recv(socket_, piece, sizeof piece, 0)) > 0;) {
            heard.append(piece, static_cast<std::size_t>(n));
        }
        while (!to_say.empty()) {
            const ssize_t n = send(socket_, to_say.data(), to_say.size(), MSG_NOSIGNAL);
            if (n <= 0) {
                break;
            }
            to_say.erase(0, static_cast<std::size_t>(n));
        }
    }

    // The next method that was heard, if any; other frames are left out.
    bool next(Method& method, std::string& fields) {
        if (heard.starts_with("AMQP")) {
            if (heard.size() < 8) {
                return false;
            }
            heard.erase(0, 8);
            greeted = true;
        }
        Frame frame;
        while (cloudsat::core::amqp::read_frame(heard, frame_max, frame) == Framing::whole) {
            const std::string payload(frame.payload);
            const FrameType type = frame.type;
            heard.erase(0, frame.size);
            if (type == FrameType::method) {
                Fields read(payload);
                method = static_cast<Method>(read.dword());
                fields = read.rest();
                return true;
            }
        }
        return false;
    }

    FrameWriter say(Method method, std::uint16_t channel = 1) {
        FrameWriter writer(to_say);
        writer.begin(channel, method);
        return writer;
    }
    void close_with(Method method, std::uint16_t code, std::string_view text) {
        say(method, method == Method::channel_close ? 1 : 0)
            .word(code)
            .short_string(text)
            .word(0)
            .word(0)
            .end();
    }
    void deliver(std::uint64_t tag, std::string_view body, bool got) {
        FrameWriter writer = say(got ? Method::basic_get_ok : Method::basic_deliver);
        if (!got) {
            writer.short_string("cloudsat");
        }
        writer.qword(tag).octet(0).short_string("exchange").short_string("key");
        if (got) {
            writer.dword(0);
        }
        writer.end();
        FrameWriter(to_say).content(1, "\0\0"sv, body, frame_max);
    }

    std::string heard, to_say;
    bool greeted = false;

private:
    int listener_ = -1, socket_ = -1;
    int port_ = 0;
    bool was_connected_ = false;
};

class AmqpTest : public testing::Test {
protected:
    using Answer = std::function<void(Method, Fields)>;

    void SetUp() override {
        url_ = peer.url();
        login.url = url_;
        login.user = "user";
        login.password = "secret";
        login.vhost = "/";
        login.reply_timeout_ms = 10000;
        answer = [this](Method method, Fields fields) { behave(method, fields); };
    }

    // What every broker does, as far as it is asked here.
    void behave(Method method, Fields) {
        switch (method) {
        case Method::connection_start_ok:
            peer.say(Method::connection_tune, 0).word(2047).dword(frame_max).word(60).end();
            break;
        case Method::connection_open:
            peer.say(Method::connection_open_ok, 0).short_string("").end();
            break;
        case Method::channel_open:
            peer.say(Method::channel_open_ok).dword(0).end();
            break;
        case Method::basic_qos:
            peer.say(Method::basic_qos_ok).end();
            break;
        case Method::basic_consume:
            peer.say(Method::basic_consume_ok).short_string("cloudsat").end();
            break;
        case Method::basic_cancel:
            peer.say(Method::basic_cancel_ok).short_string("cloudsat").end();
            break;
        case Method::confirm_select:
            peer.say(Method::confirm_select_ok).end();
            break;
        case Method::channel_close:
            peer.say(Method::channel_close_ok).end();
            break;
        case Method::connection_close:
            peer.say(Method::connection_close_ok, 0).end();
            break;
        default:
            break;
        }
    }

    void turn() {
        const int wanted = amqp.connection.timeout_ms();
        pollfd waiting{.fd = amqp.connection.fd(), .events = POLLIN, .revents = 0};
        poll(&waiting, 1, wanted < 0 || wanted > 5 ? 5 : wanted); // the peer gets its turn
        amqp.connection.step();
        peer.turn();
        const bool greeted = peer.greeted;
        Method method{};
        std::string fields;
        while (peer.next(method, fields)) {
            said.push_back(method);
            answer(method, Fields(fields));
        }
        if (!greeted && (peer.greeted || peer.heard.starts_with("AMQP"))) {
            peer.heard.erase(0, peer.heard.starts_with("AMQP") ? 8 : 0);
            peer.greeted = true;
            peer.say(Method::connection_start, 0)
                .octet(0)
                .octet(9)
                .dword(0)
                .long_string(mechanisms)
                .long_string("en_US")
                .end();
        }
        peer.turn();
    }

    void finish() {
        const auto limit = Clock::now() + std::chrono::seconds(10);
        while (!amqp.connection.done() && Clock::now() < limit) {
            turn();
        }
        ASSERT_TRUE(amqp.connection.done());
    }
    void ok() {
        finish();
        ASSERT_EQ(name_of(amqp.connection.fault().kind), "none") << amqp.connection.fault().text;
    }
    void open() {
        amqp.connection.start_open(login);
        ok();
        said.clear();
    }
    void fails(FaultKind kind, std::string_view text) {
        finish();
        EXPECT_EQ(name_of(amqp.connection.fault().kind), name_of(kind));
        EXPECT_NE(amqp.connection.fault().text.find(text), std::string_view::npos)
            << amqp.connection.fault().text;
        EXPECT_EQ(amqp.connection.fault().text.find("secret"), std::string_view::npos)
            << amqp.connection.fault().text;
        EXPECT_FALSE(amqp.connection.connected());
    }
    void batch(std::size_t messages, std::size_t bytes = 1u << 20) {
        limits.messages = messages;
        limits.bytes = bytes;
        amqp.consumer.start_batch(limits, &arena);
    }
    std::size_t times(Method method) const {
        return static_cast<std::size_t>(std::count(said.begin(), said.end(), method));
    }

    std::pmr::monotonic_buffer_resource arena;
    Peer peer;
    Amqp amqp;
    AmqpLogin login;
    BatchLimits limits{.lead = 4};
    Answer answer;
    std::vector<Method> said;
    std::string mechanisms = "AMQPLAIN PLAIN";

private:
    std::string url_;
};

TEST_F(AmqpTest, LogsInAndLeaves) {
    std::string response;
    answer = [&](Method method, Fields fields) {
        if (method == Method::connection_start_ok) {
            fields.long_string();
            fields.short_string();
            response = fields.long_string();
        }
        behave(method, fields);
    };
    open();
    EXPECT_EQ(response, "\0user\0secret"sv);
    EXPECT_TRUE(amqp.connection.connected());
    amqp.connection.start_close();
    ok();
    EXPECT_EQ(said, (std::vector{Method::channel_close, Method::connection_close}));
    EXPECT_FALSE(amqp.connection.connected());
}

TEST_F(AmqpTest, FaultsOfLoggingIn) {
    answer = [&](Method method, Fields) {
        if (method == Method::connection_start_ok) {
            peer.close_with(Method::connection_close, 403, "ACCESS_REFUSED - not with secret");
        }
    };
    amqp.connection.start_open(login);
    fails(FaultKind::unauthorized, "code 403");
}

TEST_F(AmqpTest, NoPasswordIsTaken) {
    mechanisms = "EXTERNAL";
    amqp.connection.start_open(login);
    fails(FaultKind::unauthorized, "PLAIN");
}

TEST_F(AmqpTest, SilenceIsATimeout) {
    login.reply_timeout_ms = 100;
    answer = [](Method, Fields) {};
    amqp.connection.start_open(login);
    fails(FaultKind::timed_out, "did not answer within 100 ms");
    EXPECT_EQ(said, std::vector{Method::connection_start_ok});
}

TEST_F(AmqpTest, HeartbeatsAreNoAnswer) {
    login.reply_timeout_ms = 150;
    open();
    answer = [](Method, Fields) {};
    amqp.connection.start_count("q");
    const auto limit = Clock::now() + std::chrono::seconds(5);
    while (!amqp.connection.done() && Clock::now() < limit) {
        FrameWriter(peer.to_say).heartbeat();
        turn();
    }
    fails(FaultKind::timed_out, "did not answer");
}

class AmqpFlood : public AmqpTest {
protected:
    static std::string frame(Method method, std::string_view fields, std::uint16_t on = 1) {
        std::string bytes;
        FrameWriter writer(bytes);
        writer.begin(on, method);
        bytes += fields;
        writer.end();
        return bytes;
    }
    // The task is under way. It ends in a fault of this kind, and no step takes long.
    void drowns(const std::string& bytes, FaultKind kind) {
        std::atomic<bool> over = false;
        std::thread peers = peer.flood(bytes, over);
        auto longest = Clock::duration::zero();
        const auto limit = Clock::now() + std::chrono::seconds(10);
        while (!amqp.connection.done() && Clock::now() < limit) {
            const int wanted = amqp.connection.timeout_ms();
            pollfd waiting{.fd = amqp.connection.fd(), .events = POLLIN, .revents = 0};
            poll(&waiting, 1, wanted < 0 || wanted > 5 ? 5 : wanted);
            const auto began = Clock::now();
            amqp.connection.step();
            longest = std::max(longest, Clock::now() - began);
        }
        over = true;
        peers.join();
        EXPECT_TRUE(amqp.connection.done());
        EXPECT_EQ(name_of(amqp.connection.fault().kind), name_of(kind)) << amqp.connection.fault().text;
        EXPECT_LT(longest, std::chrono::milliseconds(500));
    }
    std::string heartbeat() const {
        std::string bytes;
        FrameWriter(bytes).heartbeat();
        return bytes;
    }
    // Whatever is said over and over after the handshake.
    struct Flood {
        std::string_view what;
        std::string bytes;
        FaultKind kind;
    };
    std::vector<Flood> floods() const {
        const std::string start = "\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\0"s;
        std::string headers, bodies;
        FrameWriter(headers).content(1, "\0\0"sv, "", frame_max);
        FrameWriter(bodies).content(1, "\0\0"sv, "body", frame_max);
        const std::string delivery = "\x08"s + "cloudsat" + "\0\0\0\0\0\0\0\x01\0\0\0"s;
        return {
            {"heartbeats", heartbeat(), FaultKind::timed_out},
            {"blocked", frame(Method::connection_blocked, "\x01x", 0), FaultKind::timed_out},
            {"unblocked", frame(Method::connection_unblocked, "", 0), FaultKind::timed_out},
            {"start", frame(Method::connection_start, start, 0), FaultKind::protocol},
            {"tune", frame(Method::connection_tune, "\0\0\0\0\0\0\0\0"sv, 0), FaultKind::protocol},
            {"open-ok", frame(Method::connection_open_ok, "\0"sv, 0), FaultKind::protocol},
            {"channel open-ok", frame(Method::channel_open_ok, "\0\0\0\0"sv), FaultKind::protocol},
            {"flow", frame(Method::channel_flow, "\x01"), FaultKind::protocol},
            {"channel close-ok", frame(Method::channel_close_ok, ""), FaultKind::protocol},
            {"close-ok", frame(Method::connection_close_ok, "", 0), FaultKind::protocol},
            {"consume-ok", frame(Method::basic_consume_ok, "\0"sv), FaultKind::protocol},
            {"cancel-ok", frame(Method::basic_cancel_ok, "\0"sv), FaultKind::protocol},
            {"select-ok", frame(Method::confirm_select_ok, ""), FaultKind::protocol},
            {"delete-ok", frame(Method::queue_delete_ok, "\0\0\0\0"sv), FaultKind::protocol},
            {"get-empty", frame(Method::basic_get_empty, "\0"sv), FaultKind::protocol},
            {"deliver", frame(Method::basic_deliver, delivery) + headers, FaultKind::protocol},
            {"return", frame(Method::basic_return, "\0\0\0\0\0"sv) + bodies, FaultKind::protocol},
            {"ack", frame(Method::basic_ack, "\0\0\0\0\0\0\0\x01\0"sv), FaultKind::protocol},
            {"header", headers, FaultKind::protocol},
            {"another channel", frame(Method::channel_open_ok, "\0\0\0\0"sv, 7), FaultKind::protocol},
        };
    }
};

TEST_F(AmqpFlood, EndsInAFaultAndNoStepTakesLong) {
    for (const Flood& flood : floods()) {
        SCOPED_TRACE(flood.what);
        answer = [this](Method method, Fields fields) { behave(method, fields); };
        login.reply_timeout_ms = 300;
        open();
        amqp.connection.start_count("q");
        drowns(flood.bytes, flood.kind);
        peer.begin_anew();
    }
}

TEST_F(AmqpFlood, BeforeTheHandshakeToo) {
    for (const Flood& flood : floods()) {
        if (flood.what == "start") {
            continue; // the first one is due, and the second is not
        }
        SCOPED_TRACE(flood.what);
        login.reply_timeout_ms = 300;
        peer.greeted = true; // and so it does not begin
        amqp.connection.start_open(login);
        while (!peer.is_connected()) {
            turn();
        }
        drowns(flood.bytes, flood.kind);
        peer.begin_anew();
    }
}

TEST_F(AmqpFlood, ABrokerThatNeverEndsAFarewellIsLeft) {
    for (const std::string& bytes :
         {heartbeat(), frame(Method::channel_close_ok, ""), frame(Method::channel_flow, "\x01"sv)}) {
        answer = [this](Method method, Fields fields) { behave(method, fields); };
        open();
        amqp.connection.start_close();
        drowns(bytes, FaultKind::none);
        EXPECT_FALSE(amqp.connection.connected());
        peer.begin_anew();
    }
}

TEST_F(AmqpFlood, OfMessagesBeyondTheWindow) {
    open();
    amqp.consumer.start("q", Taking::consume, 4, 100);
    ok();
    for (std::uint64_t tag = 1; tag <= 5; ++tag) {
        peer.deliver(tag, "body", false);
    }
    batch(100);
    fails(FaultKind::protocol, "not asked for");
}

TEST_F(AmqpFlood, OfEmptyPiecesOfABody) {
    open();
    std::string piece;
    FrameWriter(piece).content(1, "\0\0"sv, "x", frame_max);
    answer = [&](Method method, Fields) {
        if (method == Method::basic_get) {
            peer.deliver(1, "body", true);
            peer.to_say.resize(peer.to_say.size() - 12); // the body, of which this comes instead:
            peer.to_say += "\x03\0\x01\0\0\0\0\xCE"sv;
        }
    };
    amqp.consumer.start("q", Taking::get, 1, 1);
    ok();
    batch(1);
    fails(FaultKind::protocol, "body out of turn");
}

TEST_F(AmqpFlood, ABodyThatTricklesIsSilence) {
    login.reply_timeout_ms = 300;
    open();
    answer = [&](Method method, Fields) {
        if (method == Method::basic_get) {
            peer.deliver(1, std::string(100'000, 'x'), true);
            peer.to_say.resize(peer.to_say.size() - 100'008);
        }
    };
    amqp.consumer.start("q", Taking::get, 1, 1);
    ok();
    batch(1);
    const auto limit = Clock::now() + std::chrono::seconds(5);
    while (times(Method::basic_get) == 0) {
        turn();
    }
    auto next = Clock::now();
    while (!amqp.connection.done() && Clock::now() < limit) {
        if (Clock::now() >= next) {
            peer.to_say += "\x03\0\x01\0\0\0\x01x\xCE"sv; // a byte every ten milliseconds
            next += std::chrono::milliseconds(10);
        }
        turn();
    }
    fails(FaultKind::timed_out, "did not answer");
}

TEST_F(AmqpFlood, AnAnswerToAQuestionOfBeforeIsNotTakenForAnother) {
    open();
    int questions = 0;
    answer = [&](Method method, Fields fields) {
        behave(method, fields);
        if (method == Method::basic_consume) {
            peer.deliver(1, "only", false);
        }
        questions += method == Method::queue_declare ? 1 : 0;
    };
    limits.recount_interval_ms = 10;
    limits.idle_interval_ms = 50;
    amqp.consumer.start("q", Taking::consume, 4, 100);
    ok();
    batch(1);
    ok();
    amqp.consumer.acknowledge();
    batch(1); // asks whether there is more, and a message comes before the answer
    while (questions == 0) {
        turn();
    }
    peer.deliver(2, "another", false);
    ok();
    amqp.consumer.acknowledge();
    amqp.connection.start_count("another queue");
    for (int i = 0; i < questions; ++i) {
        peer.say(Method::queue_declare_ok).short_string("q").dword(0).dword(1).end();
    }
    const int before = questions;
    while (questions == before) {
        turn();
    }
    EXPECT_FALSE(amqp.connection.done());
    peer.say(Method::queue_declare_ok).short_string("another queue").dword(77).dword(0).end();
    ok();
    EXPECT_EQ(amqp.connection.count().ready, 77);
}

TEST_F(AmqpTest, NotABroker) {
    peer.to_say = "HTTP/1.1 400 Bad Request\r\n\r\n";
    peer.greeted = true;
    amqp.connection.start_open(login);
    fails(FaultKind::protocol, "does not speak AMQP");
}

TEST_F(AmqpTest, TheCodesOfTheBroker) {
    const struct {
        std::uint16_t code;
        FaultKind kind;
    } rows[] = {{404, FaultKind::not_found},   {405, FaultKind::forbidden},   {403, FaultKind::unauthorized},
                {320, FaultKind::closed},      {540, FaultKind::bad_request}, {541, FaultKind::server_error},
                {530, FaultKind::unauthorized}};
    for (const auto& row : rows) {
        answer = [this](Method method, Fields fields) { behave(method, fields); };
        open();
        answer = [&](Method, Fields) { peer.close_with(Method::channel_close, row.code, "because"); };
        amqp.connection.start_count("q");
        fails(row.kind, "because");
        peer.begin_anew();
    }
}

TEST_F(AmqpTest, CountsAndRemoves) {
    open();
    answer = [&](Method method, Fields fields) {
        if (method == Method::queue_declare) {
            fields.word();
            EXPECT_EQ(fields.short_string(), "a queue");
            EXPECT_EQ(fields.octet(), 1) << "passive, or a missing queue would be made";
            peer.say(Method::queue_declare_ok).short_string("a queue").dword(7).dword(2).end();
        } else if (method == Method::queue_delete) {
            fields.word();
            fields.short_string();
            EXPECT_EQ(fields.octet(), 0);
            peer.say(Method::queue_delete_ok).dword(9).end();
        }
    };
    amqp.connection.start_count("a queue");
    ok();
    EXPECT_EQ(amqp.connection.count().ready, 7);
    EXPECT_EQ(amqp.connection.count().consumers, 2);
    amqp.connection.start_remove("a queue");
    ok();
    EXPECT_EQ(amqp.connection.removed(), 9);
    peer.hang_up();
    amqp.connection.start_count("a queue");
    finish();
    EXPECT_EQ(name_of(amqp.connection.fault().kind), "closed");
}

TEST_F(AmqpTest, GetsInBatches) {
    open();
    std::uint64_t ready = 25, tag = 0, acknowledged = 0, gets = 0, most_unanswered = 0;
    answer = [&](Method method, Fields fields) {
        if (method == Method::basic_get) {
            ++gets;
            most_unanswered = std::max(most_unanswered, gets - acknowledged);
            if (tag < ready) {
                ++tag;
                peer.deliver(tag, std::string(tag, 'x'), true);
            } else {
                peer.say(Method::basic_get_empty).short_string("").end();
            }
        } else if (method == Method::basic_ack) {
            acknowledged = fields.qword();
            EXPECT_EQ(fields.octet(), 1);
        } else {
            behave(method, fields);
        }
    };
    amqp.consumer.start("q", Taking::get, 4, 100);
    ok();
    std::uint64_t got = 0;
    while (!amqp.consumer.exhausted()) {
        batch(10);
        ok();
        for (const Delivery& delivery : amqp.consumer.batch()) {
            ++got;
            EXPECT_EQ(delivery.tag, got);
            EXPECT_EQ(delivery.body_size, got);
            EXPECT_EQ(std::string_view(delivery.body, delivery.body_size), std::string(got, 'x'));
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(delivery.body - 4) % 8, 0U) << "room for a length";
            EXPECT_EQ(delivery.exchange, "exchange");
            EXPECT_EQ(delivery.routing_key, "key");
            EXPECT_EQ(delivery.properties, "\0\0"sv);
            EXPECT_FALSE(delivery.redelivered);
        }
        EXPECT_LT(acknowledged, got) << "nothing is acknowledged before we say so";
        amqp.consumer.acknowledge();
        amqp.consumer.acknowledge(); // twice is once
    }
    EXPECT_EQ(got, 25U);
    amqp.connection.start_close();
    ok();
    EXPECT_EQ(acknowledged, 25U);
    EXPECT_LE(most_unanswered, 10U + 4U) << "a batch and a window";
}

TEST_F(AmqpTest, TakesNoMoreThanWanted) {
    for (const Taking way : {Taking::get, Taking::consume}) {
        SCOPED_TRACE(way == Taking::get ? "get" : "consume");
        answer = [this](Method method, Fields fields) { behave(method, fields); };
        open();
        std::uint64_t tag = 0, acknowledged = 0, prefetch = 0;
        bool consuming = false;
        const auto flow = [&] {
            while (consuming && tag < acknowledged + prefetch) {
                peer.deliver(++tag, "body", false);
            }
        };
        answer = [&](Method method, Fields fields) {
            behave(method, fields);
            if (method == Method::basic_get) {
                peer.deliver(++tag, "body", true);
            } else if (method == Method::basic_qos) {
                fields.dword();
                prefetch = fields.word();
            } else if (method == Method::basic_consume) {
                consuming = true;
            } else if (method == Method::basic_cancel) {
                consuming = false;
            } else if (method == Method::basic_ack) {
                acknowledged = fields.qword();
            }
            flow();
        };
        std::uint64_t left = 23;
        while (left > 0) { // as its caller does: once more for what is left
            amqp.consumer.start("q", way, 8, left);
            ok();
            while (!amqp.consumer.exhausted()) {
                batch(5);
                ok();
                left -= amqp.consumer.batch().size();
                amqp.consumer.acknowledge();
            }
        }
        EXPECT_EQ(tag, 23U);
        amqp.connection.start_close();
        ok();
        EXPECT_EQ(acknowledged, 23U);
        peer.begin_anew();
    }
}

TEST_F(AmqpTest, ADrainedQueueEndsTheConsumer) {
    open();
    std::uint32_t ready = 5;
    answer = [&](Method method, Fields fields) {
        behave(method, fields);
        if (method == Method::basic_consume) {
            peer.deliver(1, "only", false);
        } else if (method == Method::queue_declare) {
            peer.say(Method::queue_declare_ok).short_string("q").dword(ready).dword(1).end();
            ready = 0;
        }
    };
    limits.recount_interval_ms = 50;
    amqp.consumer.start("q", Taking::consume, 10, 100);
    ok();
    batch(10);
    ok();
    ASSERT_EQ(amqp.consumer.batch().size(), 1U) << "an idle interval ends the batch";
    amqp.consumer.acknowledge();
    EXPECT_FALSE(amqp.consumer.exhausted());
    batch(10);
    ok();
    EXPECT_TRUE(amqp.consumer.batch().empty());
    EXPECT_TRUE(amqp.consumer.exhausted());
    EXPECT_EQ(times(Method::queue_declare), 2U) << "as long as there are any, it waits for them";
    EXPECT_EQ(times(Method::basic_cancel), 1U);
}

TEST_F(AmqpTest, AQueueThatKeepsItsMessagesIsGivenUp) {
    login.reply_timeout_ms = 200;
    open();
    answer = [&](Method method, Fields fields) {
        behave(method, fields);
        if (method == Method::queue_declare) {
            peer.say(Method::queue_declare_ok).short_string("q").dword(5).dword(1).end();
        }
    };
    limits.recount_interval_ms = 20;
    amqp.consumer.start("q", Taking::consume, 10, 100);
    ok();
    batch(10);
    fails(FaultKind::timed_out, "has messages but delivers none");
}

TEST_F(AmqpTest, AConsumerEndsWhenNothingIsOnItsWayToIt) {
    open();
    std::uint64_t cancelled_at = 0, acknowledged = 0, tag = 0;
    bool acknowledged_first = false;
    answer = [&](Method method, Fields fields) {
        if (method == Method::basic_cancel) {
            cancelled_at = tag;
            acknowledged_first = acknowledged > 0;
        } else if (method == Method::basic_ack) {
            acknowledged = fields.qword();
        }
        behave(method, fields);
    };
    limits.recount_interval_ms = 5000;
    amqp.consumer.start("q", Taking::consume, 4, 1000);
    ok();
    peer.deliver(++tag, "one", false);
    peer.deliver(++tag, "two", false);
    batch(2);
    ok();
    amqp.consumer.stop();
    amqp.consumer.acknowledge();
    turn();
    EXPECT_EQ(cancelled_at, 0U) << "two more may be on their way";
    EXPECT_EQ(acknowledged, 0U) << "and this would bring others";
    peer.deliver(++tag, "three", false);
    peer.deliver(++tag, "four", false);
    std::size_t got = 2;
    while (!amqp.consumer.exhausted()) {
        batch(10);
        ok();
        got += amqp.consumer.batch().size();
        amqp.consumer.acknowledge();
    }
    amqp.connection.start_close();
    ok();
    EXPECT_EQ(got, 4U);
    EXPECT_EQ(cancelled_at, 4U);
    EXPECT_FALSE(acknowledged_first);
    EXPECT_EQ(acknowledged, 4U);
}

TEST_F(AmqpTest, MoreBeforeTheLastOnesAreSafe) {
    open();
    answer = [&](Method method, Fields) {
        if (method == Method::basic_get) {
            peer.deliver(1, "body", true);
        }
    };
    amqp.consumer.start("q", Taking::get, 1, 10);
    ok();
    batch(1);
    ok();
    batch(1); // its acknowledgement would be the first one's, too
    fails(FaultKind::failed, "before the last messages were acknowledged");
    EXPECT_EQ(times(Method::basic_ack), 0U);
}

TEST_F(AmqpTest, AQueueThatGoesEndsTheConsumer) {
    open();
    answer = [&](Method method, Fields fields) {
        behave(method, fields);
        if (method == Method::basic_consume) {
            peer.say(Method::basic_cancel).short_string("cloudsat").octet(1).end();
        }
    };
    amqp.consumer.start("q", Taking::consume, 10, 100);
    ok();
    batch(10);
    ok();
    EXPECT_TRUE(amqp.consumer.exhausted());
}

TEST_F(AmqpTest, EndingEarlyLosesNothing) {
    open();
    std::uint64_t tag = 0;
    answer = [&](Method method, Fields fields) {
        behave(method, fields);
        if (method == Method::basic_get) {
            peer.deliver(++tag, "body", true);
        }
    };
    amqp.consumer.start("q", Taking::get, 8, 1000);
    ok();
    std::size_t got = 0;
    batch(5);
    ok();
    got += amqp.consumer.batch().size();
    amqp.consumer.acknowledge();
    amqp.consumer.stop();
    while (!amqp.consumer.exhausted()) {
        batch(5);
        ok();
        got += amqp.consumer.batch().size();
        amqp.consumer.acknowledge();
    }
    EXPECT_EQ(got, tag) << "what is on its way still comes";
    EXPECT_LT(tag, 30U);
}

TEST_F(AmqpTest, WhatABatchDoesNotTakeWaitsInTheSocket) {
    open();
    std::uint64_t tag = 0;
    const std::string body(300'000, 'x');
    answer = [&](Method method, Fields fields) {
        behave(method, fields);
        if (method == Method::basic_get) {
            peer.deliver(++tag, body, true);
        }
    };
    amqp.consumer.start("q", Taking::get, 20, 20);
    ok();
    for (int i = 0; i < 10; ++i) {
        batch(500, 500'000);
        ok();
        ASSERT_EQ(amqp.consumer.batch().size(), 2U) << "the one that exceeds the limit is the last";
        EXPECT_EQ(std::string_view(amqp.consumer.batch()[1].body, amqp.consumer.batch()[1].body_size), body);
        amqp.consumer.acknowledge();
        arena.release();
    }
    EXPECT_TRUE(amqp.consumer.exhausted());
}

TEST_F(AmqpTest, AMessageThatIsTooLarge) {
    login.max_body = 1000;
    open();
    answer = [&](Method method, Fields) {
        if (method == Method::basic_get) {
            peer.deliver(1, std::string(1001, 'x'), true);
        }
    };
    amqp.consumer.start("q", Taking::get, 1, 1);
    ok();
    batch(1);
    fails(FaultKind::too_large, "1001 bytes");
}

TEST_F(AmqpTest, CutInTheMiddleOfAMessage) {
    open();
    answer = [&](Method method, Fields) {
        if (method == Method::basic_get) {
            peer.deliver(1, std::string(100'000, 'x'), true);
            peer.to_say.resize(peer.to_say.size() / 2);
            peer.turn();
            peer.hang_up();
        }
    };
    amqp.consumer.start("q", Taking::get, 1, 1);
    ok();
    batch(1);
    fails(FaultKind::closed, "closed the connection");
    EXPECT_TRUE(amqp.consumer.batch().empty());
    EXPECT_TRUE(amqp.consumer.exhausted());
}

TEST_F(AmqpTest, FramesOutOfTurn) {
    const std::function<void()> wrongs[] = {
        [this] { FrameWriter(peer.to_say).content(1, "\0\0"sv, "body", frame_max); },
        [this] {
            peer.deliver(1, "body", true);
            peer.to_say.resize(peer.to_say.size() - 12); // no body
            peer.say(Method::basic_get_empty).short_string("").end();
        },
        [this] { peer.say(Method::basic_get_ok).octet(1).end(); },
        [this] { peer.say(static_cast<Method>(0x00630001)).end(); },
    };
    for (const auto& wrong : wrongs) {
        answer = [this](Method method, Fields fields) { behave(method, fields); };
        open();
        answer = [&](Method method, Fields) {
            if (method == Method::basic_get) {
                wrong();
            }
        };
        amqp.consumer.start("q", Taking::get, 1, 1);
        ok();
        batch(1);
        fails(FaultKind::protocol, "sent a");
        peer.begin_anew();
    }
}

class AmqpPublishing : public AmqpTest {
protected:
    // Opens, and publishes as many with a body of 100 bytes each.
    void publish(int count) {
        open();
        amqp.publisher.start("q");
        ok();
        for (int i = 0; i < count; ++i) {
            amqp.publisher.publish("\0\0"sv, std::string(100, 'x'));
        }
    }
    std::vector<std::uint64_t> confirmed() const {
        return {amqp.publisher.confirmed().begin(), amqp.publisher.confirmed().end()};
    }
    void confirm(std::uint64_t tag, bool multiple) {
        peer.say(Method::basic_ack).qword(tag).octet(multiple ? 1 : 0).end();
    }
};

TEST_F(AmqpPublishing, ConfirmsInAnyOrder) {
    publish(5);
    const std::size_t all = amqp.publisher.unconfirmed_bytes();
    EXPECT_GT(all, 5U * 100) << "what goes over the wire: an empty message is not for nothing";
    EXPECT_EQ(all % 5, 0U);
    std::string target;
    std::uint64_t heard = 0;
    answer = [&](Method method, Fields fields) {
        if (method == Method::basic_publish && ++heard == 5) {
            fields.word();
            EXPECT_EQ(fields.short_string(), "") << "the default exchange";
            EXPECT_EQ(fields.short_string(), "q");
            EXPECT_EQ(fields.octet(), 1) << "mandatory";
            confirm(4, false);
            confirm(2, true);
            confirm(4, false); // again
        }
    };
    amqp.publisher.start_confirming(all / 5 * 2);
    ok();
    EXPECT_EQ(confirmed(), (std::vector<std::uint64_t>{4, 1, 2}));
    amqp.publisher.clear_confirmed();
    amqp.publisher.start_confirming(0);
    confirm(5, true);
    ok();
    EXPECT_EQ(confirmed(), (std::vector<std::uint64_t>{3, 5}));
    EXPECT_EQ(amqp.publisher.unconfirmed_bytes(), 0U);
    EXPECT_EQ(amqp.publisher.refusal(), "");
    amqp.publisher.start_confirming(0);
    ok();
}

TEST_F(AmqpPublishing, ARefusedOne) {
    publish(3);
    amqp.publisher.start_confirming(0);
    confirm(1, false);
    peer.say(Method::basic_nack).qword(2).octet(0).end();
    confirm(3, false);
    ok();
    EXPECT_EQ(confirmed(), (std::vector<std::uint64_t>{1, 3}));
    EXPECT_EQ(amqp.publisher.refusal(), "the queue accepts no more messages");
}

TEST_F(AmqpPublishing, AReturnedOneIsNotConfirmedThoughItIs) {
    publish(4);
    amqp.publisher.start_confirming(0);
    confirm(1, false);
    peer.say(Method::basic_return)
        .word(312)
        .short_string("NO_ROUTE")
        .short_string("")
        .short_string("q")
        .end();
    FrameWriter(peer.to_say).content(1, "\0\0"sv, std::string(100, 'x'), frame_max);
    confirm(4, true);
    ok();
    EXPECT_EQ(confirmed(), (std::vector<std::uint64_t>{1})) << "which of them were routed is not known";
    EXPECT_EQ(amqp.publisher.refusal(), "the queue does not exist");
}

TEST_F(AmqpPublishing, ABlockedBrokerSaysWhy) {
    login.reply_timeout_ms = 200;
    publish(1);
    peer.say(Method::connection_blocked, 0).short_string("low on memory").end();
    amqp.publisher.start_confirming(0);
    fails(FaultKind::timed_out, "accepts no messages: low on memory");
}

} // namespace
