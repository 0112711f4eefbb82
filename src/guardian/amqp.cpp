// AMQP connection of the process; see amqp.hpp.

#include "guardian/amqp.hpp"

#include <algorithm>
#include <array>
#include <memory_resource>

#include "core/wire/broker_name.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/wait.hpp"

namespace cloudsat::guardian {
namespace {

// A database value is smaller than 1 GB; the broker allows at most 512 MB.
constexpr std::size_t largest_value = 1'000'000'000;

} // namespace

net::Amqp& amqp_of_process() {
    static net::Amqp* const amqp = pg::make<net::Amqp>(TopMemoryContext);
    return *amqp;
}

bool finish(net::Amqp& amqp) {
    static const uint32 event = CLOUDSAT_WAIT_EVENT("CloudsatAmqp");
    while (!amqp.connection.done()) {
        pg::wait(amqp.connection.fd(), amqp.connection.timeout_ms(), event);
        amqp.connection.step();
    }
    return amqp.connection.fault().kind == core::FaultKind::none;
}

bool connect(net::Amqp& amqp, const Server& server, std::string_view vhost, std::int64_t reply_timeout) {
    const core::ServerOptions& options = server.options;
    net::AmqpLogin login;
    login.url = options.amqp_url;
    login.user = server.mapping.user;
    login.password = server.password;
    login.ca_file = options.ca_file;
    login.connect_timeout_ms = static_cast<long>(options.connect_timeout / 1000);
    login.reply_timeout_ms = static_cast<long>(std::min(options.timeout, reply_timeout) / 1000);
    login.max_body = std::min(static_cast<std::size_t>(options.max_body), largest_value);
    login.tls_verify = options.tls_verify != 0;
    { // objects with a destructor must not be alive when an error is raised
        std::array<std::byte, 2048> room;
        std::pmr::monotonic_buffer_resource arena(room.data(), room.size());
        login.vhost = core::name_of_text(vhost, &arena);
        amqp.connection.start_open(login);
    }
    return finish(amqp);
}

} // namespace cloudsat::guardian
