// Fuzzes URLs: an encoded segment decodes to what it was, and an accepted base URL is accepted again as it
// is.
#include "core/wire/url.hpp"

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

std::string decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        require(i + 2 < text.size());
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
    }
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::pmr::monotonic_buffer_resource arena;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto segment = encode_segment(text, &arena)) {
        require(decode(*segment) == text);
        require(segment->find_first_of("/?#&= ") == std::string_view::npos);
    }
    look_again_query(text, &arena);
    const auto first = check_base_url(text, &arena);
    if (!first)
        return 0;
    const auto again = check_base_url(first.value().text, &arena);
    require(static_cast<bool>(again));
    require(again.value().text == first.value().text && again.value().host == first.value().host);
    require(again.value().port == first.value().port && again.value().tls == first.value().tls);
    require(!first.value().text.ends_with('/') && first.value().host.find('@') == std::string_view::npos);
    return 0;
}
