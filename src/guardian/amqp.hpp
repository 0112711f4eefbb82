// Talking AMQP to a server's broker: the process's one connection, and waiting for it as for HTTP.
#pragma once

#include <string_view>

#include "guardian/server.hpp"
#include "net/amqp.hpp"

namespace cloudsat::guardian {

// Made at first use. A process asks one broker at a time.
net::Amqp& amqp_of_process();

// Drops the connection when the memory context goes that it is made in: what was taken and not acknowledged
// goes back to its queue.
struct AmqpHangup {
    net::Amqp* amqp;
    explicit AmqpHangup(net::Amqp* which) noexcept : amqp(which) {}
    AmqpHangup(const AmqpHangup&) = delete;
    AmqpHangup& operator=(const AmqpHangup&) = delete;
    ~AmqpHangup() { amqp->connection.abandon(); }
};

// Waits until the task is done; false when it ended in a fault. Raises when cancelled. Needs no transaction.
bool finish(net::Amqp& amqp);

// Connects to a virtual host of the server's broker. An answer may stay out for the server's timeout, and no
// longer than `reply_timeout` microseconds.
bool connect(net::Amqp& amqp, const Server& server, std::string_view vhost, std::int64_t reply_timeout);

} // namespace cloudsat::guardian
