// Amqp: a connection, and the consumer and publisher that use its channel in turn.
#pragma once

#include "net/amqp_connection.hpp"
#include "net/amqp_consumer.hpp"
#include "net/amqp_publisher.hpp"

namespace cloudsat::net {

struct Amqp {
    AmqpConnection connection;
    AmqpConsumer consumer{connection};
    AmqpPublisher publisher{connection};
};

} // namespace cloudsat::net
