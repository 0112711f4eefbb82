// Decodes the answer to GET /api/queues/{vhost}: with or without statistics, totals, columns, paging;
// RabbitMQ 3.10 to 4.x. All or nothing: rows come out only of a document that is whole and valid to its last
// byte. Reads; judges nothing: a row without counts stays a row without counts.
#pragma once

#include "core/base/fault.hpp"
#include "core/base/result.hpp"
#include "core/wire/document.hpp"

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <string_view>

namespace cloudsat::core {

// One queue as listed. Texts live in the arena, each with a NUL behind it; names are texts as
// core/wire/broker_name.hpp has them. Of a duplicate key the last one counts.
struct QueueRow {
    std::string_view name;
    std::string_view vhost; // empty when the column was not asked for
    std::string_view type;  // "classic", "quorum", "stream", ...; "rabbit_classic_queue" is read as "classic"
    std::string_view state; // empty when unknown: a queue without a state must not be acted upon
    std::optional<bool> durable;
    std::optional<bool> exclusive; // a quorum queue or a stream says null in the totals listing
    std::optional<bool> auto_delete;
    // Counts are absent when the broker gave none, or gave what is no count; absent is never 0.
    std::optional<std::int64_t> messages;
    std::optional<std::int64_t> ready;
    std::optional<std::int64_t> unacknowledged;
    std::optional<std::int64_t> consumers;
    std::optional<std::int64_t> memory; // bytes
    std::string_view arguments;         // JSON text of an object, safe for jsonb; empty when absent
};

struct QueueListing {
    std::span<const QueueRow> rows;
    // Rows left out because they name nothing: empty, or beyond 255 bytes.
    std::size_t unusable = 0;
};

// The rows and their texts are allocated from the arena and never given back singly: release it as a whole.
// Throws std::bad_alloc when the arena does.
Result<QueueListing, DecodeFault> read_queue_listing(JsonText text, std::pmr::memory_resource* arena);

// What is done with a row; its texts live until it returns. No more than a lambda by reference.
class QueueUse {
public:
    template <class Use>
    QueueUse(const Use& use) noexcept // NOLINT(google-explicit-constructor)
        : object_(&use),
          call_([](const void* object, const QueueRow& row) { (*static_cast<const Use*>(object))(row); }) {}
    void operator()(const QueueRow& row) const { call_(object_, row); }

private:
    const void* object_;
    void (*call_)(const void*, const QueueRow&);
};

// The same for a listing of any length, without memory for its rows: each is given to `use`, in their order.
// The document is read twice, and whole before the first row is used. Gives the number of unusable rows.
Result<std::size_t, DecodeFault> for_each_queue(JsonText text, const QueueUse& use);

} // namespace cloudsat::core
