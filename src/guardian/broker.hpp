// Asking a broker over HTTP: the process's connections, requests with a server's options, and the URLs of
// the management API. Knows nothing of what the answers mean.
#pragma once

#include <memory_resource>
#include <string_view>

#include "core/base/fault.hpp"
#include "core/base/text.hpp"
#include "guardian/server.hpp"
#include "net/http.hpp"
#include "pg/boundary.hpp"

namespace cloudsat::guardian {

using core::join;

// Drops the request in progress when its memory context is reset or deleted.
struct Hangup {
    net::Http* http;
    explicit Hangup(net::Http* which) noexcept : http(which) {}
    Hangup(const Hangup&) = delete;
    Hangup& operator=(const Hangup&) = delete;
    ~Hangup() {
        if (http->running()) {
            http->abandon();
        }
    }
};

// The process's HTTP connections: one for the management API, one for the metrics, because a process talks to
// one broker at a time. Created at first use.
net::Http& http_of_process();
net::Http& metrics_http_of_process();

// start() sends a request; finish() waits for the answer, which lives until the next request, and meanwhile
// advances another request in progress. finish() raises when cancelled; neither needs a transaction.
void start(net::Http& http, const Server& server, net::Method method, std::string_view url,
           core::Expect expect, std::string_view body = {});
const net::Reply& finish(net::Http& http, net::Http* meanwhile = nullptr);

// URLs of the management API of one server. Texts live in the arena.
class Api {
public:
    Api(const Server& server, std::pmr::memory_resource* arena);

    // "/api/" and the path
    std::string_view url(std::initializer_list<std::string_view> path) const;
    // KIND/VHOST; KIND, which lists all virtual hosts, where this one has no address over HTTP
    std::string_view vhost_url(std::string_view kind, std::string_view vhost,
                               std::string_view rest = {}) const;
    bool has_address(std::string_view vhost) const;
    // queues/VHOST/NAME; empty if the queue has no address over HTTP
    std::string_view queue_url(std::string_view vhost, std::string_view queue,
                               std::string_view rest = {}) const;
    // A listing of the queue's virtual host that is filtered by its name. `columns` ends the query.
    std::string_view queue_row_url(std::string_view vhost, std::string_view queue, std::string_view query,
                                   std::string_view pattern = {}) const;

private:
    std::string_view base_;
    std::pmr::memory_resource* arena_;
};
static_assert(pg::Plain<Api>);

// A URL of an option as it is used: the validator has checked it.
std::string_view base_of(std::string_view url, std::pmr::memory_resource* arena);

} // namespace cloudsat::guardian
