// Fault: what can go wrong between the guardian and a broker, one kind each; the kind is what `polls`
// records. This file only names and classifies. It opens no socket, knows no curl, and decides nothing about
// retries.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cloudsat::core {

enum class FaultKind : std::uint8_t {
    none,
    // the broker was not reached
    unresolved,
    refused,
    unreachable,
    timed_out,
    tls,
    // the answer did not arrive whole
    closed,
    truncated,
    too_large,
    protocol,
    // the answer says no
    redirect,
    bad_request,
    unauthorized,
    forbidden,
    not_found,
    server_error,
    unexpected_status,
    // the answer says yes and is wrong
    not_json,
    not_metrics,
    wrong_shape,
    // this side failed
    out_of_memory,
    failed,
};

struct FaultEntry {
    FaultKind kind;
    std::string_view name;    // as stored and shown in SQL
    std::string_view meaning; // half a sentence for people
};

inline constexpr std::array fault_table{
    FaultEntry{FaultKind::none, "none", "no fault"},
    FaultEntry{FaultKind::unresolved, "unresolved", "the host name has no address"},
    FaultEntry{FaultKind::refused, "refused", "the connection was refused"},
    FaultEntry{FaultKind::unreachable, "unreachable", "the host could not be reached"},
    FaultEntry{FaultKind::timed_out, "timed_out", "no complete answer came in time"},
    FaultEntry{FaultKind::tls, "tls", "TLS could not be agreed or the certificate is not trusted"},
    FaultEntry{FaultKind::closed, "closed", "the connection was closed before the answer"},
    FaultEntry{FaultKind::truncated, "truncated", "the answer stopped in the middle"},
    FaultEntry{FaultKind::too_large, "too_large", "the answer is larger than allowed"},
    FaultEntry{FaultKind::protocol, "protocol", "the answer is not proper HTTP"},
    FaultEntry{FaultKind::redirect, "redirect", "the answer is a redirect, which is not followed"},
    FaultEntry{FaultKind::bad_request, "bad_request", "the broker refused the request as it stands"},
    FaultEntry{FaultKind::unauthorized, "unauthorized",
               "the broker does not accept the user, or lacks permission"},
    FaultEntry{FaultKind::forbidden, "forbidden", "the broker forbids it"},
    FaultEntry{FaultKind::not_found, "not_found", "there is no such object"},
    FaultEntry{FaultKind::server_error, "server_error", "the broker reports an error of its own"},
    FaultEntry{FaultKind::unexpected_status, "unexpected_status", "the HTTP status was not expected"},
    FaultEntry{FaultKind::not_json, "not_json", "the answer is not a JSON document"},
    FaultEntry{FaultKind::not_metrics, "not_metrics", "the answer is not a metrics document"},
    FaultEntry{FaultKind::wrong_shape, "wrong_shape", "the answer is not what a RabbitMQ broker sends"},
    FaultEntry{FaultKind::out_of_memory, "out_of_memory", "there was no memory for it"},
    FaultEntry{FaultKind::failed, "failed", "the request could not be made"},
};

// After these there is nobody to ask for anything: not this, and nothing else.
constexpr bool nobody_to_ask(FaultKind kind) noexcept {
    return (kind >= FaultKind::unresolved && kind <= FaultKind::tls) || kind == FaultKind::out_of_memory ||
           kind == FaultKind::failed;
}

constexpr const FaultEntry& entry_of(FaultKind kind) noexcept {
    return fault_table[static_cast<std::size_t>(kind)];
}
constexpr std::string_view name_of(FaultKind kind) noexcept {
    return entry_of(kind).name;
}
constexpr std::string_view meaning_of(FaultKind kind) noexcept {
    return entry_of(kind).meaning;
}

// What the guardian asks over HTTP is there when a plugin is, which a new broker has not enabled: everybody's
// first fault. What to do about it, ended by a zero; empty for the faults that it does not explain.
enum class Plugin : std::uint8_t { management, prometheus };
std::string_view plugin_hint(FaultKind kind, Plugin plugin) noexcept;

// Why a document cannot be used: a kind, and a sentence part that lives for ever.
struct DecodeFault {
    FaultKind kind = FaultKind::none;
    const char* detail = "";
};

// The kind that an HTTP status stands for when the exchange itself went well; none for 2xx.
FaultKind fault_of_status(int status) noexcept;

// What a caller expects in a 2xx answer. A login page with status 200 is a fault of its own.
enum class Expect : std::uint8_t { anything, json, metrics };

// Looks at the outside of a 2xx answer: content type and emptiness. Whether it parses is the decoder's
// business.
DecodeFault check_content(Expect expect, std::string_view content_type, std::string_view body) noexcept;

} // namespace cloudsat::core
