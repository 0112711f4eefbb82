// AmqpConsumer: takes messages out of a queue in batches, over a connection that it does not own.
#pragma once

#include "net/amqp_connection.hpp"

#include <memory_resource>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cloudsat::net {

// One delivered message. The views point into the memory given for the batch.
struct Delivery {
    std::uint64_t tag = 0;
    bool redelivered = false;
    std::string_view exchange;
    std::string_view routing_key;
    std::string_view properties; // as in core/wire/amqp_properties.hpp
    char* body = nullptr;        // `lead` bytes before it are free
    std::size_t body_size = 0;
};

// How messages are taken. `get` requests each one, which does not interfere with consumers; `consume`
// registers a consumer for a while, which is fast for quorum queues.
enum class Taking : std::uint8_t { get, consume };

struct BatchLimits {
    std::size_t messages = 500;
    std::size_t bytes = 8u * 1024 * 1024; // the message that exceeds it is the last one
    std::size_t lead = 0;                 // bytes to leave free before each body
    long idle_interval_ms = 20;           // a batch with messages ends when none came for this long
    long recount_interval_ms = 200;       // when none came for this long, a consumer counts the messages
};

class AmqpConsumer final : public AmqpChannelUser {
public:
    explicit AmqpConsumer(AmqpConnection& connection) noexcept : AmqpChannelUser(connection) {}

    // Starts taking up to `most` messages, with at most `prefetch` unacknowledged ones in flight. Then, batch
    // after batch: start_batch(), ..., batch(), and acknowledge() once those messages are stored, until
    // exhausted(). If a batch is not acknowledged before the next one, the connection ends. stop() requests
    // no more; messages in flight still arrive.
    void start(std::string_view queue, Taking way, std::uint16_t prefetch, std::uint64_t most);
    void start_batch(const BatchLimits& limits, std::pmr::memory_resource* memory);
    std::span<const Delivery> batch() const noexcept { return batch_; }
    void acknowledge();
    void stop();
    bool exhausted() const noexcept;

private:
    bool is_due(core::amqp::Method method) const noexcept override;
    void on_method(core::amqp::Method method, core::amqp::Fields& fields) override;
    void on_disconnect() noexcept override;
    void on_header(const core::amqp::ContentHeader& header) override;
    void on_body(std::string_view bytes, std::uint64_t left) override;
    void on_content_end() override;
    void on_count(const QueueCount& count) override;
    void fill_output() override;
    std::optional<std::int64_t> deadline_ms() const noexcept override;
    void on_time(std::int64_t now) override;

    bool in_batch() const noexcept { return connection_.task() == AmqpConnection::Task::batch; }
    void on_delivery(core::amqp::Fields& fields);
    void send_acknowledgement();
    void maybe_cancel();
    void cancel();
    void end_consuming();
    void ask_whether_drained(std::int64_t idle);
    std::string_view keep(std::string_view bytes);

    std::string queue_;
    Taking way_ = Taking::get;
    std::uint64_t most_ = 0, asked_ = 0, came_ = 0; // messages wanted, requested, received
    std::uint64_t gets_ = 0;                        // not answered yet
    std::uint64_t prefetch_ = 0;
    std::uint64_t cancels_ = 0;             // not answered yet
    bool drained_ = false;                  // the queue had no more, or is gone
    bool consuming_ = false;                // a consumer is registered
    bool ending_ = false;                   // it ends as soon as nothing is in flight
    bool cancelling_ = false;               // the broker was asked to end it
    std::uint64_t safe_tag_ = 0, safe_ = 0; // tag of the last message reported as stored, and their number
    std::uint64_t acknowledged_ = 0;        // of them
    BatchLimits limits_;
    std::pmr::memory_resource* memory_ = nullptr;
    std::vector<Delivery> batch_;
    std::size_t batch_bytes_ = 0;
    Delivery delivery_; // being received
    std::int64_t last_message_ms_ = 0, next_recount_ms_ = 0;
};

} // namespace cloudsat::net
