// The address: an LDH domain name, optionally with a local part and '@' in front, or the root "." (everyone).
//
// Key: the form in which an address is stored and compared. It has the labels from the right, each followed
// by 0x01; a local part adds 0x02, the local part and 0x01. app@h.x.y is "y\1x\1h\1\2app\1", and the root is
// empty. Both marks are smaller than every byte of an address. Hence memcmp (the shorter first on a tie)
// gives the hierarchical order, every ancestor's key is a prefix of the key, and a subtree is one contiguous
// range.
//
// No function here allocates or throws. An AddressView does not check its key, but no function reads or
// writes out of bounds, whatever the bytes are.
#pragma once

#include "core/base/result.hpp"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace cloudsat::core {

inline constexpr std::size_t max_label_size = 63;   // octets, RFC 1035
inline constexpr std::size_t max_domain_size = 253; // octets as text, without a trailing dot
inline constexpr std::size_t max_local_size = 64;   // octets, RFC 5321
inline constexpr std::size_t max_address_size = max_local_size + 1 + max_domain_size;
inline constexpr std::size_t max_key_size = max_domain_size + 1 + max_local_size + 2;
inline constexpr std::size_t max_channel_size = 63; // NAMEDATALEN - 1: longer names are an error in LISTEN

// The two marks of a key.
inline constexpr char end_mark = '\1';
inline constexpr char local_mark = '\2';

enum class AddressRule : std::uint8_t {
    empty,           // no text at all
    label_empty,     // two dots in a row, or one in front
    label_character, // not a letter, digit or hyphen
    label_hyphen,    // first or last
    label_too_long,  // place: that of the first excess octet
    domain_missing,  // nothing after '@'
    domain_too_long, // place: that of the first excess octet
    local_empty,     // nothing before '@'
    local_character, // not allowed in a dot-atom
    local_dot,       // first, last, or two in a row
    local_too_long,  // place: that of the first excess octet
    local_at_root,   // app@.
};

// The rule as a sentence without its full stop.
std::string_view explain(AddressRule rule) noexcept;

struct AddressError {
    AddressRule rule;
    // Position of the first byte that breaks the rule, from 1; one past the end if something is missing.
    std::size_t place;
    friend bool operator==(const AddressError&, const AddressError&) = default;
};

// A short text of bounded size by value.
template <std::size_t Capacity> class FixedText {
public:
    constexpr std::string_view view() const noexcept { return {bytes_.data(), size_}; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr void push(char byte) noexcept {
        if (size_ < Capacity) {
            bytes_[size_++] = byte;
        }
    }
    constexpr void push(std::string_view bytes) noexcept {
        for (char byte : bytes) {
            push(byte);
        }
    }

private:
    std::size_t size_ = 0;
    std::array<char, Capacity> bytes_; // only the first size_ are ever read
};

// A view of a key owned elsewhere.
class AddressView {
public:
    constexpr AddressView() noexcept = default; // the root
    constexpr explicit AddressView(std::string_view key) noexcept : key_(key) {}

    constexpr std::string_view key() const noexcept { return key_; }
    constexpr bool is_root() const noexcept { return key_.empty(); }

    friend constexpr bool operator==(AddressView a, AddressView b) noexcept { return a.key_ == b.key_; }
    friend constexpr std::strong_ordering operator<=>(AddressView a, AddressView b) noexcept {
        return a.key_.compare(b.key_) <=> 0; // char_traits<char> compares as unsigned bytes
    }

private:
    std::string_view key_;
};

// An address that owns its key.
class Address {
public:
    Address() noexcept = default; // the root
    explicit Address(const FixedText<max_key_size>& key) noexcept : key_(key) {}
    AddressView view() const noexcept { return AddressView(key_.view()); }
    operator AddressView() const noexcept { return view(); }

private:
    FixedText<max_key_size> key_;
};

// Whether this text is an SQL array literal rather than an address. An array ends with a brace, which no
// address does.
constexpr bool is_list(std::string_view text) noexcept {
    const std::size_t last = text.find_last_not_of(" \t\n\v\f\r");
    return last != std::string_view::npos && text[last] == '}';
}

using AddressText = FixedText<max_address_size>;
using ChannelName = FixedText<max_channel_size>;

Result<Address, AddressError> parse_address(std::string_view text) noexcept;

// The canonical text, in lower case; parse_address(print(a)) is a.
AddressText print(AddressView address) noexcept;

// Whether the address is the container itself or lies under it.
constexpr bool within(AddressView address, AddressView container) noexcept {
    return address.key().starts_with(container.key());
}

// The parent, one step towards the root, which has none.
std::optional<AddressView> parent(AddressView address) noexcept;
// The address without its local part.
AddressView domain(AddressView address) noexcept;
std::optional<std::string_view> local(AddressView address) noexcept;
// Steps to the root: 0 for the root, 1 for com, 2 for example.com, 3 for alice@example.com.
std::size_t depth(AddressView address) noexcept;
AddressView common_ancestor(AddressView a, AddressView b) noexcept;

// The smallest key after the subtree of an address. It is not a key of any address, but compares with all of
// them.
using SubtreeEnd = FixedText<max_key_size>;
SubtreeEnd subtree_end(AddressView address) noexcept;

// 64-bit FNV-1a, which a client can implement in three lines.
std::uint64_t fnv1a(std::string_view bytes) noexcept;

// The name to LISTEN on. It is the canonical text if that has at most 63 octets. Otherwise it is its first 46
// octets, a colon (which no address contains) and fnv1a(canonical text) as 16 lower-case hexadecimal digits.
// Clients may rely on this.
ChannelName channel(AddressView address) noexcept;

// Calls emit(AddressView) for the address and each ancestor, the root last.
template <class Emit> void for_each_suffix(AddressView address, Emit emit) {
    for (std::optional<AddressView> at = address; at; at = parent(*at)) {
        emit(*at);
    }
}

// Calls emit(AddressView) once for each address that is in the list or an ancestor of one in it, in
// descending order, so the root is last. The list must be sorted in descending order; it may hold duplicates.
template <class Emit> void for_each_suffix(std::span<const AddressView> descending, Emit emit) {
    for (std::size_t i = 0; i < descending.size(); ++i) {
        // Suffixes shared with the next address come later; the others are complete now.
        const bool last = i + 1 == descending.size();
        const std::size_t shared = last ? 0 : common_ancestor(descending[i], descending[i + 1]).key().size();
        for (std::optional<AddressView> at = descending[i]; at; at = parent(*at)) {
            if (!last && at->key().size() <= shared) {
                break;
            }
            emit(*at);
        }
    }
}

} // namespace cloudsat::core
