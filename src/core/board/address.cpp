// Parsing, printing and walking addresses; see address.hpp for the key. Pure: bytes in, bytes out.
#include "core/board/address.hpp"

#include "core/base/bytes.hpp"
#include "core/base/text.hpp"

#include <algorithm>

namespace cloudsat::core {

namespace {

enum class ByteClass : std::uint8_t {
    other,
    atom,
    label,
    hyphen
}; // hyphens and label bytes are atom bytes as well

constexpr std::array<ByteClass, 256> byte_classes = [] {
    std::array<ByteClass, 256> classes{};
    for (char byte :
         std::string_view("!#$%&'*+/=?^_`{|}~")) { // RFC 5322 atext, besides letters, digits and hyphen
        classes[static_cast<unsigned char>(byte)] = ByteClass::atom;
    }
    for (unsigned byte = '0'; byte <= '9'; ++byte) {
        classes[byte] = ByteClass::label;
    }
    for (unsigned byte = 'a'; byte <= 'z'; ++byte) {
        classes[byte] = classes[byte - 'a' + 'A'] = ByteClass::label;
    }
    classes['-'] = ByteClass::hyphen;
    return classes;
}();

constexpr ByteClass byte_class(char byte) noexcept {
    return byte_classes[static_cast<unsigned char>(byte)];
}
// Each check returns the position (from 0, within its argument) of the first byte that breaks a rule.
struct Fault {
    AddressRule rule;
    std::size_t at;
};

std::optional<Fault> check_label(std::string_view label) noexcept {
    if (label.empty()) {
        return Fault{AddressRule::label_empty, 0};
    }
    for (std::size_t i = 0; i < label.size(); ++i) {
        const ByteClass kind = byte_class(label[i]);
        if (kind != ByteClass::label && kind != ByteClass::hyphen) {
            return Fault{AddressRule::label_character, i};
        }
        if (kind == ByteClass::hyphen && i == 0) {
            return Fault{AddressRule::label_hyphen, i};
        }
        if (i == max_label_size) {
            return Fault{AddressRule::label_too_long, i};
        }
    }
    if (label.back() == '-') {
        return Fault{AddressRule::label_hyphen, label.size() - 1};
    }
    return std::nullopt;
}

std::optional<Fault> check_domain(std::string_view domain) noexcept {
    for (std::size_t start = 0;;) {
        const std::size_t dot = std::min(domain.find('.', start), domain.size());
        if (const auto fault = check_label(domain.substr(start, dot - start))) {
            const std::size_t at = start + fault->at;
            return at >= max_domain_size ? Fault{AddressRule::domain_too_long, max_domain_size}
                                         : Fault{fault->rule, at};
        }
        if (dot > max_domain_size) {
            return Fault{AddressRule::domain_too_long, max_domain_size};
        }
        if (dot == domain.size()) {
            return std::nullopt;
        }
        start = dot + 1;
    }
}

std::optional<Fault> check_local(std::string_view local) noexcept {
    if (local.empty()) {
        return Fault{AddressRule::local_empty, 0};
    }
    for (std::size_t i = 0; i < local.size(); ++i) {
        if (i == max_local_size) {
            return Fault{AddressRule::local_too_long, i};
        }
        if (local[i] == '.') {
            if (i == 0 || local[i - 1] == '.' || i + 1 == local.size()) {
                return Fault{AddressRule::local_dot, i};
            }
        } else if (byte_class(local[i]) == ByteClass::other) {
            return Fault{AddressRule::local_character, i};
        }
    }
    return std::nullopt;
}

} // namespace

std::string_view explain(AddressRule rule) noexcept {
    switch (rule) {
    case AddressRule::empty:
        return "An address is a domain name, with or without a local part, or \".\" for the root";
    case AddressRule::label_empty:
        return "A label has at least one character";
    case AddressRule::label_character:
        return "A label consists of letters, digits and hyphens";
    case AddressRule::label_hyphen:
        return "A label neither begins nor ends with a hyphen";
    case AddressRule::label_too_long:
        return "A label has at most 63 octets";
    case AddressRule::domain_missing:
        return "A domain name follows the \"@\"";
    case AddressRule::domain_too_long:
        return "A domain name has at most 253 octets";
    case AddressRule::local_empty:
        return "A local part precedes the \"@\"";
    case AddressRule::local_character:
        return "A local part consists of letters, digits, dots and any of !#$%&'*+-/=?^_`{|}~";
    case AddressRule::local_dot:
        return "In a local part each dot stands between two other characters";
    case AddressRule::local_too_long:
        return "A local part has at most 64 octets";
    case AddressRule::local_at_root:
        return "The root has no local part";
    }
    return "";
}

Result<Address, AddressError> parse_address(std::string_view text) noexcept {
    if (text.empty()) {
        return AddressError{AddressRule::empty, 1};
    }

    const std::size_t at = text.find('@');
    const bool has_local = at != std::string_view::npos;
    const std::string_view local_part = has_local ? text.substr(0, at) : std::string_view();
    const std::size_t domain_start = has_local ? at + 1 : 0;
    std::string_view domain_part = text.substr(domain_start);

    if (has_local) {
        if (const auto fault = check_local(local_part)) {
            return AddressError{fault->rule, fault->at + 1};
        }
        if (domain_part.empty()) {
            return AddressError{AddressRule::domain_missing, domain_start + 1};
        }
    }
    if (domain_part == ".") {
        if (has_local) {
            return AddressError{AddressRule::local_at_root, domain_start + 1};
        }
        return Address();
    }
    if (domain_part.ends_with('.') && !domain_part.ends_with("..")) {
        domain_part.remove_suffix(1);
    }
    if (const auto fault = check_domain(domain_part)) {
        return AddressError{fault->rule, domain_start + fault->at + 1};
    }

    FixedText<max_key_size> key;
    for (std::size_t end = domain_part.size(); end > 0;) {
        const std::size_t dot = domain_part.rfind('.', end - 1);
        const std::size_t start = dot == std::string_view::npos ? 0 : dot + 1;
        for (char byte : domain_part.substr(start, end - start)) {
            key.push(ascii_lower(byte));
        }
        key.push(end_mark);
        end = start == 0 ? 0 : start - 1;
    }
    if (has_local) {
        key.push(local_mark);
        for (char byte : local_part) {
            key.push(ascii_lower(byte));
        }
        key.push(end_mark);
    }
    return Address(key);
}

AddressText print(AddressView address) noexcept {
    AddressText text;
    if (address.is_root()) {
        text.push('.');
        return text;
    }
    if (const auto name = local(address)) {
        text.push(*name);
        text.push('@');
    }
    std::string_view rest = domain(address).key();
    while (!rest.empty()) {
        rest.remove_suffix(1); // the end mark
        const std::size_t mark = rest.rfind(end_mark);
        const std::size_t start = mark == std::string_view::npos ? 0 : mark + 1;
        text.push(rest.substr(start));
        rest = rest.substr(0, start);
        if (!rest.empty()) {
            text.push('.');
        }
    }
    return text;
}

std::optional<AddressView> parent(AddressView address) noexcept {
    if (address.is_root()) {
        return std::nullopt;
    }
    std::string_view key = address.key();
    key.remove_suffix(1);
    const std::size_t mark = key.rfind(end_mark);
    return AddressView(key.substr(0, mark == std::string_view::npos ? 0 : mark + 1));
}

AddressView domain(AddressView address) noexcept {
    return AddressView(address.key().substr(0, address.key().find(local_mark)));
}

std::optional<std::string_view> local(AddressView address) noexcept {
    const std::size_t mark = address.key().find(local_mark);
    if (mark == std::string_view::npos) {
        return std::nullopt;
    }
    std::string_view name = address.key().substr(mark + 1);
    if (name.ends_with(end_mark)) {
        name.remove_suffix(1);
    }
    return name;
}

std::size_t depth(AddressView address) noexcept {
    return static_cast<std::size_t>(std::count(address.key().begin(), address.key().end(), end_mark));
}

AddressView common_ancestor(AddressView a, AddressView b) noexcept {
    const std::string_view x = a.key(), y = b.key();
    const std::size_t limit = std::min(x.size(), y.size());
    std::size_t shared = 0; // the longest common prefix that ends with an end mark
    for (std::size_t i = 0; i < limit && x[i] == y[i]; ++i) {
        if (x[i] == end_mark) {
            shared = i + 1;
        }
    }
    return AddressView(x.substr(0, shared));
}

SubtreeEnd subtree_end(AddressView address) noexcept {
    SubtreeEnd end;
    if (address.is_root()) {
        end.push('\xff');
        return end;
    }
    // All keys of the subtree begin with this key. Its last byte is the end mark. With the next byte value
    // there, it is after all of them, and every string in between begins with the key.
    end.push(address.key().substr(0, address.key().size() - 1));
    end.push(static_cast<char>(end_mark + 1));
    return end;
}

std::uint64_t fnv1a(std::string_view bytes) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (char byte : bytes) {
        hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    }
    return hash;
}

ChannelName channel(AddressView address) noexcept {
    constexpr std::size_t hash_digits = 16;
    constexpr std::size_t prefix_size = max_channel_size - 1 - hash_digits;
    const AddressText text = print(address);
    ChannelName name;
    if (text.size() <= max_channel_size) {
        name.push(text.view());
        return name;
    }
    name.push(text.view().substr(0, prefix_size));
    name.push(':');
    const std::uint64_t hash = fnv1a(text.view());
    for (int shift = 60; shift >= 0; shift -= 4) {
        name.push(hex_digits[(hash >> shift) & 0xf]);
    }
    return name;
}

} // namespace cloudsat::core
