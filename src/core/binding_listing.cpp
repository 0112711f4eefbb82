// Decodes binding listings; see binding_listing.hpp.
#include "core/binding_listing.hpp"

#include "core/json.hpp"

#include <new>

namespace cloudsat::core {
namespace {

// The values of one row, still pointing into the parsed document.
struct RawRow {
    BindingRow row;
    std::optional<std::string_view> source, destination, destination_type, routing_key;
    std::optional<dom::element> arguments;
};

void read_field(RawRow& raw, std::string_view key, const dom::element& value) noexcept {
    if (key == "source")
        raw.source = string_in(value);
    else if (key == "vhost")
        raw.row.vhost = string_in(value).value_or("");
    else if (key == "destination")
        raw.destination = string_in(value);
    else if (key == "destination_type")
        raw.destination_type = string_in(value);
    else if (key == "routing_key")
        raw.routing_key = string_in(value);
    else if (key == "arguments")
        raw.arguments = value.is_object() ? std::optional(value) : std::nullopt;
}

DecodeFault read_row(const dom::element& element, RawRow& raw) noexcept {
    dom::object object;
    if (element.get(object) != simdjson::SUCCESS)
        return {FaultKind::wrong_shape, "a row of the binding listing is not an object"};
    for (const dom::key_value_pair field : object)
        read_field(raw, field.key, field.value);
    if (!raw.source || !raw.destination || !raw.destination_type || !raw.routing_key)
        return {FaultKind::wrong_shape,
                "a row of the binding listing lacks source, destination, destination_type or routing_key"};
    return {};
}

bool is_usable(const RawRow& raw) noexcept {
    return !raw.destination->empty() && is_usable_text(*raw.destination) && is_usable_text(*raw.source) &&
           is_usable_text(*raw.destination_type) && is_usable_text(*raw.routing_key) &&
           is_usable_text(raw.row.vhost);
}

BindingRow keep(std::pmr::memory_resource* arena, const RawRow& raw) {
    return {
        .source = copy_text(arena, *raw.source),
        .vhost = copy_text(arena, raw.row.vhost),
        .destination = copy_text(arena, *raw.destination),
        .destination_type = copy_text(arena, *raw.destination_type),
        .routing_key = copy_text(arena, *raw.routing_key),
        .arguments = raw.arguments ? render_json(arena, *raw.arguments) : std::string_view{},
    };
}

DecodeFault read_rows(const dom::array& rows, std::pmr::memory_resource* arena,
                      DefaultExchange default_exchange, BindingListing& listing) {
    const auto room = make_rows<BindingRow>(arena, count_rows(rows));
    std::size_t n = 0;
    for (const dom::element element : rows) {
        RawRow raw;
        if (const auto fault = read_row(element, raw); fault.kind != FaultKind::none)
            return fault;
        if (raw.source->empty() && default_exchange == DefaultExchange::skip)
            continue;
        if (is_usable(raw))
            new (&room[n++]) BindingRow(keep(arena, raw));
        else
            ++listing.unusable;
    }
    listing.rows = room.first(n);
    return {};
}

} // namespace

Result<BindingListing, DecodeFault> read_binding_listing(JsonText text, std::pmr::memory_resource* arena,
                                                         DefaultExchange default_exchange) {
    JsonDocument document;
    dom::array rows;
    if (const auto fault = document.parse_rows(text, rows); fault.kind != FaultKind::none)
        return fault;
    BindingListing listing;
    if (const auto fault = read_rows(rows, arena, default_exchange, listing); fault.kind != FaultKind::none)
        return fault;
    return listing;
}

} // namespace cloudsat::core
