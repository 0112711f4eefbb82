// Accounts of a broker: valid names, permissions, password hashes, and the documents of the management API
// about them. Pure: no network, no hashing.
#pragma once

#include "core/base/fault.hpp"
#include "core/base/result.hpp"
#include "core/wire/document.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <span>
#include <string_view>

namespace cloudsat::core {

// Rules for names of new accounts. A name is part of queue names (no slash), of patterns and of addresses,
// and is shown in mails (no lookalikes). Returns the violated rule as a sentence; empty if the name is valid.
inline constexpr std::size_t max_username_size = 64;
std::string_view check_username(std::string_view username) noexcept;

// Minimum length, against guessing. Characters are UTF-8 code points.
inline constexpr std::size_t min_password_characters = 8;
inline constexpr std::size_t max_password_size = 1024; // bytes
enum class PasswordFault : std::uint8_t { none, too_short, too_long };
PasswordFault check_password(std::string_view password) noexcept;

// A regular expression that matches exactly this text, both in PCRE (the broker) and in PostgreSQL.
std::string_view escape_pattern(std::string_view text, std::pmr::memory_resource* arena);

// Pattern of the names that the account may configure and write, and of those it may read; the pattern
// `also_read` extends the latter.
std::string_view own_pattern(std::string_view username, std::pmr::memory_resource* arena);
std::string_view read_pattern(std::string_view username, std::string_view also_read,
                              std::pmr::memory_resource* arena);

// The broker stores base64(salt || sha256(salt || password)).
inline constexpr std::size_t salt_size = 4;
inline constexpr std::size_t digest_size_sha256 = 32;
using Salt = std::array<std::uint8_t, salt_size>;
using Sha256 = std::array<std::uint8_t, digest_size_sha256>;
std::string_view password_hash(const Salt& salt, const Sha256& digest, std::pmr::memory_resource* arena);

// True if the hash was made with this salt.
bool has_salt(std::string_view password_hash, const Salt& salt) noexcept;

// Encodes bytes for mails, URLs and SQL: base64 with - and _, without padding.
std::string_view token_text(std::span<const std::uint8_t> bytes, std::pmr::memory_resource* arena);

// Bodies of PUT /api/users/U and PUT /api/permissions/V/U. The first must always be complete: tags alone
// would erase the password. Tags are separated by commas.
std::string_view user_document(std::string_view password_hash, std::string_view tags,
                               std::pmr::memory_resource* arena);
std::string_view permissions_document(std::string_view own, std::string_view read,
                                      std::pmr::memory_resource* arena);

// Decodes GET /api/users/U.
struct BrokerUser {
    std::string_view password_hash;
    std::string_view tags; // separated by commas
};
Result<BrokerUser, DecodeFault> read_user(JsonText text, std::pmr::memory_resource* arena);
bool has_tag(std::string_view tags, std::string_view tag) noexcept;

// Reads one member of each row of a listing, like the names of GET /api/users?columns=name. Skips values that
// PostgreSQL's text cannot hold.
Result<std::span<const std::string_view>, DecodeFault> read_column(JsonText text, const char* member,
                                                                   std::pmr::memory_resource* arena);

} // namespace cloudsat::core
