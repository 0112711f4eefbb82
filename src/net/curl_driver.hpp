// CurlDriver: one curl handle on a multi handle whose sockets are in an epoll set, so that a caller waits on
// one pollable fd and one timeout. It is independent of the protocol, which http.cpp and smtp.cpp implement.
// It never blocks, and all signals are blocked while curl works: curl's resolver may start a thread, which
// must never run the server's signal handlers.
#pragma once

#include <cstdint>
#include <curl/curl.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cloudsat::net {

class CurlDriver {
public:
    explicit CurlDriver(long most_connections); // throws std::bad_alloc or std::system_error
    ~CurlDriver() = default;
    CurlDriver(const CurlDriver&) = delete;
    CurlDriver& operator=(const CurlDriver&) = delete;

    CURL* easy() const noexcept { return easy_.get(); }

    // Wait until fd() is readable, or this many milliseconds have passed (-1: no limit).
    int fd() const noexcept { return epoll_.fd; }
    int timeout_ms() const noexcept;

    // Starts the transfer configured in the handle. The first step is due at once.
    CURLcode begin() noexcept;

    // Continues. Returns the result once finished; then call let_go().
    std::optional<CURLcode> step() noexcept;

    // Removes the handle, which ends a running transfer at once, and resets all its options. Connections,
    // names and TLS sessions are kept for the next transfer.
    void let_go() noexcept;

    // For a connection that curl has handed over and no longer watches (CURLOPT_CONNECT_ONLY).
    bool watch(curl_socket_t socket, int what) noexcept; // CURL_POLL_IN and so on

private:
    static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self, void* known) noexcept;
    static int on_timer(CURLM* multi, long ms, void* self) noexcept;

    struct CloseFd {
        ~CloseFd();
        int fd = -1;
    };
    struct CleanupMulti {
        void operator()(CURLM* multi) const noexcept;
    };
    struct CleanupEasy {
        void operator()(CURL* easy) const noexcept;
    };

    // In this order: curl still calls on_socket() during its cleanup.
    CloseFd epoll_;
    std::unique_ptr<CURLM, CleanupMulti> multi_;
    std::unique_ptr<CURL, CleanupEasy> easy_;
    std::int64_t deadline_ms_ = -1; // monotonic; when curl needs step(); -1 if not at all
};

// Sets options until one fails; curl copies all strings.
class CurlOptions {
public:
    explicit CurlOptions(CURL* easy) noexcept : easy_(easy) {}

    template <class Value> CurlOptions& set(CURLoption option, Value value) noexcept {
        if (code_ == CURLE_OK) {
            code_ = curl_easy_setopt(easy_, option, value);
        }
        return *this;
    }
    CurlOptions& set(CURLoption option, std::string_view text);
    // Like set(), but wipes its temporary copy. (curl's own copies are freed without being wiped.)
    CurlOptions& set_secret(CURLoption option, std::string_view text);

    CURLcode code() const noexcept { return code_; }

private:
    CURL* easy_;
    CURLcode code_ = CURLE_OK;
};

// The peer and how to verify it.
struct Peer {
    std::string_view url;
    const char* protocols; // as curl names them, separated by commas
    long protocol_bits;    // the same for old versions of curl
    long connect_timeout_ms;
    bool tls_verify;
    std::string_view ca_file; // trusted certificates; empty for the system's
};

// Only the caller determines the peer: a database server must not depend on the environment in which it was
// started. So the proxy is empty, which also overrides http_proxy and similar variables, and .netrc is
// ignored. Programs started by this process (COPY ... FROM PROGRAM) do not inherit the sockets.
CURLcode set_peer(CURL* easy, const Peer& peer);

// "host port 15672" from a URL, without any credentials.
std::string endpoint_of(std::string_view url, std::string_view unknown);

std::int64_t monotonic_ms() noexcept;

} // namespace cloudsat::net
