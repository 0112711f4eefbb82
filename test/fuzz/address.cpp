// Fuzzes addresses. Each line of the input is an address: it is parsed here and by a naive checker written
// from the grammar, and must agree; the accepted ones must keep the laws of order, subtree and abbreviated
// label among each other.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../unit/address_key.hpp"
#include "core/board/address.hpp"
#include "core/board/address_abbreviation.hpp"

using namespace cloudsat::core;

namespace {

void demand(bool law, const char* name) {
    if (!law) {
        std::fprintf(stderr, "broken law: %s\n", name);
        std::abort();
    }
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts(1);
    for (char byte : text) {
        if (byte == separator) {
            parts.emplace_back();
        } else {
            parts.back() += byte;
        }
    }
    return parts;
}

bool all_of(const std::string& text, const char* bytes) {
    return text.find_first_not_of(bytes) == std::string::npos;
}

// The canonical text by the grammar, "" for what it does not allow.
std::string naive(std::string text) {
    if (text == ".") {
        return text;
    }
    const char* letters_digits_hyphen = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    const char* atext = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-!#$%&'*+/=?^_`{|}~";
    const auto sides = split(text, '@');
    if (sides.size() > 2) {
        return "";
    }
    if (sides.size() == 2) {
        for (const auto& atom : split(sides[0], '.')) {
            if (atom.empty() || !all_of(atom, atext)) {
                return "";
            }
        }
        if (sides[0].size() > 64) {
            return "";
        }
    }
    auto labels = split(sides.back(), '.');
    if (labels.size() > 1 && labels.back().empty()) {
        labels.pop_back();
        text.pop_back();
    }
    std::size_t size = labels.size() - 1;
    for (const auto& label : labels) {
        size += label.size();
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
            !all_of(label, letters_digits_hyphen)) {
            return "";
        }
    }
    if (size > 253) {
        return "";
    }
    std::transform(text.begin(), text.end(), text.begin(), [](char byte) {
        return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
    });
    return text;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(reinterpret_cast<const char*>(data), size);

    // As a key: no claim about its form, only that nothing leaves its bounds, and that is_key knows the good
    // ones.
    const AddressView raw(input);
    demand(!is_key(input) || parse_address(print(raw).view()).value().view() == raw,
           "a key is what its text parses to");
    demand(channel(raw).size() <= max_channel_size, "channel fits");
    for_each_suffix(
        raw, [&](AddressView suffix) { demand(within(raw, suffix), "a suffix contains its address"); });

    std::vector<Address> accepted;
    AddressAbbreviation abbreviation;
    std::vector<std::uint64_t> labels;
    for (const std::string& line : split(input, '\n')) {
        const auto parsed = parse_address(line);
        const std::string expected = naive(line);
        if (!parsed) {
            demand(expected.empty(), "what is refused breaks the grammar");
            demand(parsed.error().place >= 1 && parsed.error().place <= line.size() + 1,
                   "place lies in the text");
            continue;
        }
        const Address& address = parsed.value();
        demand(print(address).view() == expected, "canonical text is that of the grammar");
        demand(is_key(address.view().key()), "parse makes keys");
        demand(!is_key(subtree_end(address).view()), "an end is no key");
        if (accepted.size() < 64) {
            accepted.push_back(address);
            labels.push_back(abbreviation.label(address.view().key()));
        }
    }
    for (std::size_t i = 0; i < accepted.size(); ++i) {
        for (std::size_t j = 0; j < accepted.size(); ++j) {
            const AddressView a = accepted[i], b = accepted[j];
            demand((a <=> b) == (0 <=> (b <=> a)), "order is antisymmetric");
            demand((a == b) == (print(a).view() == print(b).view()), "equal keys, equal texts");
            demand(!(a < b) || labels[i] <= labels[j], "labels keep the order");
            demand(within(a, b) == (b <= a && a < AddressView(subtree_end(b).view())),
                   "a subtree is a range");
            demand(within(a, common_ancestor(a, b)), "a common ancestor contains both");
        }
    }
    return 0;
}
