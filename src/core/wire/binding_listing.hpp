// Decodes the answer to GET /api/bindings/{vhost}, completely or not at all. Makes no decisions.
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

// One binding. Texts live in the arena with a terminating NUL; names and routing keys are texts as in
// core/wire/broker_name.hpp.
struct BindingRow {
    std::string_view source; // exchange; empty for the default exchange
    std::string_view vhost;  // empty if the column was not requested
    std::string_view destination;
    std::string_view destination_type; // "queue" or "exchange"
    std::string_view routing_key;
    std::string_view arguments; // JSON text of an object, safe for jsonb; empty if absent
};

struct BindingListing {
    std::span<const BindingRow> rows;
    std::size_t unusable = 0; // skipped rows: a text longer than 255 bytes, or no destination
};

// Every queue is bound to the default exchange by its own name: a quarter of all rows, without information.
enum class DefaultExchange : std::uint8_t { skip, keep };

// Like read_queue_listing(): allocates from the arena, which is released as a whole.
Result<BindingListing, DecodeFault>
read_binding_listing(JsonText text, std::pmr::memory_resource* arena,
                     DefaultExchange default_exchange = DefaultExchange::skip);

} // namespace cloudsat::core
