// Meaning of a libcurl result: the kind of fault, and the message for people. The only file that interprets
// CURLcodes.
#pragma once

#include "core/base/fault.hpp"

#include <cstddef>
#include <cstdint>
#include <curl/curl.h>
#include <string>
#include <string_view>

namespace cloudsat::net {

// Why one of our callbacks stopped a transfer; curl itself does not know the reason.
enum class SinkStop : std::uint8_t { no, body_too_large, header_too_large, out_of_memory };

// How far a transfer got before it ended.
struct Progress {
    CURLcode code = CURLE_OK;
    int status = 0;         // HTTP status; 0 if none arrived
    int os_error = 0;       // errno of the failed system call; 0 if none
    bool connected = false; // TCP, and TLS if requested
    bool answered = false;  // at least the status line arrived
    SinkStop stop = SinkStop::no;
};

// Decides by the CURLcode first: a partial body with status 200 is common (measured on RabbitMQ 3.10).
core::FaultKind fault_of(const Progress& progress) noexcept;

// Everything that a message about a fault may contain. Texts from outside must already be sanitized.
struct FaultStory {
    core::FaultKind kind;
    Progress progress;
    std::string_view endpoint;   // "127.0.0.1 port 15672"
    std::string_view detail;     // the fault in a 2xx answer
    std::string_view reason;     // the broker's own message, or empty
    std::string_view curl_words; // curl's message
    std::size_t bytes;           // of the body, as received
    std::size_t max_body;
    long elapsed_ms;
};

// For people, in the style of an errmsg: "could not connect to 127.0.0.1 port 15672: connection refused".
std::string describe_fault(const FaultStory& story);

} // namespace cloudsat::net
