// Decodes the answer to GET /api/bindings/{vhost}, whole or not at all. Reads; judges nothing.
#pragma once

#include "core/base/fault.hpp"
#include "core/base/result.hpp"
#include "core/wire/document.hpp"

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <span>
#include <string_view>

namespace cloudsat::core {

// One binding. Texts live in the arena, each with a NUL behind it; names and routing keys are texts as
// core/wire/broker_name.hpp has them.
struct BindingRow {
    std::string_view source; // exchange; empty: the default exchange
    std::string_view vhost;  // empty when the column was not asked for
    std::string_view destination;
    std::string_view destination_type; // "queue" or "exchange"
    std::string_view routing_key;
    std::string_view arguments; // JSON text of an object, safe for jsonb; empty when absent
};

struct BindingListing {
    std::span<const BindingRow> rows;
    std::size_t unusable = 0; // left out: a text beyond 255 bytes, or no destination
};

// Every queue is bound to the default exchange by its own name: a quarter of all rows, and nothing learnt
// from them.
enum class DefaultExchange : std::uint8_t { skip, keep };

// As read_queue_listing(): allocates from the arena, which is released as a whole.
Result<BindingListing, DecodeFault>
read_binding_listing(JsonText text, std::pmr::memory_resource* arena,
                     DefaultExchange default_exchange = DefaultExchange::skip);

} // namespace cloudsat::core
