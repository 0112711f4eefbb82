// AmqpPublisher: publishes to a queue through the default exchange, with confirms, over a connection that it
// does not own.
#pragma once

#include "net/amqp_connection.hpp"

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cloudsat::net {

class AmqpPublisher final : public AmqpChannelUser {
public:
    explicit AmqpPublisher(AmqpConnection& connection) noexcept : AmqpChannelUser(connection) {}

    // publish() queues a message, and may throw std::bad_alloc. start_confirming() sends; it is done when at
    // most `unconfirmed` bytes, as sent, are unanswered, or when the broker has rejected a message and
    // answered all. confirmed() are the numbers, counted from 1 in the order of publish(), that the broker
    // has taken over since the last clear_confirmed(). They outlive the connection.
    void start(std::string_view queue);
    void publish(std::string_view properties, std::string_view body);
    void start_confirming(std::size_t unconfirmed);
    std::size_t unconfirmed_bytes() const noexcept { return unconfirmed_bytes_; }
    std::span<const std::uint64_t> confirmed() const noexcept { return confirmed_; }
    void clear_confirmed() noexcept { confirmed_.clear(); }
    std::string_view refusal() const noexcept { return refusal_; } // empty if none

private:
    bool is_due(core::amqp::Method method) const noexcept override;
    void on_method(core::amqp::Method method, core::amqp::Fields& fields) override;
    void on_disconnect() noexcept override { published_ = 0; }

    void on_return(core::amqp::Fields& fields);
    void on_confirm(core::amqp::Fields& fields, bool taken);
    void confirm(std::uint64_t tag, bool multiple, bool taken);
    void check_confirms();

    struct Unconfirmed {
        std::uint64_t number;
        std::size_t bytes;
        bool answered;
    };
    std::string queue_;
    std::deque<Unconfirmed> unconfirmed_;
    std::size_t unconfirmed_bytes_ = 0, confirm_limit_ = 0;
    std::size_t unanswered_ = 0;
    std::uint64_t published_ = 0;
    std::vector<std::uint64_t> confirmed_;
    std::string refusal_;
    bool returned_ = false;
};

} // namespace cloudsat::net
