// Decodes binding listings; see binding_listing.hpp.
#include "core/wire/binding_listing.hpp"

#include "core/wire/broker_name.hpp"
#include "core/wire/json.hpp"

#include <new>

namespace cloudsat::core {
namespace {

// The values of one row, as views of the parsed document.
struct RawRow {
    BindingRow row;
    std::optional<std::string_view> source, destination, destination_type, routing_key;
    std::optional<dom::element> arguments;
};

void read_field(RawRow& raw, std::string_view key, const dom::element& value) noexcept {
    if (key == "source") {
        raw.source = string_in(value);
    } else if (key == "vhost") {
        raw.row.vhost = string_in(value).value_or("");
    } else if (key == "destination") {
        raw.destination = string_in(value);
    } else if (key == "destination_type") {
        raw.destination_type = string_in(value);
    } else if (key == "routing_key") {
        raw.routing_key = string_in(value);
    } else if (key == "arguments") {
        raw.arguments = value.is_object() ? std::optional(value) : std::nullopt;
    }
}

DecodeFault read_row(const dom::element& element, RawRow& raw) noexcept {
    dom::object object;
    if (element.get(object) != simdjson::SUCCESS) {
        return {FaultKind::wrong_shape, "a row of the binding listing is not an object"};
    }
    for (const dom::key_value_pair field : object) {
        read_field(raw, field.key, field.value);
    }
    if (!raw.source || !raw.destination || !raw.destination_type || !raw.routing_key) {
        return {FaultKind::wrong_shape,
                "a row of the binding listing lacks source, destination, destination_type or routing_key"};
    }
    return {};
}

bool is_usable(const RawRow& raw) noexcept {
    return !raw.destination->empty() && raw.destination->size() <= max_name_size &&
           raw.source->size() <= max_name_size && raw.routing_key->size() <= max_name_size &&
           raw.row.vhost.size() <= max_name_size && is_usable_text(*raw.destination_type);
}

BindingRow keep(std::pmr::memory_resource* arena, const RawRow& raw) {
    return {
        .source = copy_text(arena, text_of_name(*raw.source, arena)),
        .vhost = copy_text(arena, text_of_name(raw.row.vhost, arena)),
        .destination = copy_text(arena, text_of_name(*raw.destination, arena)),
        .destination_type = copy_text(arena, *raw.destination_type),
        .routing_key = copy_text(arena, text_of_name(*raw.routing_key, arena)),
        .arguments = raw.arguments ? render_json(arena, *raw.arguments) : std::string_view{},
    };
}

} // namespace

// Reads the document twice: first to validate it completely and count the rows, then to store them.
Result<BindingListing, DecodeFault> read_binding_listing(JsonText text, std::pmr::memory_resource* arena,
                                                         DefaultExchange default_exchange) {
    const auto for_each = [&](auto use) {
        return for_each_row(text, [&](const dom::element& element) {
            RawRow raw;
            const auto fault = read_row(element, raw);
            const bool skip = fault.kind != FaultKind::none ||
                              (raw.source->empty() && default_exchange == DefaultExchange::skip);
            if (!skip) {
                use(raw);
            }
            return fault;
        });
    };
    BindingListing listing;
    std::size_t n = 0;
    if (const auto fault = for_each([&](const RawRow& raw) { ++(is_usable(raw) ? n : listing.unusable); });
        fault.kind != FaultKind::none) {
        return fault;
    }
    const auto room = make_rows<BindingRow>(arena, n);
    n = 0;
    for_each([&](const RawRow& raw) {
        if (is_usable(raw)) {
            new (&room[n++]) BindingRow(keep(arena, raw));
        }
    });
    listing.rows = room;
    return listing;
}

} // namespace cloudsat::core
