// Decodes the Prometheus text of GET /metrics/detailed?family=queue_coarse_metrics: sizes of queues at a
// tenth of the price of any other listing, and nothing but sizes. Hand-written: Debian has no library for it.
//
// RabbitMQ does not escape label values (measured on RabbitMQ 3.10; mended in October 2023, rabbitmq-server
// issue 9648): whoever may declare a queue can write into this document, by a name with a quote in it.
// (Newlines the broker takes out of names when queues are declared; nothing here relies on that.) Therefore:
//
// A line that does not read as a sample is left out and counted, and blinds nobody to the other queues. Once
// there is such a line, the document is one without escapes, and names with a backslash are left out. A queue
// with two samples of one kind has no known size at all. So a forged line can hide a size, and then its queue
// must be looked at in another way; it can never change one.
//
// What decides about a queue looks again through the management API before it acts.
#pragma once

#include "core/base/fault.hpp"
#include "core/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cloudsat::core {

// One queue's sizes, its names as the broker has them, NUL and all. A size is absent when the document does
// not tell them or they are no counts.
struct QueueSizes {
    std::string_view vhost;
    std::string_view name;
    std::optional<std::int64_t> messages;
    std::optional<std::int64_t> ready;
    std::optional<std::int64_t> unacknowledged;
};

// What is done with a row; its texts live until it returns. No more than a lambda by reference.
class SizesUse {
public:
    template <class Use>
    SizesUse(const Use& use) noexcept // NOLINT(google-explicit-constructor)
        : object_(&use),
          call_([](const void* object, const QueueSizes& row) { (*static_cast<const Use*>(object))(row); }) {}
    void operator()(const QueueSizes& row) const { call_(object_, row); }

private:
    const void* object_;
    void (*call_)(const void*, const QueueSizes&);
};

// Gives the queues of all vhosts to `use`, in the order of the document, and returns how many lines could not
// be read and how many queues have a name that is ambiguous. When that is not 0,
// some queue's size is known to the management API only.
//
// A document is refused, before any of its rows is used, when it does not announce all three families (it is
// some other page, or it was cut short), or does not end with a newline. Throws std::bad_alloc.
Result<std::size_t, DecodeFault> for_each_queue_size(std::string_view text, const SizesUse& use);

} // namespace cloudsat::core
