// Amqp: a connection to one virtual host of a broker, with one channel, over libcurl's sockets and TLS. Like
// Http it never blocks and never sleeps; one task at a time is under way, and the caller waits:
//
//     amqp.start_count(queue);
//     while (!amqp.done()) {
//         wait until amqp.fd() is readable, or amqp.timeout_ms() have passed (-1: no limit);
//         amqp.step();
//     }
//     use amqp.fault() first, then what the task was to bring
//
// A step deals with a bounded number of bytes, whatever comes: between two steps the caller looks around. A
// method is taken only where the conversation calls for it, and anything else ends the connection, so that a
// peer which never stops can make us neither answer nor remember without end. What brings nothing forward
// does not put off the end of patience.
//
// Whatever goes wrong ends the connection, and so gives back to its queue every message that was not
// acknowledged: a fault never loses one. An object of this class lives in a memory context or for the whole
// process, never on a stack that an ereport may jump over; it calls nothing of the server's.
#pragma once

#include "core/amqp_wire.hpp"
#include "core/fault.hpp"
#include "net/curl_driver.hpp"

#include <cstddef>
#include <cstdint>
#include <curl/curl.h>
#include <deque>
#include <memory>
#include <memory_resource>
#include <span>
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
    long silence_ms = 60000;                   // how long an answer may stay out; progress begins it anew
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

// One message that was taken. The views live in the memory that the batch was given.
struct Delivery {
    std::uint64_t tag = 0;
    bool redelivered = false;
    std::string_view exchange;
    std::string_view routing_key;
    std::string_view properties; // as core/amqp_properties.hpp has them
    char* body = nullptr;        // `lead` bytes are free before it
    std::size_t body_size = 0;
};

// How messages are taken. `get` asks for each, which disturbs no consumer's rights; `consume` registers a
// consumer for a while, and is what quorum queues are fast with.
enum class Taking : std::uint8_t { get, consume };

struct BatchLimits {
    std::size_t messages = 500;
    std::size_t bytes = 8u * 1024 * 1024; // the message that exceeds it is the last one
    std::size_t lead = 0;                 // bytes to leave free before each body
    long lull_ms = 20;                    // a batch that has messages ends when none came for so long
    long patience_ms = 200;               // when none came for so long, a consumer asks whether there are any
};

class Amqp {
public:
    Amqp() = default; // throws std::bad_alloc or std::system_error
    ~Amqp();
    Amqp(const Amqp&) = delete;
    Amqp& operator=(const Amqp&) = delete;

    // Connects, logs in, opens the channel. A connection that there is, is dropped.
    void start_open(const AmqpLogin& login);
    bool connected() const noexcept { return state_ == State::ready; }

    // How many messages are ready (queue.declare, passive: it needs no right but to be in the vhost).
    void start_count(std::string_view queue);
    const QueueCount& count() const noexcept { return count_; }

    // Deletes the queue, whatever it holds; messages() is how many were ready and went with it.
    void start_remove(std::string_view queue);
    std::int64_t removed() const noexcept { return removed_; }

    // Begins to take up to `most` messages, no more than `window` of them unacknowledged on their way at any
    // time. Then batch after batch: start_batch(), ..., batch(), and acknowledge() once those messages are
    // safe, until exhausted(). A batch that is not acknowledged before the next one ends the connection.
    // end_taking() asks for no more; what is on its way still comes.
    void start_taking(std::string_view queue, Taking way, std::uint16_t window, std::uint64_t most);
    void start_batch(const BatchLimits& limits, std::pmr::memory_resource* memory);
    std::span<const Delivery> batch() const noexcept { return batch_; }
    void acknowledge();
    void end_taking();
    bool exhausted() const noexcept;

    // Publishes to the queue through the default exchange, with confirms. publish() puts a message in line,
    // and may throw std::bad_alloc; start_confirming() sends, and is done when no more than `unconfirmed`
    // bytes, as they are sent, are without an answer, or when the broker has refused one and answered all.
    // confirmed() are the numbers, counted from 1 in the order of publish(), that the broker has taken over
    // since the last clear_confirmed().
    void start_publishing(std::string_view queue);
    void publish(std::string_view properties, std::string_view body);
    void start_confirming(std::size_t unconfirmed);
    std::size_t unconfirmed_bytes() const noexcept { return unconfirmed_bytes_; }
    std::span<const std::uint64_t> confirmed() const noexcept { return confirmed_; }
    void clear_confirmed() noexcept { confirmed_.clear(); }
    std::string_view refusal() const noexcept { return refusal_; } // empty: none

    // Leaves in order: what was acknowledged is so when this is done. It never fails.
    void start_close();

    bool done() const noexcept { return task_ == Task::none; }
    const AmqpFault& fault() const noexcept { return fault_; }

    int fd() const noexcept { return curl_.fd(); }
    int timeout_ms() const noexcept;

    // To be called when fd() is readable or timeout_ms() have passed; harmless at any other time.
    void step();

    // Drops the connection at once. What was taken and not acknowledged goes back to its queue.
    void abandon() noexcept;

private:
    enum class State : std::uint8_t { closed, connecting, greeting, ready };
    enum class Task : std::uint8_t { none, open, count, remove, prepare, batch, confirm, close };

    void begin(Task task);
    void end() noexcept;
    void fail(core::FaultKind kind, std::string_view what);
    void fail_by_curl(CURLcode code);
    void fail_by_close(core::amqp::Fields fields);

    CURLcode configure(const AmqpLogin& login);
    void greet();
    void exchange();
    bool send_some();
    bool receive_some(std::size_t& room);
    void watch();
    void look_at_time();
    bool wants_input() const noexcept;

    void on_frame(const core::amqp::Frame& frame);
    bool is_due(core::amqp::Method method) const noexcept;
    void on_method(core::amqp::Method method, core::amqp::Fields fields);
    void on_start(core::amqp::Fields fields);
    void on_tune(core::amqp::Fields fields);
    void on_delivery(core::amqp::Fields fields, bool got);
    void on_header(std::string_view payload);
    void on_body(std::string_view payload);
    void on_confirm(std::uint64_t tag, bool multiple, bool taken);
    void look_at_confirms();
    void end_message();
    void send_acknowledgement();
    void maybe_cancel();
    void cancel();
    void put_count(std::string_view queue);
    void ask_whether_drained(std::int64_t idle);
    void end_consuming();
    void ask_for_more();
    std::string_view keep(std::string_view bytes);

    CurlDriver curl_{1};
    curl_socket_t socket_ = CURL_SOCKET_BAD; // once connected
    State state_ = State::closed;
    Task task_ = Task::none;
    AmqpFault fault_;
    std::string fault_text_, endpoint_, user_, password_, vhost_;
    char curl_error_[CURL_ERROR_SIZE] = {};

    std::int64_t silence_ms_ = 0;
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

    core::amqp::Method awaited_{};              // the answer that is due next; none: 0
    std::uint64_t questions_ = 0, cancels_ = 0; // counts and cancels without an answer

    QueueCount count_;
    std::int64_t removed_ = 0;

    // taking
    std::string queue_;
    Taking way_ = Taking::get;
    std::uint64_t most_ = 0, asked_ = 0, came_ = 0; // messages wanted, asked for, arrived
    std::uint64_t on_their_way_ = 0;                // gets without an answer
    std::uint64_t window_ = 0;
    bool drained_ = false;                  // the queue had no more, or is gone
    bool consuming_ = false;                // there is a consumer
    bool ending_ = false;                   // it is to end as soon as nothing is on its way
    bool cancelling_ = false;               // it was told to
    std::uint64_t safe_tag_ = 0, safe_ = 0; // the last message that was said to be safe, and how many are
    std::uint64_t acknowledged_ = 0;        // of them
    BatchLimits limits_;
    std::pmr::memory_resource* memory_ = nullptr;
    std::vector<Delivery> batch_;
    std::size_t batch_bytes_ = 0;
    std::int64_t last_message_ms_ = 0, next_question_ms_ = 0;

    // the message that is coming in just now
    enum class Incoming : std::uint8_t { nothing, header, body };
    Incoming incoming_ = Incoming::nothing;
    bool returned_content_ = false; // of a returned message: read, and dropped
    Delivery delivery_;
    std::uint64_t body_left_ = 0;

    // publishing
    struct Unconfirmed {
        std::uint64_t number;
        std::size_t bytes;
        bool answered;
    };
    std::deque<Unconfirmed> unconfirmed_;
    std::size_t unconfirmed_bytes_ = 0, confirm_limit_ = 0;
    std::size_t unanswered_ = 0;
    std::uint64_t published_ = 0;
    std::vector<std::uint64_t> confirmed_;
    std::string refusal_;
    bool returned_ = false;
};

} // namespace cloudsat::net
