// AmqpConnection: a connection to one virtual host of a broker, with one channel, over libcurl's sockets and
// TLS. Like Http it never blocks and never sleeps; one task at a time is under way, and the caller waits:
//
//     connection.start_count(queue);
//     while (!connection.done()) {
//         wait until connection.fd() is readable, or connection.timeout_ms() have passed (-1: no limit);
//         connection.step();
//     }
//     use connection.fault() first, then what the task was to bring
//
// A step deals with a bounded number of bytes, whatever comes: between two steps the caller looks around. A
// method is taken only where the conversation calls for it, and anything else ends the connection, so that a
// peer which never stops can make us neither answer nor remember without end. What brings nothing forward
// does not put off the end of the reply timeout.
//
// Whatever goes wrong ends the connection, and so gives back to its queue every message that was not
// acknowledged: a fault never loses one. An object of this class lives in a memory context or for the whole
// process, never on a stack that an ereport may jump over; it calls nothing of the server's.
#pragma once

#include "core/base/fault.hpp"
#include "core/wire/amqp_wire.hpp"
#include "net/curl_driver.hpp"

#include <cstddef>
#include <cstdint>
#include <curl/curl.h>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cloudsat::net {

// Where and as whom. start_open() copies it all.
struct AmqpLogin {
    std::string_view url; // amqp or amqps, without credentials and path
    std::string_view user;
    std::string_view password;
    std::string_view vhost;
    std::string_view ca_file;                  // trusted certificates; the system's when empty
    long connect_timeout_ms = 2000;            // name, TCP and TLS together
    long reply_timeout_ms = 60000;             // how long an answer may stay out; progress begins it anew
    std::size_t max_body = 256u * 1024 * 1024; // of one message
    bool tls_verify = true;
};

struct AmqpFault {
    core::FaultKind kind = core::FaultKind::none;
    std::string_view text; // for people: one line of clean UTF-8 without credentials
};

struct QueueCount {
    std::int64_t ready = 0;
    std::int64_t consumers = 0;
};

class AmqpConnection;

// What uses the channel: the consumer or the publisher. The connection hands it what is not its own.
class AmqpChannelUser {
public:
    AmqpChannelUser(const AmqpChannelUser&) = delete;
    AmqpChannelUser& operator=(const AmqpChannelUser&) = delete;

protected:
    explicit AmqpChannelUser(AmqpConnection& connection) noexcept : connection_(connection) {}
    ~AmqpChannelUser(); // not by way of this class

    AmqpConnection& connection_;

private:
    friend class AmqpConnection;

    virtual bool is_due(core::amqp::Method method) const noexcept = 0;
    virtual void on_method(core::amqp::Method method, core::amqp::Fields& fields) = 0;
    virtual void on_disconnect() noexcept = 0;

    // The content of a message, which on_method() has announced by expect_content(). Without these it is
    // dropped.
    virtual void on_header(const core::amqp::ContentHeader&) {}
    virtual void on_body(std::string_view, std::uint64_t /*left: how much of it is to come, with this*/) {}
    virtual void on_content_end() {}

    virtual void on_count(const QueueCount&) {} // the answer to ask_count()
    virtual void fill_output() {}               // before each write
    virtual std::optional<std::int64_t> deadline_ms() const noexcept { return std::nullopt; }
    virtual void on_time(std::int64_t /*now*/) {}
};

class AmqpConnection {
public:
    AmqpConnection() = default; // throws std::bad_alloc or std::system_error
    ~AmqpConnection();
    AmqpConnection(const AmqpConnection&) = delete;
    AmqpConnection& operator=(const AmqpConnection&) = delete;

    // Connects, logs in, opens the channel. Drops any existing connection.
    void start_open(const AmqpLogin& login);
    bool connected() const noexcept { return state_ == State::ready; }

    // How many messages are ready (queue.declare, passive: it needs no right but to be in the vhost).
    void start_count(std::string_view queue);
    const QueueCount& count() const noexcept { return count_; }

    // Deletes the queue, whatever it holds; removed() is how many messages were ready and went with it.
    void start_remove(std::string_view queue);
    std::int64_t removed() const noexcept { return removed_; }

    // Leaves in order: what was acknowledged is so when this is done. It never fails.
    void start_close();

    bool done() const noexcept { return task_ == Task::none; }
    const AmqpFault& fault() const noexcept { return fault_; }

    int fd() const noexcept { return curl_.fd(); }
    int timeout_ms() const noexcept;

    // To be called when fd() is readable or timeout_ms() have passed; harmless at any other time.
    void step();

    // Drops the connection at once. What was delivered and not acknowledged goes back to its queue.
    void abandon() noexcept;

    // --- for the user of the channel

    enum class Task : std::uint8_t { none, open, count, remove, prepare, batch, confirm, close };
    Task task() const noexcept { return task_; }
    void begin(Task task);
    void end() noexcept;
    void fail(core::FaultKind kind, std::string_view what);
    void attach(AmqpChannelUser& user) noexcept; // from now on it has the channel
    void detach(const AmqpChannelUser& user) noexcept;

    // A method on the channel, to be given its fields and its end.
    core::amqp::FrameWriter write(core::amqp::Method method) {
        core::amqp::FrameWriter writer(out_);
        writer.begin(channel, method);
        return writer;
    }
    void write_content(std::string_view properties, std::string_view body) {
        core::amqp::FrameWriter(out_).content(channel, properties, body, frame_max_);
    }
    std::size_t output_size() const noexcept { return out_.size() - out_sent_; } // not sent yet
    void await(core::amqp::Method method) noexcept { awaited_ = method; } // the answer that is due next
    void expect_content() noexcept { content_ = Content::header; }
    bool in_content() const noexcept { return content_ != Content::none; }
    void ask_count(std::string_view queue);
    void exchange();

    void note_progress() noexcept { progress_ms_ = monotonic_ms(); }
    // Each byte buys a millisecond: what comes slower than that for long counts as silence.
    void note_progress(std::size_t bytes) noexcept;
    std::int64_t started_ms() const noexcept { return started_ms_; } // the task
    std::int64_t reply_timeout_ms() const noexcept { return reply_timeout_ms_; }
    std::size_t max_body() const noexcept { return max_body_; }

private:
    static constexpr std::uint16_t channel = 1;
    enum class State : std::uint8_t { closed, connecting, greeting, ready };
    enum class Content : std::uint8_t { none, header, body };

    void fail_by_curl(CURLcode code);
    void fail_by_close(core::amqp::Fields fields);

    CURLcode configure(const AmqpLogin& login);
    void greet();
    bool send_some();
    bool receive_some(std::size_t& room);
    bool receive_bytes();
    void fill_output();
    void watch();
    void check_deadlines();
    void send_heartbeat();
    std::int64_t task_timeout_ms() const noexcept;

    void on_frame(const core::amqp::Frame& frame);
    bool is_due(core::amqp::Method method) const noexcept;
    void on_method(core::amqp::Method method, core::amqp::Fields& fields);
    void dispatch(core::amqp::Method method, core::amqp::Fields& fields);
    void on_connection_method(core::amqp::Method method, core::amqp::Fields& fields);
    void on_start(core::amqp::Fields& fields);
    void on_tune(core::amqp::Fields& fields);
    void on_count(core::amqp::Fields& fields);
    void on_header(std::string_view payload);
    void on_body(std::string_view payload);
    void end_content();

    CurlDriver curl_{1};
    curl_socket_t socket_ = CURL_SOCKET_BAD; // once connected
    State state_ = State::closed;
    Task task_ = Task::none;
    AmqpChannelUser* user_ = nullptr;
    AmqpFault fault_;
    std::string fault_text_, endpoint_, login_user_, password_, vhost_;
    char curl_error_[CURL_ERROR_SIZE] = {};

    std::int64_t reply_timeout_ms_ = 0;
    std::int64_t progress_ms_ = 0; // when the peer last brought something forward
    std::int64_t sent_ms_ = 0;
    std::int64_t heartbeat_ms_ = 0; // how often the broker wants to hear from us; 0: it does not care
    std::int64_t started_ms_ = 0;   // the task

    std::vector<char> in_;
    std::size_t in_begin_ = 0, in_end_ = 0;
    bool unread_ = false; // the last step left something behind
    std::string out_;
    std::size_t out_sent_ = 0;
    std::size_t frame_max_ = 0, max_body_ = 0;
    bool watching_output_ = false;
    std::string blocked_; // the broker takes no messages now, and says why

    core::amqp::Method awaited_{};   // the answer that is due next; none: 0
    std::uint64_t counts_asked_ = 0; // without an answer
    QueueCount count_;
    std::int64_t removed_ = 0;
    Content content_ = Content::none; // the part of a message that is due next
    std::uint64_t body_left_ = 0;
};

} // namespace cloudsat::net
