// Fuzzes the queue listing. What comes out must hold what the header promises, and copying must change
// nothing.
#include "core/wire/queue_listing.hpp"
#include "core/wire/broker_name.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory_resource>
#include <simdjson.h>
#include <string>

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

bool is_count(std::optional<std::int64_t> count) {
    return !count || *count >= 0;
}

// jsonb refuses U+0000: no escape of it may come out, be it behind an escaped backslash or not.
bool has_escaped_nul(std::string_view json) {
    for (std::size_t i = 0; i + 1 < json.size(); ++i)
        if (json[i] == '\\' && json.substr(++i).starts_with("u0000"))
            return true;
    return false;
}

// What was rendered once is valid, and rendered again stays as it is.
void check_arguments(std::string_view arguments) {
    if (arguments.empty())
        return;
    require(!has_escaped_nul(arguments));
    std::pmr::monotonic_buffer_resource arena;
    const auto document = R"([{"name":"q","arguments":)" + std::string(arguments) + "}]";
    const auto again = read_queue_listing({document}, &arena);
    require(static_cast<bool>(again));
    require(again.value().rows[0].arguments == arguments);
}

// Or it has values that simdjson cannot hold, and that are given up one by one.
bool is_json(const std::string& padded, std::size_t size) {
    simdjson::dom::parser parser;
    const auto error = parser.parse(padded.data(), size, false).error();
    return error == simdjson::SUCCESS || error == simdjson::NUMBER_ERROR || error == simdjson::STRING_ERROR ||
           error == simdjson::DEPTH_ERROR;
}

void check(const QueueListing& listing) {
    for (const auto& row : listing.rows) {
        require(!row.name.empty() && is_name(row.name) && is_name(row.type) && is_name(row.state) &&
                is_name(row.vhost));
        require(is_count(row.messages) && is_count(row.ready) && is_count(row.unacknowledged));
        require(is_count(row.consumers) && is_count(row.memory));
        require(row.arguments.empty() || (row.arguments.front() == '{' && row.arguments.back() == '}'));
        check_arguments(row.arguments);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::pmr::monotonic_buffer_resource arena;
    // In place, in a block of exactly the promised size; the sanitizer sees what is read beyond it.
    std::string padded(size + json_padding, '\0');
    if (size > 0)
        std::memcpy(padded.data(), data, size);
    const auto in_place =
        read_queue_listing({std::string_view(padded).substr(0, size), json_padding}, &arena);
    const auto copied = read_queue_listing({{reinterpret_cast<const char*>(data), size}}, &arena);
    require(static_cast<bool>(in_place) == static_cast<bool>(copied));
    // A list is cut into rows before it is parsed: what is taken is JSON as a whole, too.
    if (in_place)
        require(is_json(padded, size));
    if (!in_place)
        return 0;
    check(in_place.value());
    require(in_place.value().rows.size() == copied.value().rows.size());
    require(in_place.value().unusable == copied.value().unusable);
    // Row by row is the same as all at once.
    std::size_t n = 0;
    const auto use = [&](const QueueRow& row) {
        const auto& kept = in_place.value().rows[n++];
        require(row.name == kept.name && row.type == kept.type && row.state == kept.state);
        require(row.arguments == kept.arguments && row.messages == kept.messages);
    };
    const auto unusable = for_each_queue({{reinterpret_cast<const char*>(data), size}}, use);
    require(static_cast<bool>(unusable) && unusable.value() == in_place.value().unusable);
    require(n == in_place.value().rows.size());
    return 0;
}
