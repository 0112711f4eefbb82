// The process's AMQP connection to a broker, and waiting for it as for HTTP.
#pragma once

#include <string_view>

#include "guardian/server.hpp"
#include "net/amqp.hpp"

namespace cloudsat::guardian {

// Created at first use. A process talks to one broker at a time.
net::Amqp& amqp_of_process();

// Drops the connection when its memory context is deleted or reset: unacknowledged messages return to their
// queue.
struct AmqpHangup {
    net::Amqp* amqp;
    explicit AmqpHangup(net::Amqp* which) noexcept : amqp(which) {}
    AmqpHangup(const AmqpHangup&) = delete;
    AmqpHangup& operator=(const AmqpHangup&) = delete;
    ~AmqpHangup() { amqp->connection.abandon(); }
};

// Waits until the task is done; false if it ended in a fault. Raises when cancelled. Needs no transaction.
bool finish(net::Amqp& amqp);

// Connects to a virtual host of the server's broker. The reply timeout is the server's timeout, but at most
// `reply_timeout` microseconds.
bool connect(net::Amqp& amqp, const Server& server, std::string_view vhost, std::int64_t reply_timeout);

} // namespace cloudsat::guardian
