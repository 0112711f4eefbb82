// AmqpConsumer: takes messages out of a queue, batch after batch, over a connection that it does not own.
#pragma once

#include "net/amqp_connection.hpp"

#include <memory_resource>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cloudsat::net {

// One message that was delivered. The views live in the memory that the batch was given.
struct Delivery {
    std::uint64_t tag = 0;
    bool redelivered = false;
    std::string_view exchange;
    std::string_view routing_key;
    std::string_view properties; // as core/wire/amqp_properties.hpp has them
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
    long idle_interval_ms = 20;           // a batch that has messages ends when none came for so long
    long recount_interval_ms = 200;       // when none came for so long, a consumer asks whether there are any
};

class AmqpConsumer final : public AmqpChannelUser {
public:
    explicit AmqpConsumer(AmqpConnection& connection) noexcept : AmqpChannelUser(connection) {}

    // Begins to take up to `most` messages, no more than `prefetch` of them unacknowledged on their way at
    // any time. Then batch after batch: start_batch(), ..., batch(), and acknowledge() once those messages
    // are safe, until exhausted(). A batch that is not acknowledged before the next one ends the connection.
    // stop() asks for no more; what is on its way still comes.
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
    std::uint64_t most_ = 0, asked_ = 0, came_ = 0; // messages wanted, asked for, arrived
    std::uint64_t gets_ = 0;                        // without an answer
    std::uint64_t prefetch_ = 0;
    std::uint64_t cancels_ = 0;             // without an answer
    bool drained_ = false;                  // the queue had no more, or is gone
    bool consuming_ = false;                // there is a consumer
    bool ending_ = false;                   // it is to end as soon as nothing is on its way
    bool cancelling_ = false;               // the broker was asked to end it
    std::uint64_t safe_tag_ = 0, safe_ = 0; // the last message that was said to be safe, and how many are
    std::uint64_t acknowledged_ = 0;        // of them
    BatchLimits limits_;
    std::pmr::memory_resource* memory_ = nullptr;
    std::vector<Delivery> batch_;
    std::size_t batch_bytes_ = 0;
    Delivery delivery_; // that is coming in just now
    std::int64_t last_message_ms_ = 0, next_recount_ms_ = 0;
};

} // namespace cloudsat::net
