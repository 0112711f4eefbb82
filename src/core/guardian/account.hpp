// Accounts as a broker knows them: which names they may have, what they may touch, how their passwords are
// kept, and the documents of the management API about them. Pure: asks nobody, and hashes nothing itself.
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

// Names that an account may be made with: they are a part of queues' names (so no slash), of patterns and of
// addresses, and people read them in mails (so nothing that looks like something else). What is wrong with
// this one, as a sentence; empty when nothing is.
inline constexpr std::size_t max_username_size = 64;
std::string_view check_username(std::string_view username) noexcept;

// A password that can be guessed is none. Characters are those of UTF-8.
inline constexpr std::size_t min_password_characters = 8;
inline constexpr std::size_t max_password_size = 1024; // bytes
enum class PasswordFault : std::uint8_t { none, too_short, too_long };
PasswordFault check_password(std::string_view password) noexcept;

// A regular expression that matches this text and no other; for the broker's (PCRE) as for the server's.
std::string_view escape_pattern(std::string_view text, std::pmr::memory_resource* arena);

// What the account may configure and write; and what it may read, which `also_read`, a pattern, may widen.
std::string_view own_pattern(std::string_view username, std::pmr::memory_resource* arena);
std::string_view read_pattern(std::string_view username, std::string_view also_read,
                              std::pmr::memory_resource* arena);

// The broker keeps base64(salt || sha256(salt || password)).
inline constexpr std::size_t salt_size = 4;
inline constexpr std::size_t digest_size_sha256 = 32;
using Salt = std::array<std::uint8_t, salt_size>;
using Sha256 = std::array<std::uint8_t, digest_size_sha256>;
std::string_view password_hash(const Salt& salt, const Sha256& digest, std::pmr::memory_resource* arena);

// Was the hash made with this salt?
bool has_salt(std::string_view password_hash, const Salt& salt) noexcept;

// Bytes as a word that survives mails, URLs and SQL: base64 with - and _, without padding.
std::string_view token_text(std::span<const std::uint8_t> bytes, std::pmr::memory_resource* arena);

// Bodies of PUT /api/users/U and PUT /api/permissions/V/U. The first must always say all: tags alone would
// wipe the password. Tags have commas in between.
std::string_view user_document(std::string_view password_hash, std::string_view tags,
                               std::pmr::memory_resource* arena);
std::string_view permissions_document(std::string_view own, std::string_view read,
                                      std::pmr::memory_resource* arena);

// GET /api/users/U.
struct BrokerUser {
    std::string_view password_hash;
    std::string_view tags; // with commas in between
};
Result<BrokerUser, DecodeFault> read_user(JsonText text, std::pmr::memory_resource* arena);
bool has_tag(std::string_view tags, std::string_view tag) noexcept;

// One member of each row of a listing, like the names of GET /api/users?columns=name. What no text of the
// server's can hold is left out.
Result<std::span<const std::string_view>, DecodeFault> read_column(JsonText text, const char* member,
                                                                   std::pmr::memory_resource* arena);

} // namespace cloudsat::core
