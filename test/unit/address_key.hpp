// The keys that parse_address makes, told apart from others by what they print as.
#pragma once

#include "core/board/address.hpp"

#include <string_view>

inline bool is_key(std::string_view key) noexcept {
    using namespace cloudsat::core;
    if (key.empty()) {
        return true;
    }
    if (key.size() > max_key_size || key.back() != end_mark) {
        return false;
    }
    const AddressText text = print(AddressView(key));
    const auto address = parse_address(text.view());
    return address && address.value().view().key() == key;
}
