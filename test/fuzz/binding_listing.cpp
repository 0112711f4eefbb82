// Fuzzes the binding listing and the broker's small documents.
#include "core/wire/binding_listing.hpp"
#include "core/wire/broker_documents.hpp"
#include "core/wire/broker_name.hpp"

#include <cstdint>
#include <cstdlib>
#include <memory_resource>

using namespace cloudsat::core;

namespace {

void require(bool truth) {
    if (!truth)
        std::abort();
}

bool is_name(std::string_view text) {
    std::pmr::monotonic_buffer_resource arena;
    return name_of_text(text, &arena).size() <= 255 && text.find('\0') == std::string_view::npos;
}

void check_line(std::string_view line) {
    require(line.size() <= max_reason_size);
    for (const char c : line)
        require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::pmr::monotonic_buffer_resource arena;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto some = read_binding_listing({text}, &arena);
    const auto all = read_binding_listing({text}, &arena, DefaultExchange::keep);
    require(static_cast<bool>(some) == static_cast<bool>(all));
    if (all) {
        require(some.value().rows.size() <= all.value().rows.size());
        for (const auto& row : all.value().rows)
            require(!row.destination.empty() && is_name(row.destination) && is_name(row.source) &&
                    is_name(row.routing_key));
        for (const auto& row : some.value().rows)
            require(!row.source.empty());
    }
    if (const auto vhosts = read_vhost_listing({text}, &arena))
        for (const auto& row : vhosts.value().rows)
            require(!row.name.empty() && is_name(row.name) && row.running <= row.nodes);
    check_line(read_reason(text, &arena));
    check_line(one_line(text, max_reason_size, &arena));
    return 0;
}
