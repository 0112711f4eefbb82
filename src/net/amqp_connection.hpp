// AmqpConnection: a connection to one virtual host of a broker, with one channel, over libcurl's sockets and
// TLS. Like Http it never blocks and never sleeps; it runs one task at a time, and the caller waits:
//
//     connection.start_count(queue);
//     while (!connection.done()) {
//         wait until connection.fd() is readable, or connection.timeout_ms() have passed (-1: no limit);
//         connection.step();
//     }
//     check connection.fault() first, then use the result of the task
//
// A step processes a bounded number of bytes, so that the caller regularly regains control. A method is
// accepted only where the protocol state allows it, and anything else ends the connection: an endless stream
// from the peer can cause neither endless answers nor endless memory use. Only progress extends the reply
// timeout.
//
// Any fault ends the connection, and so returns every unacknowledged message to its queue: a fault never
// loses a message. An object of this class lives in a memory context or for the whole process, never on a
// stack that an ereport may jump over; it calls no functions of the server.
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

// Destination and credentials. start_open() copies everything.
struct AmqpLogin {
    std::string_view url; // amqp or amqps, without credentials and path
    std::string_view user;
    std::string_view password;
    std::string_view vhost;
    std::string_view ca_file;                  // trusted certificates; empty for the system's
    long connect_timeout_ms = 2000;            // name, TCP and TLS together
    long reply_timeout_ms = 60000;             // maximum wait for an answer; progress restarts it
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

// The user of the channel: the consumer or the publisher. The connection passes on the methods that are not
// its own.
class AmqpChannelUser {
public:
    AmqpChannelUser(const AmqpChannelUser&) = delete;
    AmqpChannelUser& operator=(const AmqpChannelUser&) = delete;

protected:
    explicit AmqpChannelUser(AmqpConnection& connection) noexcept : connection_(connection) {}
    ~AmqpChannelUser(); // not for deletion through this class

    AmqpConnection& connection_;

private:
    friend class AmqpConnection;

    virtual bool is_due(core::amqp::Method method) const noexcept = 0;
    virtual void on_method(core::amqp::Method method, core::amqp::Fields& fields) = 0;
    virtual void on_disconnect() noexcept = 0;

    // The content of a message, announced with expect_content() in on_method(). The defaults discard it.
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

    // Counts the ready messages (passive queue.declare, which needs no permission except access to the
    // vhost).
    void start_count(std::string_view queue);
    const QueueCount& count() const noexcept { return count_; }

    // Deletes the queue with its messages; removed() is the number of ready messages deleted with it.
    void start_remove(std::string_view queue);
    std::int64_t removed() const noexcept { return removed_; }

    // Closes in order: afterwards, acknowledgements have taken effect. It never fails.
    void start_close();

    bool done() const noexcept { return task_ == Task::none; }
    const AmqpFault& fault() const noexcept { return fault_; }

    int fd() const noexcept { return curl_.fd(); }
    int timeout_ms() const noexcept;

    // Call when fd() is readable or timeout_ms() have passed; harmless at any other time.
    void step();

    // Drops the connection at once. Unacknowledged messages return to their queue.
    void abandon() noexcept;

    // --- for the user of the channel

    enum class Task : std::uint8_t { none, open, count, remove, prepare, batch, confirm, close };
    Task task() const noexcept { return task_; }
    void begin(Task task);
    void end() noexcept;
    void fail(core::FaultKind kind, std::string_view what);
    void attach(AmqpChannelUser& user) noexcept; // it has the channel from now on
    void detach(const AmqpChannelUser& user) noexcept;

    // Starts a method on the channel; the caller adds its fields and ends it.
    core::amqp::FrameWriter write(core::amqp::Method method) {
        core::amqp::FrameWriter writer(out_);
        writer.begin(channel, method);
        return writer;
    }
    void write_content(std::string_view properties, std::string_view body) {
        core::amqp::FrameWriter(out_).content(channel, properties, body, frame_max_);
    }
    std::size_t output_size() const noexcept { return out_.size() - out_sent_; } // not sent yet
    void await(core::amqp::Method method) noexcept { awaited_ = method; }        // the next expected answer
    void expect_content() noexcept { content_ = Content::header; }
    bool in_content() const noexcept { return content_ != Content::none; }
    void ask_count(std::string_view queue);
    void exchange();

    void note_progress() noexcept { progress_ms_ = monotonic_ms(); }
    // Each byte extends the timeout by a millisecond: a peer slower than that eventually times out.
    void note_progress(std::size_t bytes) noexcept;
    std::int64_t started_ms() const noexcept { return started_ms_; } // of the task
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
    std::int64_t progress_ms_ = 0; // time of the peer's last progress
    std::int64_t sent_ms_ = 0;
    std::int64_t heartbeat_ms_ = 0; // interval that the broker expects; 0 for none
    std::int64_t started_ms_ = 0;   // of the task

    std::vector<char> in_;
    std::size_t in_begin_ = 0, in_end_ = 0;
    bool unread_ = false; // the last step left data unread
    std::string out_;
    std::size_t out_sent_ = 0;
    std::size_t frame_max_ = 0, max_body_ = 0;
    bool watching_output_ = false;
    std::string blocked_; // why the broker accepts no messages now

    core::amqp::Method awaited_{};   // the next expected answer; 0 for none
    std::uint64_t counts_asked_ = 0; // and not answered yet
    QueueCount count_;
    std::int64_t removed_ = 0;
    Content content_ = Content::none; // the next expected part of a message
    std::uint64_t body_left_ = 0;
};

} // namespace cloudsat::net
