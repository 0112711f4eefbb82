// amqp_alone: takes messages from a queue, or publishes them, by the code of the archive and replay, without
// storing them: the peer in bench/archive.sh. Prints messages per second.
//
// Usage: amqp_alone URL USER PASSWORD VHOST take QUEUE COUNT get|consume WINDOW
//        amqp_alone URL USER PASSWORD VHOST publish QUEUE COUNT BYTES
#include "net/amqp.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory_resource>
#include <poll.h>
#include <string>
#include <string_view>

namespace {

using cloudsat::net::Amqp;
using cloudsat::net::Taking;
using Clock = std::chrono::steady_clock;

void finish(Amqp& amqp) {
    while (!amqp.connection.done()) {
        pollfd waiting{.fd = amqp.connection.fd(), .events = POLLIN, .revents = 0};
        poll(&waiting, 1, amqp.connection.timeout_ms());
        amqp.connection.step();
    }
    if (amqp.connection.fault().kind != cloudsat::core::FaultKind::none) {
        std::fprintf(stderr, "amqp_alone: %.*s\n", static_cast<int>(amqp.connection.fault().text.size()),
                     amqp.connection.fault().text.data());
        std::exit(1);
    }
}

unsigned long take(Amqp& amqp, std::string_view queue, unsigned long count, Taking way,
                   std::uint16_t window) {
    unsigned long taken = 0;
    while (taken < count) {
        const unsigned long before = taken;
        amqp.consumer.start(queue, way, window, count - taken);
        finish(amqp);
        while (!amqp.consumer.exhausted()) {
            std::pmr::monotonic_buffer_resource memory;
            amqp.consumer.start_batch({}, &memory);
            finish(amqp);
            taken += amqp.consumer.batch().size();
            amqp.consumer.acknowledge();
        }
        if (taken == before) {
            break;
        }
    }
    return taken;
}

unsigned long publish(Amqp& amqp, std::string_view queue, unsigned long count, std::size_t bytes) {
    constexpr std::size_t window = 1024 * 1024;
    constexpr std::string_view persistent("\x10\x00\x02", 3);
    const std::string body(bytes, 'x');
    unsigned long confirmed = 0;
    amqp.publisher.start(queue);
    finish(amqp);
    for (unsigned long i = 0; i < count; ++i) {
        amqp.publisher.publish(persistent, body);
        if (amqp.publisher.unconfirmed_bytes() >= window) {
            amqp.publisher.start_confirming(window / 2);
            finish(amqp);
            confirmed += amqp.publisher.confirmed().size();
            amqp.publisher.clear_confirmed();
        }
    }
    amqp.publisher.start_confirming(0);
    finish(amqp);
    return confirmed + amqp.publisher.confirmed().size();
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 9) {
        std::fprintf(stderr, "amqp_alone: see its source\n");
        return 1;
    }
    std::signal(SIGPIPE, SIG_IGN);
    const std::string_view command = argv[5];
    const std::string_view queue = argv[6];
    const unsigned long count = std::strtoul(argv[7], nullptr, 10);
    Amqp amqp;
    cloudsat::net::AmqpLogin login;
    login.url = argv[1];
    login.user = argv[2];
    login.password = argv[3];
    login.vhost = argv[4];
    amqp.connection.start_open(login);
    finish(amqp);
    const auto began = Clock::now();
    const unsigned long done =
        command == "take"
            ? take(amqp, queue, count, std::string_view(argv[8]) == "get" ? Taking::get : Taking::consume,
                   static_cast<std::uint16_t>(argc > 9 ? std::strtoul(argv[9], nullptr, 10) : 100))
            : publish(amqp, queue, count, std::strtoul(argv[8], nullptr, 10));
    const std::chrono::duration<double> took = Clock::now() - began;
    amqp.connection.start_close();
    finish(amqp);
    std::printf("%.0f\n", static_cast<double>(done) / took.count());
    return done == count ? 0 : 1;
}
