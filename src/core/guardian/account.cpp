// Accounts of a broker; see account.hpp.

#include "core/guardian/account.hpp"

#include "core/base/text.hpp"
#include "core/base/text_writer.hpp"
#include "core/guardian/incident_text.hpp"
#include "core/wire/json.hpp"

#include <algorithm>
#include <new>

namespace cloudsat::core {
namespace {

constexpr bool is_letter_or_digit(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view token_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Base64 without padding.
void put_base64(TextWriter& out, std::span<const std::uint8_t> bytes, std::string_view digits) {
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            group = group << 8U | (i + k < bytes.size() ? bytes[i + k] : 0U);
        }
        const std::size_t count = std::min<std::size_t>(bytes.size() - i, 3) + 1;
        for (std::size_t k = 0; k < count; ++k) {
            out.put(digits.substr(group >> (18U - 6U * k) & 63U, 1));
        }
    }
}

std::string_view keep_text(std::string_view text, std::pmr::memory_resource* arena) {
    return is_usable_text(text) ? copy_text(arena, text) : std::string_view{};
}

// A list of strings; before RabbitMQ 3.9, one string separated by commas.
std::string_view read_tags(const dom::object& user, std::pmr::memory_resource* arena) {
    dom::element value;
    dom::array list;
    if (user["tags"].get(value) != simdjson::SUCCESS) {
        return {};
    }
    if (value.get(list) != simdjson::SUCCESS) {
        return keep_text(string_in(value).value_or(""), arena);
    }
    TextWriter tags(arena);
    std::string_view between;
    for (const dom::element element : list) {
        if (const auto tag = string_in(element); tag && is_usable_text(*tag)) {
            tags.put(between).put(*tag);
            between = ",";
        }
    }
    return tags.keep(arena);
}

} // namespace

std::string_view check_username(std::string_view username) noexcept {
    if (username.empty()) {
        return "It is empty.";
    }
    if (username.size() > max_username_size) {
        return "It is longer than 64 characters.";
    }
    for (const char c : username) {
        if (!is_letter_or_digit(c) && std::string_view("._-+@").find(c) == std::string_view::npos) {
            return "It may contain only ASCII letters, digits, and the characters . _ - + @.";
        }
    }
    if (!is_letter_or_digit(username.front())) {
        return "It must begin with a letter or a digit.";
    }
    return {};
}

PasswordFault check_password(std::string_view password) noexcept {
    if (password.size() > max_password_size) {
        return PasswordFault::too_long;
    }
    const auto characters =
        std::count_if(password.begin(), password.end(), [](char c) { return !continues_code_point(c); });
    return static_cast<std::size_t>(characters) < min_password_characters ? PasswordFault::too_short
                                                                          : PasswordFault::none;
}

std::string_view escape_pattern(std::string_view text, std::pmr::memory_resource* arena) {
    TextWriter out(arena);
    for (const char& c : text) {
        if (std::string_view("\\^$.[]|()?*+{}").find(c) != std::string_view::npos) {
            out.put("\\");
        }
        out.put({&c, 1});
    }
    return out.keep(arena);
}

std::string_view own_pattern(std::string_view username, std::pmr::memory_resource* arena) {
    const std::string_view name = escape_pattern(username, arena);
    TextWriter out(arena);
    out.put("^(queue/").put(name).put("/.*|exchange/").put(name).put("/.*)");
    return out.keep(arena);
}

std::string_view read_pattern(std::string_view username, std::string_view also_read,
                              std::pmr::memory_resource* arena) {
    const std::string_view own = own_pattern(username, arena);
    if (also_read.empty()) {
        return own;
    }
    TextWriter out(arena);
    out.put(own).put("|(?:").put(also_read).put(")");
    return out.keep(arena);
}

std::string_view password_hash(const Salt& salt, const Sha256& digest, std::pmr::memory_resource* arena) {
    static_assert((salt_size + digest_size_sha256) % 3 == 0, "its base64 needs no padding");
    std::array<std::uint8_t, salt_size + digest_size_sha256> bytes{};
    std::copy(digest.begin(), digest.end(), std::copy(salt.begin(), salt.end(), bytes.begin()));
    TextWriter out(arena);
    put_base64(out, bytes, base64_digits);
    return out.keep(arena);
}

bool has_salt(std::string_view password_hash, const Salt& salt) noexcept {
    constexpr std::size_t digits = 6; // 36 bits, of which the salt is the first 32
    if (password_hash.size() < digits) {
        return false;
    }
    std::uint64_t bits = 0;
    for (const char c : password_hash.substr(0, digits)) {
        const std::size_t digit = base64_digits.find(c);
        if (digit == std::string_view::npos) {
            return false;
        }
        bits = bits << 6U | digit;
    }
    std::uint64_t wanted = 0;
    for (const std::uint8_t byte : salt) {
        wanted = wanted << 8U | byte;
    }
    return bits >> 4U == wanted;
}

std::string_view token_text(std::span<const std::uint8_t> bytes, std::pmr::memory_resource* arena) {
    TextWriter out(arena);
    put_base64(out, bytes, token_digits);
    return out.keep(arena);
}

// quoted() is made for people, but its output for valid UTF-8 is also JSON.
std::string_view user_document(std::string_view password_hash, std::string_view tags,
                               std::pmr::memory_resource* arena) {
    TextWriter out(arena);
    out.put(R"({"password_hash":)").put(quoted(password_hash, arena));
    out.put(R"(,"hashing_algorithm":"rabbit_password_hashing_sha256","tags":)");
    out.put(quoted(tags, arena)).put("}");
    return out.keep(arena);
}

std::string_view permissions_document(std::string_view own, std::string_view read,
                                      std::pmr::memory_resource* arena) {
    TextWriter out(arena);
    out.put(R"({"configure":)").put(quoted(own, arena));
    out.put(R"(,"write":)").put(quoted(own, arena));
    out.put(R"(,"read":)").put(quoted(read, arena)).put("}");
    return out.keep(arena);
}

Result<BrokerUser, DecodeFault> read_user(JsonText text, std::pmr::memory_resource* arena) {
    JsonDocument document;
    if (const auto fault = document.parse(text); fault.kind != FaultKind::none) {
        return fault;
    }
    dom::object object;
    if (document.root().get(object) != simdjson::SUCCESS) {
        return DecodeFault{FaultKind::wrong_shape, "the user is not an object"};
    }
    std::string_view hash;
    BrokerUser user;
    if (object["password_hash"].get(hash) == simdjson::SUCCESS) {
        user.password_hash = keep_text(hash, arena);
    }
    user.tags = read_tags(object, arena);
    return user;
}

bool has_tag(std::string_view tags, std::string_view tag) noexcept {
    while (!tags.empty()) {
        const std::size_t end = std::min(tags.find(','), tags.size());
        if (tags.substr(0, end) == tag) {
            return true;
        }
        tags.remove_prefix(std::min(end + 1, tags.size()));
    }
    return false;
}

Result<std::span<const std::string_view>, DecodeFault> read_column(JsonText text, const char* member,
                                                                   std::pmr::memory_resource* arena) {
    JsonDocument document;
    dom::array rows;
    if (const auto fault = document.parse_rows(text, rows); fault.kind != FaultKind::none) {
        return fault;
    }
    const auto room = make_rows<std::string_view>(arena, count_rows(rows));
    std::size_t n = 0;
    for (const dom::element element : rows) {
        dom::object object;
        std::string_view value;
        if (element.get(object) != simdjson::SUCCESS || object[member].get(value) != simdjson::SUCCESS) {
            return DecodeFault{FaultKind::wrong_shape, "a row of the listing has no name"};
        }
        if (!value.empty() && is_usable_text(value)) {
            new (&room[n++]) std::string_view(copy_text(arena, value));
        }
    }
    return std::span<const std::string_view>(room.first(n));
}

} // namespace cloudsat::core
