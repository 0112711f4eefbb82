// CurlDriver: one curl handle on a multi handle whose sockets are in an epoll set of ours, so that whoever
// drives it waits on one pollable fd and one timeout. It knows how to drive, not what is driven: http.cpp and
// smtp.cpp do. It never blocks, and all signals are blocked while curl works, because curl's resolver may
// start a thread, which must never run the server's signal handlers.
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

    // What to wait for: the fd being readable, or so many milliseconds (-1: no limit).
    int fd() const noexcept { return epoll_.fd; }
    int timeout_ms() const noexcept;

    // Begins what the handle was told. The first step is due at once.
    CURLcode begin() noexcept;

    // Goes on. Gives the result once it is finished; the handle is to be let go of then.
    std::optional<CURLcode> step() noexcept;

    // Takes the handle out, which ends what runs without waiting for anybody, and forgets all its options.
    // Connections, names and TLS sessions stay for the next time.
    void let_go() noexcept;

    // For a connection that is ours to use and that curl does not look after (CURLOPT_CONNECT_ONLY).
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

    // In this order: curl still calls on_socket() while it is cleaned up.
    CloseFd epoll_;
    std::unique_ptr<CURLM, CleanupMulti> multi_;
    std::unique_ptr<CURL, CleanupEasy> easy_;
    std::int64_t deadline_ms_ = -1; // monotonic; when curl wants step(); -1: not at all
};

// Sets options until one fails; curl copies all strings.
class CurlOptions {
public:
    explicit CurlOptions(CURL* easy) noexcept : easy_(easy) {}

    template <class Value> CurlOptions& set(CURLoption option, Value value) noexcept {
        if (code_ == CURLE_OK)
            code_ = curl_easy_setopt(easy_, option, value);
        return *this;
    }
    CurlOptions& set(CURLoption option, std::string_view text);
    // As set(), but leaves no copy of ours behind. (curl's own copies are freed without being wiped.)
    CurlOptions& set_secret(CURLoption option, std::string_view text);

    CURLcode code() const noexcept { return code_; }

private:
    CURL* easy_;
    CURLcode code_ = CURLE_OK;
};

// Whom to talk to, and how to know him.
struct Peer {
    std::string_view url;
    const char* protocols; // as curl names them, with commas in between
    long protocol_bits;    // the same for old curls
    long connect_timeout_ms;
    bool tls_verify;
    std::string_view ca_file; // trusted certificates; the system's when empty
};

// Whom to talk to is said by the caller alone: a database server must not be steered by the environment in
// which somebody once started it. Hence an empty proxy, which also overrides http_proxy and its kin, and no
// .netrc. A program that this process starts (COPY ... FROM PROGRAM) does not inherit the sockets.
CURLcode set_peer(CURL* easy, const Peer& peer);

// "host port 15672" of a URL; credentials, had there been any, stay out.
std::string endpoint_of(std::string_view url, std::string_view unknown);

std::int64_t monotonic_ms() noexcept;

} // namespace cloudsat::net
