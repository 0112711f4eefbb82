// Fuzzes the properties of messages: what is accepted is shown as valid JSON, and what is renewed is accepted
// again and stays as it is.
#include "core/wire/amqp_properties.hpp"
#include "core/wire/amqp_wire.hpp"
#include "core/wire/json.hpp"

#include <cstdint>
#include <cstdlib>
#include <memory_resource>
#include <string>

using namespace cloudsat::core;

namespace {

void require(bool truth) {
    if (!truth)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::pmr::monotonic_buffer_resource arena;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    amqp::Frame frame;
    if (amqp::read_frame(bytes, 4096, frame) == amqp::Framing::whole)
        require(frame.size <= size && frame.payload.size() + amqp::frame_overhead == frame.size);

    const auto shown = amqp::render_properties(bytes, &arena);
    const auto renewed = amqp::renew_properties(bytes, &arena);
    if (shown) {
        JsonDocument document;
        require(document.parse({*shown, 0}).kind == FaultKind::none);
        require(renewed.has_value());
    }
    if (renewed)
        require(amqp::renew_properties(*renewed, &arena) == renewed);
    return 0;
}
