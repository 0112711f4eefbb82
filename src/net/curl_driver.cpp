// Drives curl with an epoll set; see curl_driver.hpp.
#include "net/curl_driver.hpp"

#include "core/wire/curl_url.hpp"
#include "net/signals.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <new>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace cloudsat::net {
namespace {

// Once per process, and never undone: other parts of the server may use curl as well.
void initialise_curl() {
    static const CURLcode code = [] {
        const SignalsBlocked blocked;
        return curl_global_init(CURL_GLOBAL_DEFAULT);
    }();
    if (code != CURLE_OK) {
        throw std::bad_alloc();
    }
}

curl_socket_t open_socket(void*, curlsocktype, struct curl_sockaddr* address) noexcept {
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

} // namespace

std::int64_t monotonic_ms() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

CurlOptions& CurlOptions::set(CURLoption option, std::string_view text) {
    return set(option, std::string(text).c_str());
}

CurlOptions& CurlOptions::set_secret(CURLoption option, std::string_view text) {
    std::string copy(text);
    set(option, copy.c_str());
    explicit_bzero(copy.data(), copy.size());
    return *this;
}

CURLcode set_peer(CURL* easy, const Peer& peer) {
    CurlOptions options(easy);
    options.set(CURLOPT_URL, peer.url)
        .set(CURLOPT_PROXY, "")
        .set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED))
        .set(CURLOPT_OPENSOCKETFUNCTION, &open_socket)
        .set(CURLOPT_NOSIGNAL, 1L)
        .set(CURLOPT_CONNECTTIMEOUT_MS, std::max(peer.connect_timeout_ms, 1L))
        .set(CURLOPT_SSL_VERIFYPEER, peer.tls_verify ? 1L : 0L)
        .set(CURLOPT_SSL_VERIFYHOST, peer.tls_verify ? 2L : 0L)
        .set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!peer.ca_file.empty()) {
        options.set(CURLOPT_CAINFO, peer.ca_file);
    }
#if LIBCURL_VERSION_NUM >= 0x075500 // 7.85
    options.set(CURLOPT_PROTOCOLS_STR, peer.protocols);
#else
    options.set(CURLOPT_PROTOCOLS, peer.protocol_bits);
#endif
#if LIBCURL_VERSION_NUM >= 0x075700 // 7.87
    // Do not wait for the resolver's thread when a request is dropped or times out in getaddrinfo().
    options.set(CURLOPT_QUICK_EXIT, 1L);
#endif
    return options.code();
}

std::string endpoint_of(std::string_view url, std::string_view unknown) {
    const core::CurlUrl parts(url, 0);
    if (parts.code() != CURLUE_OK) {
        return std::string(unknown);
    }
    return parts.get(CURLUPART_HOST) + " port " + parts.get(CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

CurlDriver::CloseFd::~CloseFd() {
    if (fd >= 0) {
        close(fd);
    }
}

void CurlDriver::CleanupMulti::operator()(CURLM* multi) const noexcept {
    const SignalsBlocked blocked;
    curl_multi_cleanup(multi);
}
void CurlDriver::CleanupEasy::operator()(CURL* easy) const noexcept {
    const SignalsBlocked blocked;
    curl_easy_cleanup(easy);
}

CurlDriver::CurlDriver(long most_connections) {
    initialise_curl();
    const SignalsBlocked blocked;
    epoll_.fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_.fd < 0) {
        throw std::system_error(errno, std::generic_category(), "could not create an epoll descriptor");
    }
    multi_.reset(curl_multi_init());
    easy_.reset(curl_easy_init());
    if (!multi_ || !easy_) {
        throw std::bad_alloc();
    }
    CURLM* const multi = multi_.get();
    const bool set = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &CurlDriver::on_socket) == CURLM_OK &&
                     curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this) == CURLM_OK &&
                     curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &CurlDriver::on_timer) == CURLM_OK &&
                     curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this) == CURLM_OK &&
                     curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, most_connections) == CURLM_OK;
    if (!set) {
        throw std::bad_alloc();
    }
}

int CurlDriver::timeout_ms() const noexcept {
    if (deadline_ms_ < 0) {
        return -1;
    }
    const std::int64_t left = deadline_ms_ - monotonic_ms();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
}

CURLcode CurlDriver::begin() noexcept {
    const SignalsBlocked blocked;
    return curl_multi_add_handle(multi_.get(), easy_.get()) == CURLM_OK ? CURLE_OK : CURLE_FAILED_INIT;
}

std::optional<CURLcode> CurlDriver::step() noexcept {
    const SignalsBlocked blocked;
    std::array<epoll_event, 8> events;
    const int ready = epoll_wait(epoll_.fd, events.data(), static_cast<int>(events.size()), 0);
    int running = 0;
    for (int i = 0; i < ready; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        int what = 0;
        what |= (event.events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0;
        what |= (event.events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
        what |= (event.events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0;
        curl_multi_socket_action(multi_.get(), event.data.fd, what, &running);
    }
    if (deadline_ms_ >= 0 && monotonic_ms() >= deadline_ms_) {
        deadline_ms_ = -1; // curl sets a new one if it needs one
        curl_multi_socket_action(multi_.get(), CURL_SOCKET_TIMEOUT, 0, &running);
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg == CURLMSG_DONE) {
            return message->data.result;
        }
    }
    return std::nullopt;
}

void CurlDriver::let_go() noexcept {
    const SignalsBlocked blocked;
    curl_multi_remove_handle(multi_.get(), easy_.get());
    curl_easy_reset(easy_.get());
}

bool CurlDriver::watch(curl_socket_t socket, int what) noexcept {
    return on_socket(nullptr, socket, what, this, nullptr) == 0;
}

// Callbacks of curl: plain functions that report by their return value, throw nothing, and call nothing of
// the server.

int CurlDriver::on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) noexcept {
    const int epoll = static_cast<CurlDriver*>(self)->epoll_.fd;
    epoll_event event{};
    event.data.fd = socket;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, socket,
                  &event); // fails if the socket is already closed, and so already removed
        return 0;
    }
    event.events =
        ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0u) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0u);
    // Sockets may have been closed without notice, so the kernel is asked whether this one is registered.
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event) == 0) {
        return 0;
    }
    return errno == ENOENT && epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) == 0 ? 0 : -1;
}

int CurlDriver::on_timer(CURLM*, long ms, void* self) noexcept {
    // -1 deletes the timer.
    static_cast<CurlDriver*>(self)->deadline_ms_ = ms < 0 ? -1 : monotonic_ms() + ms;
    return 0;
}

} // namespace cloudsat::net
