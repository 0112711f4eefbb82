// Decodes the broker's small documents; see broker_documents.hpp.
#include "core/wire/broker_documents.hpp"

#include "core/wire/broker_name.hpp"
#include "core/wire/json.hpp"

#include <algorithm>
#include <new>
#include <string>

namespace cloudsat::core {
namespace {

// {"rabbit@a":"running","rabbit@b":"stopped"}
void read_cluster_state(const dom::element& value, VhostRow& row) noexcept {
    dom::object nodes;
    if (value.get(nodes) != simdjson::SUCCESS) {
        return;
    }
    for (const dom::key_value_pair node : nodes) {
        ++row.nodes;
        if (string_in(node.value) == "running") {
            ++row.running;
        }
    }
}

std::optional<VhostRow> read_vhost(const dom::element& element) noexcept {
    dom::object object;
    std::string_view name;
    if (element.get(object) != simdjson::SUCCESS || object["name"].get(name) != simdjson::SUCCESS) {
        return std::nullopt;
    }
    VhostRow row;
    row.name = name;
    dom::element state;
    if (object["cluster_state"].get(state) == simdjson::SUCCESS) {
        read_cluster_state(state, row);
    }
    return row;
}

constexpr bool is_control(char32_t character) noexcept {
    return character < 0x20 || (character >= 0x7F && character < 0xA0);
}

} // namespace

Result<VhostListing, DecodeFault> read_vhost_listing(JsonText text, std::pmr::memory_resource* arena) {
    JsonDocument document;
    dom::array rows;
    if (const auto fault = document.parse_rows(text, rows); fault.kind != FaultKind::none) {
        return fault;
    }
    const auto room = make_rows<VhostRow>(arena, count_rows(rows));
    VhostListing listing;
    std::size_t n = 0;
    for (const dom::element element : rows) {
        auto row = read_vhost(element);
        if (!row) {
            return DecodeFault{FaultKind::wrong_shape, "a row of the vhost listing has no name"};
        }
        if (row->name.empty() || row->name.size() > max_name_size) {
            ++listing.unusable;
            continue;
        }
        row->name = copy_text(arena, text_of_name(row->name, arena));
        new (&room[n++]) VhostRow(*row);
    }
    listing.rows = room.first(n);
    return listing;
}

std::string_view read_reason(std::string_view body, std::pmr::memory_resource* arena) {
    constexpr std::size_t largest_error_answer = 64 * 1024;
    if (body.empty() || body.size() > largest_error_answer) {
        return {};
    }
    JsonDocument document;
    dom::object object;
    if (document.parse({body}).kind != FaultKind::none || document.root().get(object) != simdjson::SUCCESS) {
        return {};
    }
    std::string_view text;
    // The reason may also be a list or nested numbers (measured on RabbitMQ 3.10): then the name of the error
    // is used.
    if (object["reason"].get(text) != simdjson::SUCCESS && object["error"].get(text) != simdjson::SUCCESS) {
        return {};
    }
    return one_line(text, max_reason_size, arena);
}

std::string_view one_line(std::string_view text, std::size_t max_size, std::pmr::memory_resource* arena) {
    std::pmr::string line(arena);
    line.reserve(std::min(text.size(), max_size));
    while (!text.empty()) {
        const Character next = decode(text);
        const auto piece = next.value == not_utf8   ? std::string_view("?")
                           : is_control(next.value) ? std::string_view(" ")
                                                    : text.substr(0, next.bytes);
        if (line.size() + piece.size() > max_size) {
            break;
        }
        line += piece;
        text.remove_prefix(next.bytes);
    }
    return copy_text(arena, line);
}

} // namespace cloudsat::core
