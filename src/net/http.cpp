// An HTTP client that never waits; see http.hpp.
#include "net/http.hpp"

#include "core/broker_documents.hpp"
#include "net/signals.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <memory_resource>
#include <new>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace cloudsat::net {
namespace {

using core::FaultKind;

// A broker's answer has less than 2 KB of headers.
constexpr std::size_t max_header_size = 64 * 1024;
constexpr std::size_t first_body_capacity = 16 * 1024;
// A body buffer up to this size is kept from one request to the next.
constexpr std::size_t kept_body_capacity = 256 * 1024;

std::int64_t now_ms() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

// Once per process, and never undone: other parts of the server may use curl as well.
void initialise_curl() {
    static const CURLcode code = [] {
        const SignalsBlocked blocked;
        return curl_global_init(CURL_GLOBAL_DEFAULT);
    }();
    if (code != CURLE_OK)
        throw std::bad_alloc();
}

// Sets options until one fails; curl copies all strings.
class Options {
public:
    explicit Options(CURL* easy) noexcept : easy_(easy) {}

    template <class Value> Options& set(CURLoption option, Value value) noexcept {
        if (code_ == CURLE_OK)
            code_ = curl_easy_setopt(easy_, option, value);
        return *this;
    }

    Options& set(CURLoption option, std::string_view text) { return set(option, std::string(text).c_str()); }

    // As set(), but leaves no copy of ours behind. (curl's own copies are freed without being wiped.)
    Options& set_secret(CURLoption option, std::string_view text) {
        std::string copy(text);
        set(option, copy.c_str());
        explicit_bzero(copy.data(), copy.size());
        return *this;
    }

    CURLcode code() const noexcept { return code_; }

private:
    CURL* easy_;
    CURLcode code_ = CURLE_OK;
};

// A backend may start other programs (COPY ... FROM PROGRAM), which must not inherit a connection to the
// broker.
curl_socket_t open_socket(void*, curlsocktype, struct curl_sockaddr* address) noexcept {
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

CURLcode set_method(CURL* easy, const Request& request) {
    Options options(easy);
    if (request.method == Method::get)
        return options.set(CURLOPT_HTTPGET, 1L).code();
    // On a kept connection that turns out dead, curl repeats a request by itself. What changes something is
    // sent once, on a connection of its own.
    options.set(CURLOPT_FRESH_CONNECT, 1L);
    if (request.method == Method::del)
        return options.set(CURLOPT_HTTPGET, 1L).set(CURLOPT_CUSTOMREQUEST, "DELETE").code();
    options.set(CURLOPT_POST, 1L)
        .set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()))
        .set(CURLOPT_COPYPOSTFIELDS, request.body.empty() ? "" : request.body.data());
    if (request.method == Method::put)
        options.set(CURLOPT_CUSTOMREQUEST, "PUT");
    return options.code();
}

CURLcode set_limits(CURL* easy, const Request& request) {
    // No low-speed limit: the broker is silent until its answer is ready, so that one below the total timeout
    // would end healthy polls, and one above it would do nothing.
    return Options(easy)
        .set(CURLOPT_NOSIGNAL, 1L)
        .set(CURLOPT_CONNECTTIMEOUT_MS, std::max(request.connect_timeout_ms, 1L))
        .set(CURLOPT_TIMEOUT_MS, std::max(request.timeout_ms, 1L))
        // Announced sizes only; on_body() counts what really comes, decoded.
        .set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request.max_body))
        .set(CURLOPT_FOLLOWLOCATION, 0L)
        .set(CURLOPT_HTTP09_ALLOWED, 0L)
        .set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1))
        .set(CURLOPT_VERBOSE, 0L)
        .code();
}

// Whom to talk to is said by the request alone: a database server must not be steered by the environment in
// which somebody once started it. Hence an empty proxy, which also overrides http_proxy and its kin, and no
// .netrc.
CURLcode set_destination(CURL* easy, const Request& request) {
    Options options(easy);
    options.set(CURLOPT_URL, request.url)
        .set(CURLOPT_PROXY, "")
        .set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
#if LIBCURL_VERSION_NUM >= 0x075500 // 7.85
    options.set(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    options.set(CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700 // 7.87
    // Do not wait for the resolver's thread when a request is dropped or times out during getaddrinfo().
    options.set(CURLOPT_QUICK_EXIT, 1L);
#endif
    options.set(CURLOPT_OPENSOCKETFUNCTION, &open_socket);
    if (request.gzip)
        options.set(CURLOPT_ACCEPT_ENCODING, "gzip");
    return options.code();
}

CURLcode set_security(CURL* easy, const Request& request) {
    Options options(easy);
    options.set(CURLOPT_SSL_VERIFYPEER, request.tls_verify ? 1L : 0L)
        .set(CURLOPT_SSL_VERIFYHOST, request.tls_verify ? 2L : 0L)
        .set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!request.ca_file.empty())
        options.set(CURLOPT_CAINFO, request.ca_file);
    if (!request.user.empty())
        options.set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC))
            .set_secret(CURLOPT_USERNAME, request.user)
            .set_secret(CURLOPT_PASSWORD, request.password);
    return options.code();
}

// "host port 15672" of a URL; credentials, had there been any, stay out.
std::string endpoint_of(std::string_view url) {
    std::string endpoint = "the broker";
    CURLU* const parts = curl_url();
    if (parts == nullptr)
        throw std::bad_alloc();
    char* host = nullptr;
    char* port = nullptr;
    if (curl_url_set(parts, CURLUPART_URL, std::string(url).c_str(), 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
        endpoint = std::string(host) + " port " + port;
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return endpoint;
}

long value_of(CURL* easy, CURLINFO info) noexcept {
    long value = 0;
    return curl_easy_getinfo(easy, info, &value) == CURLE_OK ? value : 0;
}

curl_off_t size_of(CURL* easy, CURLINFO info) noexcept {
    curl_off_t value = 0;
    return curl_easy_getinfo(easy, info, &value) == CURLE_OK ? value : 0;
}

} // namespace

Http::CloseFd::~CloseFd() {
    if (fd >= 0)
        close(fd);
}

void Http::CleanupMulti::operator()(CURLM* multi) const noexcept {
    const SignalsBlocked blocked;
    curl_multi_cleanup(multi);
}
void Http::CleanupEasy::operator()(CURL* easy) const noexcept {
    const SignalsBlocked blocked;
    curl_easy_cleanup(easy);
}
void Http::FreeList::operator()(curl_slist* list) const noexcept {
    curl_slist_free_all(list);
}
void Http::FreeMemory::operator()(char* memory) const noexcept {
    std::free(memory);
}

Http::Http() {
    initialise_curl();
    const SignalsBlocked blocked;
    epoll_.fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_.fd < 0)
        throw std::system_error(errno, std::generic_category(), "could not create an epoll descriptor");
    multi_.reset(curl_multi_init());
    easy_.reset(curl_easy_init());
    if (!multi_ || !easy_)
        throw std::bad_alloc();
    CURLM* const multi = multi_.get();
    const bool set = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Http::on_socket) == CURLM_OK &&
                     curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this) == CURLM_OK &&
                     curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Http::on_timer) == CURLM_OK &&
                     curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this) == CURLM_OK &&
                     // the management and the metrics endpoint, each with one to spare
                     curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 4L) == CURLM_OK;
    if (!set)
        throw std::bad_alloc();
}

Http::~Http() {
    abandon();
}

void Http::start(const Request& request) {
    abandon();
    endpoint_ = endpoint_of(request.url);
    secret_ = request.password;
    expect_ = request.expect;
    max_body_ =
        std::min(request.max_body, static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max() / 4));
    const SignalsBlocked blocked;
    curl_easy_reset(easy_.get()); // whatever a start() that threw may have left
    CURLcode code = configure(request);
    if (code == CURLE_OK && curl_multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK)
        code = CURLE_FAILED_INIT;
    state_ = State::running;
    if (code == CURLE_OK)
        step(); // the first one is due at once, so it is done here and saves the caller a turn
    else
        finish(code);
}

CURLcode Http::configure(const Request& request) {
    CURL* const easy = easy_.get();
    for (const auto part : {set_destination, set_security, set_limits, set_method})
        if (const CURLcode code = part(easy, request); code != CURLE_OK)
            return code;
    // "Expect:" without a value: do not ask for leave before sending a body.
    headers_.reset(curl_slist_append(nullptr, "Expect:"));
    if (!headers_ || curl_slist_append(headers_.get(), "Content-Type: application/json") == nullptr)
        return CURLE_OUT_OF_MEMORY;
    curl_error_[0] = '\0';
    return Options(easy)
        .set(CURLOPT_HTTPHEADER,
             request.method == Method::put || request.method == Method::post ? headers_.get() : nullptr)
        .set(CURLOPT_USERAGENT, "cloudsat")
        .set(CURLOPT_ERRORBUFFER, curl_error_)
        .set(CURLOPT_WRITEFUNCTION, &Http::on_body)
        .set(CURLOPT_WRITEDATA, static_cast<void*>(this))
        .set(CURLOPT_HEADERFUNCTION, &Http::on_header)
        .set(CURLOPT_HEADERDATA, static_cast<void*>(this))
        .code();
}

int Http::timeout_ms() const noexcept {
    if (deadline_ms_ < 0)
        return -1;
    const std::int64_t left = deadline_ms_ - now_ms();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
}

void Http::step() {
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
    if (deadline_ms_ >= 0 && now_ms() >= deadline_ms_) {
        deadline_ms_ = -1; // curl sets a new one when it wants one
        curl_multi_socket_action(multi_.get(), CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect();
}

void Http::collect() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg == CURLMSG_DONE && state_ == State::running) {
            finish(message->data.result); // which takes the handle out of the multi, and the message with it
            return;
        }
    }
}

Progress Http::progress_of(CURLcode code) const noexcept {
    CURL* const easy = easy_.get();
    Progress progress;
    progress.code = code;
    progress.status = static_cast<int>(value_of(easy, CURLINFO_RESPONSE_CODE));
    progress.os_error = static_cast<int>(value_of(easy, CURLINFO_OS_ERRNO));
    progress.connected = size_of(easy, CURLINFO_PRETRANSFER_TIME_T) > 0;
    progress.answered = header_size_ > 0;
    progress.stop = stop_;
    return progress;
}

// Takes what there is to know from curl's handle, lets go of it, and puts the reply together.
void Http::finish(CURLcode code) {
    const Progress progress = progress_of(code);
    CURL* const easy = easy_.get();
    reply_.kind = fault_of(progress);
    reply_.status = progress.status;
    reply_.bytes = static_cast<std::size_t>(size_of(easy, CURLINFO_SIZE_DOWNLOAD_T));
    reply_.elapsed_ms = static_cast<long>(size_of(easy, CURLINFO_TOTAL_TIME_T) / 1000);
    state_ = State::done;
    const char* type = nullptr;
    if (curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type != nullptr)
        content_type_ = type;
    detach();
    reply_.content_type = content_type_;

    const bool whole = code == CURLE_OK && stop_ == SinkStop::no;
    if (whole && body_size_ > 0) {
        std::memset(body_.get() + body_size_, 0, core::json_padding);
        reply_.body = {body_.get(), body_size_};
    }
    core::DecodeFault content;
    if (reply_.kind == FaultKind::none) {
        content = core::check_content(expect_, reply_.content_type, reply_.body);
        reply_.kind = content.kind;
    }
    describe(progress, content.detail);
    forget_secret();
}

// The sentence for people. Everything in it is ours, or made harmless, or left out.
void Http::describe(const Progress& progress, std::string_view detail) {
    if (reply_.kind == FaultKind::none)
        return;
    std::array<std::byte, 4096> room;
    std::pmr::monotonic_buffer_resource arena(room.data(), room.size());
    auto reason = core::read_reason(reply_.body, &arena);
    if (!secret_.empty() && reason.find(secret_) != std::string_view::npos)
        reason = {};
    const std::string_view curl_words =
        curl_error_[0] != '\0' ? curl_error_ : curl_easy_strerror(progress.code);
    error_ = describe_fault({
        .kind = reply_.kind,
        .progress = progress,
        .endpoint = endpoint_,
        .detail = detail,
        .reason = reason,
        .curl_words = core::one_line(curl_words, 200, &arena),
        .bytes = reply_.bytes,
        .max_body = max_body_,
        .elapsed_ms = reply_.elapsed_ms,
    });
    reply_.error = error_;
}

void Http::forget_secret() noexcept {
    explicit_bzero(secret_.data(), secret_.size());
    secret_.clear();
}

// Takes the handle out of the multi, which ends a running transfer without waiting for anybody, and forgets
// all its options, the credentials among them. Connections, names and TLS sessions stay with the multi.
void Http::detach() noexcept {
    const SignalsBlocked blocked;
    curl_multi_remove_handle(multi_.get(), easy_.get());
    curl_easy_reset(easy_.get());
    headers_.reset();
}

void Http::abandon() noexcept {
    if (state_ == State::running)
        detach();
    state_ = State::idle;
    forget_secret();
    release();
}

void Http::release() noexcept {
    if (state_ == State::running)
        return;
    reply_ = {};
    content_type_.clear();
    error_.clear();
    header_size_ = body_size_ = 0;
    stop_ = SinkStop::no;
    if (body_capacity_ > kept_body_capacity) {
        body_.reset();
        body_capacity_ = 0;
    }
}

// Room for `size` bytes and the padding behind them. Growth by doubling, bounded by the largest body allowed.
bool Http::reserve(std::size_t size) noexcept {
    const std::size_t needed = size + core::json_padding;
    if (needed <= body_capacity_)
        return true;
    const std::size_t wanted = std::max({needed, body_capacity_ * 2, first_body_capacity});
    const std::size_t capacity = std::max(needed, std::min(wanted, max_body_ + core::json_padding));
    auto* const memory = static_cast<char*>(std::realloc(body_.get(), capacity));
    if (memory == nullptr)
        return false;
    static_cast<void>(body_.release()); // realloc() has taken it over
    body_.reset(memory);
    body_capacity_ = capacity;
    return true;
}

// What curl calls: plain functions that report by their return value, throw nothing, and know nothing of the
// server.

std::size_t Http::on_body(char* data, std::size_t one, std::size_t size, void* self) noexcept {
    auto& http = *static_cast<Http*>(self);
    const std::size_t n = one * size;
    if (n > http.max_body_ - http.body_size_)
        http.stop_ = SinkStop::body_too_large;
    else if (!http.reserve(http.body_size_ + n))
        http.stop_ = SinkStop::out_of_memory;
    if (http.stop_ != SinkStop::no)
        return 0; // fewer than came: curl ends the transfer with CURLE_WRITE_ERROR
    std::memcpy(http.body_.get() + http.body_size_, data, n);
    http.body_size_ += n;
    return n;
}

std::size_t Http::on_header(char*, std::size_t one, std::size_t size, void* self) noexcept {
    auto& http = *static_cast<Http*>(self);
    const std::size_t n = one * size;
    http.header_size_ += n;
    if (http.header_size_ <= max_header_size)
        return n;
    http.stop_ = SinkStop::header_too_large;
    return 0;
}

int Http::on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) noexcept {
    const int epoll = static_cast<Http*>(self)->epoll_.fd;
    epoll_event event{};
    event.data.fd = socket;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, socket,
                  &event); // fails when it is closed already, and then it is gone
        return 0;
    }
    event.events =
        ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0u) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0u);
    // Whether the socket is registered depends on closings that nobody told us of, so the kernel is asked.
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event) == 0)
        return 0;
    return errno == ENOENT && epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) == 0 ? 0 : -1;
}

int Http::on_timer(CURLM*, long ms, void* self) noexcept {
    // -1 means: delete the timer.
    static_cast<Http*>(self)->deadline_ms_ = ms < 0 ? -1 : now_ms() + ms;
    return 0;
}

} // namespace cloudsat::net
