// Decodes the broker's small documents: the vhosts, the overview, and the reason in an error answer.
// Reads; judges nothing.
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

// One vhost, from GET /api/vhosts?columns=name,cluster_state.
struct VhostRow {
    std::string_view name;
    // How many nodes have a say about it, and on how many of them it runs. The queues of a vhost that is
    // stopped on a node are listed with numbers that lie. 0 nodes: unknown.
    std::size_t nodes = 0;
    std::size_t running = 0;
};

struct VhostListing {
    std::span<const VhostRow> rows;
    std::size_t unusable = 0; // left out: a name that is empty or beyond 255 bytes
};

Result<VhostListing, DecodeFault> read_vhost_listing(JsonText text, std::pmr::memory_resource* arena);

// The broker's own words in an error answer, {"error":"bad_request","reason":"queue 'q' in vhost '/' not
// empty"}: one line of at most max_reason_size bytes, without control characters; empty when the body is not
// of that form.
inline constexpr std::size_t max_reason_size = 200;
std::string_view read_reason(std::string_view body, std::pmr::memory_resource* arena);

// Text from a stranger made fit for an error message: control characters become blanks, broken UTF-8 '?', and
// it is cut at a character boundary.
std::string_view one_line(std::string_view text, std::size_t max_size, std::pmr::memory_resource* arena);

} // namespace cloudsat::core
