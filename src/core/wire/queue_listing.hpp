// Decodes the answer to GET /api/queues/{vhost}: with or without statistics, totals, columns and paging;
// RabbitMQ 3.10 to 4.x. All or nothing: returns rows only from a document that is completely valid. Makes no
// decisions: a row without counts stays a row without counts.
#pragma once

#include "core/base/fault.hpp"
#include "core/base/result.hpp"
#include "core/wire/document.hpp"
#include "core/wire/queue_facts.hpp"

#include <cstddef>
#include <memory_resource>
#include <span>
#include <string_view>

namespace cloudsat::core {

// One queue as listed. Texts live in the arena with a terminating NUL; names are texts as in
// core/wire/broker_name.hpp. Of duplicate keys, the last one counts.
struct QueueRow : Facts {
    std::string_view name;
    std::string_view vhost; // empty if the column was not requested
};

struct QueueListing {
    std::span<const QueueRow> rows;
    // Skipped rows with an invalid name: empty, or longer than 255 bytes.
    std::size_t unusable = 0;
};

// The arena holds the rows and their texts: release it as a whole. Throws std::bad_alloc if the arena does.
Result<QueueListing, DecodeFault> read_queue_listing(JsonText text, std::pmr::memory_resource* arena);

// The same for a listing of any length, without memory for its rows: calls `use` for each row in order. Reads
// the document twice, and validates it completely before the first call. Returns the number of unusable rows.
using QueueUse = RowUse<QueueRow>;
Result<std::size_t, DecodeFault> for_each_queue(JsonText text, const QueueUse& use);

} // namespace cloudsat::core
