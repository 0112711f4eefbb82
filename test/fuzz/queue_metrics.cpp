// Fuzzes the metrics. Beside not crashing, one promise is tried: a line put in front of a document may take
// sizes away from it, and never changes one.
#include "core/wire/queue_metrics.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace cloudsat::core;

namespace {

void require(bool truth) {
    if (!truth)
        std::abort();
}

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= 255;
}

constexpr std::string_view honest = "# TYPE rabbitmq_detailed_queue_messages_ready gauge\n"
                                    "# TYPE rabbitmq_detailed_queue_messages_unacked gauge\n"
                                    "# TYPE rabbitmq_detailed_queue_messages gauge\n"
                                    "rabbitmq_detailed_queue_messages{vhost=\"/\",queue=\"victim\"} 3\n";

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto check = [](const QueueSizes& row) {
        require(is_name(row.vhost) && is_name(row.name));
        require(row.messages.value_or(0) >= 0 && row.ready.value_or(0) >= 0 &&
                row.unacknowledged.value_or(0) >= 0);
    };
    for_each_queue_size(text, check);
    std::size_t victims = 0;
    const auto find = [&](const QueueSizes& row) {
        if (row.vhost != "/" || row.name != "victim")
            return;
        ++victims;
        require(!row.messages || *row.messages == 3);
    };
    const auto forged = for_each_queue_size(std::string(text) + "\n" + std::string(honest), find);
    require(static_cast<bool>(forged));
    require(victims == 1);
    return 0;
}
