// Decodes the broker's small documents: the vhosts, the overview, and the reason in an error answer. Makes no
// decisions.
#pragma once

#include "core/base/fault.hpp"
#include "core/base/result.hpp"
#include "core/wire/document.hpp"

#include <cstddef>
#include <memory_resource>
#include <span>
#include <string_view>

namespace cloudsat::core {

// One vhost, from GET /api/vhosts?columns=name,cluster_state.
struct VhostRow {
    std::string_view name;
    // Number of nodes that report on it, and of those on which it runs. Listings of a vhost that is stopped
    // on a node have wrong numbers. 0 nodes if unknown.
    std::size_t nodes = 0;
    std::size_t running = 0;
};

struct VhostListing {
    std::span<const VhostRow> rows;
    std::size_t unusable = 0; // skipped rows: names that are empty or longer than 255 bytes
};

Result<VhostListing, DecodeFault> read_vhost_listing(JsonText text, std::pmr::memory_resource* arena);

// The broker's own message in an error answer, {"error":"bad_request","reason":"queue 'q' in vhost '/' not
// empty"}: one line of at most max_reason_size bytes, without control characters; empty if the body has
// another form.
inline constexpr std::size_t max_reason_size = 200;
std::string_view read_reason(std::string_view body, std::pmr::memory_resource* arena);

// Untrusted text made safe for an error message: control characters become blanks, invalid UTF-8 becomes '?',
// and it is cut at a character boundary.
std::string_view one_line(std::string_view text, std::size_t max_size, std::pmr::memory_resource* arena);

} // namespace cloudsat::core
