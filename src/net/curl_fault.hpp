// What a libcurl result means: the kind of fault, and the sentence for people. The only place that judges
// CURLcodes.
#pragma once

#include "core/base/fault.hpp"

#include <cstddef>
#include <cstdint>
#include <curl/curl.h>
#include <string>
#include <string_view>

namespace cloudsat::net {

// Why our own callbacks stopped a transfer; curl itself only learns that they did.
enum class SinkStop : std::uint8_t { no, body_too_large, header_too_large, out_of_memory };

// How far an exchange got when it ended.
struct Progress {
    CURLcode code = CURLE_OK;
    int status = 0;         // HTTP status, 0 when none arrived
    int os_error = 0;       // errno of the failed system call, 0 when none
    bool connected = false; // TCP, and TLS where asked for
    bool answered = false;  // at least the status line came back
    SinkStop stop = SinkStop::no;
};

// Decides on the CURLcode first: a partial body with status 200 is common (measured on RabbitMQ 3.10).
core::FaultKind fault_of(const Progress& progress) noexcept;

// All that a sentence about a fault may draw upon. Texts from outside must be clean already.
struct FaultStory {
    core::FaultKind kind;
    Progress progress;
    std::string_view endpoint;   // "127.0.0.1 port 15672"
    std::string_view detail;     // what is wrong with a 2xx answer
    std::string_view reason;     // the broker's own words, or empty
    std::string_view curl_words; // curl's words
    std::size_t bytes;           // of the body, as received
    std::size_t max_body;
    long elapsed_ms;
};

// For people, in the style of an errmsg: "could not connect to 127.0.0.1 port 15672: connection refused".
std::string describe_fault(const FaultStory& story);

} // namespace cloudsat::net
