// Asking a broker over HTTP, see broker.hpp.

#include "guardian/broker.hpp"

#include "core/wire/broker_name.hpp"
#include "core/wire/url.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/wait.hpp"

extern "C" {
#include "utils/memutils.h"
}

namespace cloudsat::guardian {

net::Http& http_of_process() {
    static net::Http* const http = pg::make<net::Http>(TopMemoryContext);
    return *http;
}

net::Http& metrics_http_of_process() {
    static net::Http* const http = pg::make<net::Http>(TopMemoryContext);
    return *http;
}

void start(net::Http& http, const Server& server, net::Method method, std::string_view url,
           core::Expect expect, std::string_view body) {
    const core::ServerOptions& options = server.options;
    const bool metrics =
        expect == core::Expect::metrics; // the Prometheus plugin needs no password, so it gets none
    net::Request request;
    request.method = method;
    request.url = url;
    request.body = body;
    request.user = metrics ? std::string_view{} : server.mapping.user;
    request.password = metrics ? std::string_view{} : server.password;
    request.ca_file = options.ca_file;
    request.connect_timeout_ms = static_cast<long>(options.connect_timeout / 1000);
    request.timeout_ms = static_cast<long>(options.timeout / 1000);
    request.max_body = static_cast<std::size_t>(options.max_body);
    request.expect = expect;
    request.tls_verify = options.tls_verify != 0;
    http.start(request);
}

const net::Reply& finish(net::Http& http, net::Http* meanwhile) {
    static const uint32 event = CLOUDSAT_WAIT_EVENT("CloudsatBroker");
    constexpr int turn_ms = 20; // only one of the two wakes us; the other gets a turn at least this often
    const auto both = [&] { return meanwhile != nullptr && meanwhile != &http && meanwhile->running(); };
    while (!http.done()) {
        int timeout = http.timeout_ms();
        if (both() && (timeout < 0 || timeout > turn_ms)) {
            timeout = turn_ms;
        }
        pg::wait(http.fd(), timeout, event);
        http.step();
        if (both()) {
            meanwhile->step();
        }
    }
    return http.reply();
}

std::string_view base_of(std::string_view url, std::pmr::memory_resource* arena) {
    const auto base = core::check_base_url(url, arena);
    return base ? base.value().text : url;
}

Api::Api(const Server& server, std::pmr::memory_resource* arena)
    : base_(base_of(server.options.management_url, arena)), arena_(arena) {}

std::string_view Api::url(std::initializer_list<std::string_view> path) const {
    return join(arena_, {base_, "/api/", join(arena_, path)});
}

bool Api::has_address(std::string_view vhost) const {
    return core::segment_of_text(vhost, arena_).has_value();
}

std::string_view Api::vhost_url(std::string_view kind, std::string_view vhost, std::string_view rest) const {
    const auto segment = core::segment_of_text(vhost, arena_);
    return url({kind, segment ? "/" : "", segment.value_or(""), rest});
}

std::string_view Api::queue_url(std::string_view vhost, std::string_view queue, std::string_view rest) const {
    const auto v = core::segment_of_text(vhost, arena_);
    const auto q = core::segment_of_text(queue, arena_);
    return v && q ? url({"queues/", *v, "/", *q, rest}) : std::string_view{};
}

std::string_view Api::queue_row_url(std::string_view vhost, std::string_view queue, std::string_view query,
                                    std::string_view pattern) const {
    return join(arena_, {vhost_url("queues", vhost), "?", query,
                         core::look_again_query(core::name_of_text(queue, arena_), arena_, pattern)});
}

} // namespace cloudsat::guardian
