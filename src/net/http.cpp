// A non-blocking HTTP client; see http.hpp.
#include "net/http.hpp"

#include "core/wire/broker_documents.hpp"
#include "net/signals.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory_resource>
#include <new>

namespace cloudsat::net {
namespace {

using core::FaultKind;

// A broker's answer has less than 2 KB of headers.
constexpr std::size_t max_header_size = 64 * 1024;
constexpr std::size_t first_body_capacity = 16 * 1024;
// Body buffers up to this size are kept between requests.
constexpr std::size_t kept_body_capacity = 256 * 1024;

CURLcode set_method(CURL* easy, const Request& request) {
    CurlOptions options(easy);
    if (request.method == Method::get) {
        return options.set(CURLOPT_HTTPGET, 1L).code();
    }
    // On a kept connection that turns out to be dead, curl repeats a request by itself. Requests that change
    // something must be sent only once, so they get a new connection.
    options.set(CURLOPT_FRESH_CONNECT, 1L);
    if (request.method == Method::del) {
        return options.set(CURLOPT_HTTPGET, 1L).set(CURLOPT_CUSTOMREQUEST, "DELETE").code();
    }
    options.set(CURLOPT_POST, 1L)
        .set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()))
        .set(CURLOPT_COPYPOSTFIELDS, request.body.empty() ? "" : request.body.data());
    if (request.method == Method::put) {
        options.set(CURLOPT_CUSTOMREQUEST, "PUT");
    }
    return options.code();
}

CURLcode set_limits(CURL* easy, const Request& request) {
    // No low-speed limit: the broker is silent until its answer is ready, so a limit below the total timeout
    // would end healthy polls, and one above it would have no effect.
    return CurlOptions(easy)
        .set(CURLOPT_TIMEOUT_MS, std::max(request.timeout_ms, 1L))
        // Announced sizes only; on_body() counts the received bytes, decoded.
        .set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request.max_body))
        .set(CURLOPT_FOLLOWLOCATION, 0L)
        .set(CURLOPT_HTTP09_ALLOWED, 0L)
        .set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1))
        .set(CURLOPT_VERBOSE, 0L)
        .code();
}

CURLcode set_destination(CURL* easy, const Request& request) {
    const Peer peer{.url = request.url,
                    .protocols = "http,https",
                    .protocol_bits = CURLPROTO_HTTP | CURLPROTO_HTTPS,
                    .connect_timeout_ms = request.connect_timeout_ms,
                    .tls_verify = request.tls_verify,
                    .ca_file = request.ca_file};
    if (const CURLcode code = set_peer(easy, peer); code != CURLE_OK) {
        return code;
    }
    CurlOptions options(easy);
    if (request.gzip) {
        options.set(CURLOPT_ACCEPT_ENCODING, "gzip");
    }
    if (!request.user.empty()) {
        options.set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC))
            .set_secret(CURLOPT_USERNAME, request.user)
            .set_secret(CURLOPT_PASSWORD, request.password);
    }
    return options.code();
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

void Http::FreeList::operator()(curl_slist* list) const noexcept {
    curl_slist_free_all(list);
}
void Http::FreeMemory::operator()(char* memory) const noexcept {
    std::free(memory);
}

Http::~Http() {
    abandon();
}

void Http::start(const Request& request) {
    abandon();
    endpoint_ = endpoint_of(request.url, "the broker");
    secret_ = request.password;
    expect_ = request.expect;
    max_body_ =
        std::min(request.max_body, static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max() / 4));
    const SignalsBlocked blocked;
    curl_easy_reset(curl_.easy()); // may hold options of a start() that threw
    CURLcode code = configure(request);
    if (code == CURLE_OK) {
        code = curl_.begin();
    }
    state_ = State::running;
    if (code == CURLE_OK) {
        step(); // the first step is due at once: doing it here saves the caller a turn
    } else {
        finish(code);
    }
}

CURLcode Http::configure(const Request& request) {
    CURL* const easy = curl_.easy();
    for (const auto part : {set_destination, set_limits, set_method}) {
        if (const CURLcode code = part(easy, request); code != CURLE_OK) {
            return code;
        }
    }
    // "Expect:" without a value: do not ask for permission before sending a body.
    headers_.reset(curl_slist_append(nullptr, "Expect:"));
    if (!headers_ || curl_slist_append(headers_.get(), "Content-Type: application/json") == nullptr) {
        return CURLE_OUT_OF_MEMORY;
    }
    curl_error_[0] = '\0';
    return CurlOptions(easy)
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

void Http::step() {
    const auto code = curl_.step();
    if (code && state_ == State::running) {
        finish(*code);
    }
}

Progress Http::progress_of(CURLcode code) const noexcept {
    CURL* const easy = curl_.easy();
    Progress progress;
    progress.code = code;
    progress.status = static_cast<int>(value_of(easy, CURLINFO_RESPONSE_CODE));
    progress.os_error = static_cast<int>(value_of(easy, CURLINFO_OS_ERRNO));
    progress.connected = size_of(easy, CURLINFO_PRETRANSFER_TIME_T) > 0;
    progress.answered = header_size_ > 0;
    progress.stop = stop_;
    return progress;
}

// Reads the results from curl's handle, detaches it, and builds the reply.
void Http::finish(CURLcode code) {
    const Progress progress = progress_of(code);
    CURL* const easy = curl_.easy();
    reply_.kind = fault_of(progress);
    reply_.status = progress.status;
    reply_.bytes = static_cast<std::size_t>(size_of(easy, CURLINFO_SIZE_DOWNLOAD_T));
    reply_.elapsed_ms = static_cast<long>(size_of(easy, CURLINFO_TOTAL_TIME_T) / 1000);
    state_ = State::done;
    const char* type = nullptr;
    if (curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type != nullptr) {
        content_type_ = type;
    }
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

// The message for people. Each part is ours, sanitized, or omitted.
void Http::describe(const Progress& progress, std::string_view detail) {
    if (reply_.kind == FaultKind::none) {
        return;
    }
    std::array<std::byte, 4096> room;
    std::pmr::monotonic_buffer_resource arena(room.data(), room.size());
    auto reason = core::read_reason(reply_.body, &arena);
    if (!secret_.empty() && reason.find(secret_) != std::string_view::npos) {
        reason = {};
    }
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

// Resets the handle, including the credentials.
void Http::detach() noexcept {
    curl_.let_go();
    headers_.reset();
}

void Http::abandon() noexcept {
    if (state_ == State::running) {
        detach();
    }
    state_ = State::idle;
    forget_secret();
    release();
}

void Http::release() noexcept {
    if (state_ == State::running) {
        return;
    }
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

// Room for `size` bytes and the padding after them. Grows by doubling, up to the maximum body size.
bool Http::reserve(std::size_t size) noexcept {
    const std::size_t needed = size + core::json_padding;
    if (needed <= body_capacity_) {
        return true;
    }
    const std::size_t wanted = std::max({needed, body_capacity_ * 2, first_body_capacity});
    const std::size_t capacity = std::max(needed, std::min(wanted, max_body_ + core::json_padding));
    auto* const memory = static_cast<char*>(std::realloc(body_.get(), capacity));
    if (memory == nullptr) {
        return false;
    }
    static_cast<void>(body_.release()); // realloc() has taken it over
    body_.reset(memory);
    body_capacity_ = capacity;
    return true;
}

// Callbacks of curl: plain functions that report by their return value, throw nothing, and call nothing of
// the server.

std::size_t Http::on_body(char* data, std::size_t one, std::size_t size, void* self) noexcept {
    auto& http = *static_cast<Http*>(self);
    const std::size_t n = one * size;
    if (n > http.max_body_ - http.body_size_) {
        http.stop_ = SinkStop::body_too_large;
    } else if (!http.reserve(http.body_size_ + n)) {
        http.stop_ = SinkStop::out_of_memory;
    }
    if (http.stop_ != SinkStop::no) {
        return 0; // fewer than received: curl ends the transfer with CURLE_WRITE_ERROR
    }
    std::memcpy(http.body_.get() + http.body_size_, data, n);
    http.body_size_ += n;
    return n;
}

std::size_t Http::on_header(char*, std::size_t one, std::size_t size, void* self) noexcept {
    auto& http = *static_cast<Http*>(self);
    const std::size_t n = one * size;
    http.header_size_ += n;
    if (http.header_size_ <= max_header_size) {
        return n;
    }
    http.stop_ = SinkStop::header_too_large;
    return 0;
}

} // namespace cloudsat::net
