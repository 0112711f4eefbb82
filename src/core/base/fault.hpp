// Fault: a failure between the guardian and a broker. `polls` records its kind. This file only names and
// classifies faults: it opens no socket, knows no curl, and does not decide about retries.
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
    // the response did not arrive completely
    closed,
    truncated,
    too_large,
    protocol,
    // the response reports an error
    redirect,
    bad_request,
    unauthorized,
    forbidden,
    not_found,
    server_error,
    unexpected_status,
    // the response reports success, but is invalid
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
    std::string_view meaning; // a clause for people
};

inline constexpr std::array fault_table{
    FaultEntry{FaultKind::none, "none", "no fault"},
    FaultEntry{FaultKind::unresolved, "unresolved", "the host name has no address"},
    FaultEntry{FaultKind::refused, "refused", "the connection was refused"},
    FaultEntry{FaultKind::unreachable, "unreachable", "the host could not be reached"},
    FaultEntry{FaultKind::timed_out, "timed_out", "no complete answer arrived in time"},
    FaultEntry{FaultKind::tls, "tls", "the TLS handshake failed or the certificate is not trusted"},
    FaultEntry{FaultKind::closed, "closed", "the connection was closed before the answer"},
    FaultEntry{FaultKind::truncated, "truncated", "the answer stopped in the middle"},
    FaultEntry{FaultKind::too_large, "too_large", "the answer is larger than allowed"},
    FaultEntry{FaultKind::protocol, "protocol", "the answer is not valid HTTP"},
    FaultEntry{FaultKind::redirect, "redirect", "the answer is a redirect, which is not followed"},
    FaultEntry{FaultKind::bad_request, "bad_request", "the broker rejected the request"},
    FaultEntry{FaultKind::unauthorized, "unauthorized",
               "the broker does not accept the user, or lacks permission"},
    FaultEntry{FaultKind::forbidden, "forbidden", "the broker forbids it"},
    FaultEntry{FaultKind::not_found, "not_found", "the object does not exist"},
    FaultEntry{FaultKind::server_error, "server_error", "the broker reports an error of its own"},
    FaultEntry{FaultKind::unexpected_status, "unexpected_status", "the HTTP status was not expected"},
    FaultEntry{FaultKind::not_json, "not_json", "the answer is not a JSON document"},
    FaultEntry{FaultKind::not_metrics, "not_metrics", "the answer is not a metrics document"},
    FaultEntry{FaultKind::wrong_shape, "wrong_shape", "the answer is not what a RabbitMQ broker sends"},
    FaultEntry{FaultKind::out_of_memory, "out_of_memory", "memory ran out"},
    FaultEntry{FaultKind::failed, "failed", "the request could not be made"},
};

// After these the broker cannot be reached for any further request either.
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

// A new broker has not enabled the plugins that serve the guardian's HTTP requests, which is the usual first
// fault. Returns what to do about it, zero-terminated; empty for faults that it does not explain.
enum class Plugin : std::uint8_t { management, prometheus };
std::string_view plugin_hint(FaultKind kind, Plugin plugin) noexcept;

// Why a document cannot be used: a kind, and a clause with static lifetime.
struct DecodeFault {
    FaultKind kind = FaultKind::none;
    const char* detail = "";
};

// The kind for an HTTP status of a completed exchange; none for 2xx.
FaultKind fault_of_status(int status) noexcept;

// What a caller expects in a 2xx response. A login page with status 200 is a separate fault.
enum class Expect : std::uint8_t { anything, json, metrics };

// Checks content type and emptiness of a 2xx response. Parsing is the decoder's task.
DecodeFault check_content(Expect expect, std::string_view content_type, std::string_view body) noexcept;

} // namespace cloudsat::core
