// The broker's document about one queue; see queue_detail.hpp.
#include "core/guardian/queue_detail.hpp"

#include "core/wire/broker_name.hpp"
#include "core/wire/json.hpp"

#include <algorithm>
#include <new>

namespace cloudsat::core {
namespace {

std::string_view keep_text(const dom::object& object, const char* key, std::pmr::memory_resource* arena) {
    std::string_view text;
    if (object[key].get(text) != simdjson::SUCCESS || !is_usable_text(text)) {
        return {};
    }
    return copy_text(arena, text);
}

std::optional<std::int64_t> count_at(const dom::object& object, const char* key) noexcept {
    dom::element value;
    return object[key].get(value) == simdjson::SUCCESS ? count_in(value) : std::nullopt;
}

std::optional<bool> bool_at(const dom::object& object, const char* key) noexcept {
    dom::element value;
    return object[key].get(value) == simdjson::SUCCESS ? bool_in(value) : std::nullopt;
}

// Two sources: the broker's own field for classic queues, and its report on each consumer.
void read_consumers(const dom::object& queue, QueueDetail& detail) noexcept {
    std::string_view tag;
    detail.exclusive_consumer = queue["exclusive_consumer_tag"].get(tag) == simdjson::SUCCESS && !tag.empty();
    dom::array consumers;
    if (queue["consumer_details"].get(consumers) != simdjson::SUCCESS) {
        return;
    }
    detail.consumers_told = 0;
    for (const dom::element element : consumers) {
        dom::object consumer;
        if (element.get(consumer) == simdjson::SUCCESS) {
            ++*detail.consumers_told;
            detail.exclusive_consumer =
                detail.exclusive_consumer || bool_at(consumer, "exclusive").value_or(false);
        }
    }
}

void lower(std::optional<std::int64_t>& limit, std::optional<std::int64_t> other) noexcept {
    if (other && (!limit || *other < *limit)) {
        limit = other;
    }
}

DropLimits limits_in_policy(const dom::object& policy) noexcept {
    return {.max_length = count_at(policy, "max-length"),
            .max_bytes = count_at(policy, "max-length-bytes"),
            .message_ttl_ms = count_at(policy, "message-ttl"),
            .expires_ms = count_at(policy, "expires")};
}

void read_arguments(const dom::object& arguments, QueueDetail& detail) noexcept {
    detail.max_length = count_at(arguments, "x-max-length");
    detail.max_bytes = count_at(arguments, "x-max-length-bytes");
    detail.message_ttl_ms = count_at(arguments, "x-message-ttl");
    detail.expires_ms = count_at(arguments, "x-expires");
    detail.single_active_consumer = bool_at(arguments, "x-single-active-consumer").value_or(false);
    detail.expires = count_at(arguments, "x-expires").has_value();
    detail.delivery_limit = count_at(arguments, "x-delivery-limit");
    detail.priorities = count_at(arguments, "x-max-priority").value_or(0) > 0;
}

void read_policy(const dom::object& policy, QueueDetail& detail) noexcept {
    detail.expires = detail.expires || count_at(policy, "expires").has_value();
    lower(detail.delivery_limit, count_at(policy, "delivery-limit"));
    detail.lower_to(limits_in_policy(policy));
}

// Since RabbitMQ 3.12, apply-to can name a queue type.
bool is_for_queues(std::string_view apply_to, std::string_view type) noexcept {
    return apply_to == "all" || apply_to == "queues" || apply_to.empty() ||
           (apply_to.ends_with("_queues") && apply_to.substr(0, apply_to.size() - 7) == type) ||
           (apply_to == "streams" && type == "stream");
}

std::string_view text_at(const dom::object& object, const char* key) noexcept {
    std::string_view text;
    return object[key].get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

// Finds the queue in the document, which is either about this queue or a page of a listing.
DecodeFault find_queue(const dom::element& root, std::string_view vhost, std::string_view name,
                       std::pmr::memory_resource* arena, dom::object& queue) {
    dom::array items;
    if (root.get(queue) != simdjson::SUCCESS) {
        return {FaultKind::wrong_shape, "the document does not describe a queue"};
    }
    std::string_view its_name, its_vhost;
    if (queue["items"].get(items) != simdjson::SUCCESS) {
        return queue["name"].get(its_name) == simdjson::SUCCESS
                   ? DecodeFault{}
                   : DecodeFault{FaultKind::wrong_shape, "the document does not describe a queue"};
    }
    for (const dom::element item : items) {
        if (item.get(queue) == simdjson::SUCCESS && queue["name"].get(its_name) == simdjson::SUCCESS &&
            queue["vhost"].get(its_vhost) == simdjson::SUCCESS && text_of_name(its_name, arena) == name &&
            text_of_name(its_vhost, arena) == vhost) {
            return {};
        }
    }
    return {FaultKind::not_found, "the queue is not listed"};
}

} // namespace

Result<QueueDetail, DecodeFault> read_queue_detail(JsonText text, std::pmr::memory_resource* arena,
                                                   std::string_view vhost, std::string_view name) {
    JsonDocument document;
    if (const auto fault = document.parse(text); fault.kind != FaultKind::none) {
        return fault;
    }
    dom::object queue;
    if (const auto fault = find_queue(document.root(), vhost, name, arena, queue);
        fault.kind != FaultKind::none) {
        return fault;
    }
    QueueDetail detail;
    detail.facts.type = keep_text(queue, "type", arena);
    detail.facts.state = keep_text(queue, "state", arena);
    detail.facts.durable = bool_at(queue, "durable");
    detail.facts.exclusive = bool_at(queue, "exclusive");
    detail.facts.auto_delete = bool_at(queue, "auto_delete");
    detail.facts.messages = count_at(queue, "messages");
    detail.facts.ready = count_at(queue, "messages_ready");
    detail.facts.unacknowledged = count_at(queue, "messages_unacknowledged");
    detail.facts.consumers = count_at(queue, "consumers");
    detail.ready_bytes = count_at(queue, "message_bytes_ready");
    detail.bytes = count_at(queue, "message_bytes");
    detail.policy = copy_text(arena, text_at(queue, "policy"));
    read_consumers(queue, detail);
    dom::element arguments;
    dom::object object;
    if (queue["arguments"].get(arguments) == simdjson::SUCCESS &&
        arguments.get(object) == simdjson::SUCCESS) {
        detail.facts.arguments = render_json(arena, arguments);
        read_arguments(object, detail);
    }
    dom::element policy; // no policy is an object without members, or an empty list
    if (queue["effective_policy_definition"].get(policy) == simdjson::SUCCESS) {
        detail.policies_told = true;
        if (policy.get(object) == simdjson::SUCCESS) {
            read_policy(object, detail);
        }
    }
    return detail;
}

void DropLimits::lower_to(const DropLimits& other) noexcept {
    lower(max_length, other.max_length);
    lower(max_bytes, other.max_bytes);
    lower(message_ttl_ms, other.message_ttl_ms);
    lower(expires_ms, other.expires_ms);
}

bool DropLimits::allows_less_than(const DropLimits& other) const noexcept {
    const auto less = [](std::optional<std::int64_t> one, std::optional<std::int64_t> two) {
        return one && (!two || *one < *two);
    };
    return less(max_length, other.max_length) || less(max_bytes, other.max_bytes) ||
           less(message_ttl_ms, other.message_ttl_ms) || less(expires_ms, other.expires_ms);
}

Result<std::span<const BrokerPolicy>, DecodeFault> read_broker_policies(JsonText text, std::string_view vhost,
                                                                        std::string_view type,
                                                                        std::pmr::memory_resource* arena) {
    JsonDocument document;
    dom::array rows;
    if (const auto fault = document.parse_rows(text, rows); fault.kind != FaultKind::none) {
        return fault;
    }
    const std::span<BrokerPolicy> policies = make_rows<BrokerPolicy>(arena, count_rows(rows));
    std::size_t count = 0;
    for (const dom::element row : rows) {
        dom::object policy, definition;
        if (row.get(policy) != simdjson::SUCCESS ||
            policy["definition"].get(definition) != simdjson::SUCCESS) {
            return DecodeFault{FaultKind::wrong_shape, "the document is not a list of policies"};
        }
        if (text_of_name(text_at(policy, "vhost"), arena) != vhost ||
            !is_for_queues(text_at(policy, "apply-to"), type)) {
            continue;
        }
        std::int64_t priority = 0;
        if (policy["priority"].get(priority) != simdjson::SUCCESS) {
            priority = 0;
        }
        new (&policies[count++]) BrokerPolicy{.name = copy_text(arena, text_at(policy, "name")),
                                              .pattern = copy_text(arena, text_at(policy, "pattern")),
                                              .priority = priority,
                                              .limits = limits_in_policy(definition)};
    }
    const std::span<BrokerPolicy> found = policies.first(count);
    std::sort(found.begin(), found.end(),
              [](const BrokerPolicy& a, const BrokerPolicy& b) { return a.priority > b.priority; });
    return std::span<const BrokerPolicy>(found);
}

std::string_view reason_to_stand_back(const QueueDetail& queue, bool expressly) noexcept {
    const Facts& facts = queue.facts;
    if (facts.type != "classic" && facts.type != "quorum") {
        return facts.type == "stream" ? "it is a stream" : "its type is not known to cloudsat";
    }
    if (facts.exclusive.value_or(false)) {
        return "it is exclusive to one connection";
    }
    if (queue.expires) {
        return "it expires if unused, and taking its messages counts as use";
    }
    if (queue.exclusive_consumer) {
        return "it has an exclusive consumer";
    }
    if (facts.type == "quorum" && queue.single_active_consumer) {
        return "it is a quorum queue with a single active consumer";
    }
    if (queue.delivery_limit && *queue.delivery_limit < least_delivery_limit) {
        return "its delivery limit is low, and a failed attempt counts as a delivery";
    }
    if (queue.priorities && !expressly) {
        return "it has priorities, and its most urgent messages would be taken first: archiving it takes a "
               "policy with its own archive_size";
    }
    return {};
}

std::string_view reason_to_keep(const QueueDetail& queue) noexcept {
    if (!queue.policies_told) {
        return "the broker does not report yet which policies apply to the queue";
    }
    if (queue.message_ttl_ms && *queue.message_ttl_ms < shortest_life_ms) {
        return "the queue's message TTL is below a minute, and the broker would drop the messages";
    }
    if (queue.expires_ms && *queue.expires_ms < shortest_life_ms) {
        return "the queue expires after less than a minute without use";
    }
    return {};
}

Ceiling ceiling_of(const QueueDetail& queue, const Limits& limits, Owner owner, bool archives,
                   bool expressly) noexcept {
    if (left_alone(limits, owner) != Blocker::none || queue.facts.type == "stream") {
        return {};
    }
    Ceiling ceiling;
    if (!limits.unbounded) {
        ceiling.size = limits.delete_size;
    }
    if (archives && limits.archive_size && reason_to_stand_back(queue, expressly).empty() &&
        (!ceiling.size || *limits.archive_size < *ceiling.size)) {
        ceiling = {.size = limits.archive_size, .archived = true};
    }
    return ceiling;
}

Room room_below(std::int64_t ceiling, const QueueDetail& queue, Basis basis, std::int64_t ready) noexcept {
    if (basis == Basis::ready) {
        return {ceiling - ready, ceiling - ready};
    }
    const std::int64_t size = ready + queue.facts.unacknowledged.value_or(0);
    return {ceiling - std::max(size, queue.facts.messages.value_or(0)), ceiling - size};
}

} // namespace cloudsat::core
