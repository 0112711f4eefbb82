// Http: one request at a time to a broker, on curl's multi interface. It never blocks and never sleeps: the
// caller waits, on one pollable fd and one timeout, together with anything else:
//
//     http.start(request);
//     while (!http.done()) {
//         wait until http.fd() is readable, or http.timeout_ms() have passed (-1: no limit);
//         http.step();
//     }
//     use http.reply(), then call http.release() or the next start()
//
// Connections are kept and reused. abandon() drops a running request at once. An object of this class lives
// in a memory context or for the whole process, never on a stack that an ereport may jump over; it calls no
// functions of the server.
#pragma once

#include "core/base/fault.hpp"
#include "core/wire/document.hpp"
#include "net/curl_driver.hpp"
#include "net/curl_fault.hpp"

#include <cstddef>
#include <cstdint>
#include <curl/curl.h>
#include <memory>
#include <string>
#include <string_view>

namespace cloudsat::net {

enum class Method : std::uint8_t { get, put, post, del };

// The request. start() copies everything; the views need not outlive that call.
struct Request {
    Method method = Method::get;
    std::string_view url;  // http or https, without credentials
    std::string_view user; // empty for no authentication
    std::string_view password;
    std::string_view body;                     // JSON, for put and post
    std::string_view ca_file;                  // trusted certificates; empty for the system's
    long connect_timeout_ms = 2000;            // name, TCP and TLS together
    long timeout_ms = 60000;                   // the whole exchange; the broker itself gives up after 60 s
    std::size_t max_body = 256u * 1024 * 1024; // decoded bytes
    core::Expect expect = core::Expect::json;  // checked only for 2xx answers
    bool tls_verify = true;
    bool gzip = false; // a fortieth of the bytes; useful if the broker is on another machine
};

// The outcome. The views live until the next start(), release() or the end of the Http.
struct Reply {
    core::FaultKind kind = core::FaultKind::none;
    int status = 0; // 0 if no status line arrived
    // The body, followed by core::json_padding readable bytes. The body of a 2xx answer is present only if
    // complete; that of an error answer holds the broker's reason.
    std::string_view body;
    std::string_view content_type;
    std::string_view error; // for people: one line of clean UTF-8 without credentials; empty if kind is none
    std::size_t bytes = 0;  // of the body as transferred
    long elapsed_ms = 0;

    core::JsonText json() const noexcept { return {body, core::json_padding}; }
};

class Http {
public:
    Http() : curl_(most_connections) {} // throws std::bad_alloc or std::system_error
    ~Http();
    Http(const Http&) = delete;
    Http& operator=(const Http&) = delete;

    // Starts a request; abandons a running one. Throws only std::bad_alloc; every other failure, even an
    // immediate one, is a reply.
    void start(const Request& request);

    bool done() const noexcept { return state_ == State::done; }
    bool running() const noexcept { return state_ == State::running; }

    int fd() const noexcept { return curl_.fd(); }
    int timeout_ms() const noexcept { return curl_.timeout_ms(); }

    // Call when fd() is readable or timeout_ms() have passed; harmless at any other time.
    void step();

    const Reply& reply() const noexcept { return reply_; }

    // Drops the running request, if any, and its connection. The broker may still carry out the request.
    void abandon() noexcept;

    // Frees the reply's memory.
    void release() noexcept;

private:
    enum class State : std::uint8_t { idle, running, done };

    static std::size_t on_body(char* data, std::size_t one, std::size_t size, void* self) noexcept;
    static std::size_t on_header(char* data, std::size_t one, std::size_t size, void* self) noexcept;

    CURLcode configure(const Request& request);
    void finish(CURLcode code);
    Progress progress_of(CURLcode code) const noexcept;
    void describe(const Progress& progress, std::string_view detail);
    void detach() noexcept;
    void forget_secret() noexcept;
    bool reserve(std::size_t size) noexcept;

    struct FreeList {
        void operator()(curl_slist* list) const noexcept;
    };
    struct FreeMemory {
        void operator()(char* memory) const noexcept;
    };

    // the management and the metrics endpoint, each with one to spare
    static constexpr long most_connections = 4;

    CurlDriver curl_;
    std::unique_ptr<curl_slist, FreeList> headers_;
    State state_ = State::idle;

    std::unique_ptr<char, FreeMemory> body_;
    std::size_t body_size_ = 0, body_capacity_ = 0, max_body_ = 0;
    std::size_t header_size_ = 0;
    SinkStop stop_ = SinkStop::no;
    core::Expect expect_ = core::Expect::json;

    Reply reply_;
    std::string content_type_, error_;
    std::string secret_;   // the password while a request runs, to redact it from the broker's message
    std::string endpoint_; // "127.0.0.1 port 15672"
    char curl_error_[CURL_ERROR_SIZE] = {};
};

} // namespace cloudsat::net
