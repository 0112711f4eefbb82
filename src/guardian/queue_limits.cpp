// Limits that apply to messages published to a queue; see queue_limits.hpp.
//
// The queue's own document reports its policies up to 10 s late, so they are read directly. A listing without
// statistics reports the policy that applies at once. Nothing else reports the operator policy, so the broker
// is asked whose pattern matches.

#include "guardian/queue_limits.hpp"

#include "core/wire/broker_name.hpp"
#include "core/wire/url.hpp"
#include "guardian/cycle.hpp"
#include "guardian/rules.hpp"

namespace cloudsat::guardian {
namespace {

struct Look {
    const Server* server;
    std::string_view vhost, queue; // as text
    std::pmr::memory_resource* arena;
    Api api;
    QueueLimits found;
};

constexpr std::string_view with_statistics =
    "columns=name,vhost,type,messages,messages_ready,messages_unacknowledged,message_bytes,"
    "arguments,effective_policy_definition&";
constexpr std::string_view without_statistics = "disable_stats=true&columns=name,vhost,type,policy&";

// null if there is no answer; then the fault is noted
const net::Reply* ask(Look& look, std::string_view url) {
    net::Http& http = http_of_process();
    start(http, *look.server, net::Method::get, url, core::Expect::json);
    const net::Reply& reply = finish(http);
    if (reply.kind == core::FaultKind::none) {
        return &reply;
    }
    look.found.known = reply.kind == core::FaultKind::not_found ? Known::missing : Known::fault;
    look.found.kind = reply.kind;
    look.found.words = join(look.arena, {reply.error});
    return nullptr;
}

void note(Look& look, const core::DecodeFault& fault) {
    look.found.known = fault.kind == core::FaultKind::not_found ? Known::missing : Known::fault;
    look.found.kind = fault.kind;
    look.found.words = fault.detail;
}

// A listing with the queue alone, or empty if the pattern does not match its name.
std::string_view url_of_row(const Look& look, std::string_view columns, std::string_view pattern = {}) {
    return look.api.queue_row_url(look.vhost, look.queue, columns, pattern);
}

bool read_queue(Look& look, std::string_view url, core::QueueDetail& detail) {
    const net::Reply* reply = ask(look, url);
    if (reply == nullptr) {
        return false;
    }
    const auto document = core::read_queue_detail(reply->json(), look.arena, look.vhost, look.queue);
    if (!document) {
        note(look, document.error());
        return false;
    }
    detail = document.value();
    return true;
}

// Reads the queue's own document or, if its name has no address over HTTP, the page of a listing with its
// row.
bool read_own(Look& look) {
    const std::string_view own = look.api.queue_url(look.vhost, look.queue);
    return read_queue(look, !own.empty() ? own : url_of_row(look, with_statistics), look.found.detail);
}

bool read_policies(Look& look, std::string_view kind, std::string_view type,
                   std::span<const core::BrokerPolicy>& policies) {
    const net::Reply* reply = ask(look, look.api.vhost_url(kind, look.vhost));
    if (reply == nullptr) {
        return false;
    }
    const auto document = core::read_broker_policies(reply->json(), look.vhost, type, look.arena);
    if (!document) {
        note(look, document.error());
        return false;
    }
    policies = document.value();
    return true;
}

bool apply_policy(Look& look, std::string_view& type) {
    core::QueueDetail row;
    std::span<const core::BrokerPolicy> policies;
    if (!read_queue(look, url_of_row(look, without_statistics), row) ||
        !read_policies(look, "policies", row.facts.type, policies)) {
        return false;
    }
    type = row.facts.type;
    bool seen = row.policy.empty();
    for (const core::BrokerPolicy& policy : policies) {
        if (policy.name == row.policy) {
            look.found.detail.lower_to(policy.limits);
            seen = true;
        }
    }
    return seen; // else it was deleted in between
}

// With several policies of the same priority, it is unknown which one applies: then all of them count. A
// pattern that the broker cannot search for is assumed to match.
bool apply_operator_policy(Look& look, std::string_view type) {
    std::span<const core::BrokerPolicy> policies;
    if (!read_policies(look, "operator-policies", type, policies)) {
        return false;
    }
    const core::BrokerPolicy* applies = nullptr;
    for (const core::BrokerPolicy& policy : policies) {
        if (applies != nullptr && policy.priority < applies->priority) {
            break;
        }
        core::QueueDetail row;
        const bool listed = read_queue(look, url_of_row(look, without_statistics, policy.pattern), row);
        if (listed || look.found.kind == core::FaultKind::bad_request) {
            look.found.detail.lower_to(policy.limits);
            applies = &policy;
        } else if (look.found.known == Known::fault) {
            return false;
        }
    }
    return true;
}

void find_ceiling(Look& look) {
    const core::ServerOptions& options = look.server->options;
    if (!options.vhosts.empty() && !matches(look.vhost, options.vhosts)) {
        return; // not watched by the guardian
    }
    const QueueName name{look.vhost, look.queue};
    const Rules rules = find_rules(*look.server, {&name, 1})[0];
    look.found.basis = rules.limits.basis;
    look.found.ceiling = core::ceiling_of(look.found.detail, rules.limits, rules.owner, options.enforce != 0,
                                          rules.archived_by_policy);
}

} // namespace

QueueLimits look_at_limits(const Server& server, std::string_view vhost, std::string_view queue,
                           std::pmr::memory_resource* arena) {
    Look look{.server = &server,
              .vhost = vhost,
              .queue = queue,
              .arena = arena,
              .api = Api(server, arena),
              .found = {}};
    std::string_view type;
    if (read_own(look) && apply_policy(look, type) && apply_operator_policy(look, type)) {
        look.found.known = look.found.detail.policies_told ? Known::yes : Known::not_yet;
        find_ceiling(look);
    }
    return look.found;
}

} // namespace cloudsat::guardian
