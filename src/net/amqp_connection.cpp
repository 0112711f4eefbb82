// Non-blocking AMQP; see amqp_connection.hpp. libcurl makes the connection (name, TCP, TLS) and hands it over
// (CURLOPT_CONNECT_ONLY); this file writes and reads, never more than the socket takes.
#include "net/amqp_connection.hpp"

#include "core/wire/broker_documents.hpp"
#include "core/wire/curl_url.hpp"
#include "net/curl_fault.hpp"
#include "net/signals.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <new>

namespace cloudsat::net {
namespace {

using core::FaultKind;
using core::amqp::Fields;
using core::amqp::Frame;
using core::amqp::FrameType;
using core::amqp::FrameWriter;
using core::amqp::Method;

// RabbitMQ's proposal; frames may be smaller, never larger.
constexpr std::size_t most_frame = 131072;
constexpr std::size_t input_size = 2 * most_frame;
// Maximum number of bytes per step: a peer that never pauses must not keep control from the caller.
constexpr std::size_t most_in_step = 256 * 1024;
constexpr std::uint16_t wanted_heartbeat_s = 60;
constexpr std::int64_t close_timeout_ms = 1000;

void wipe(std::string& text) noexcept {
    explicit_bzero(text.data(), text.size());
    text.clear();
}

// The URL for curl with the same transport. Leaves an invalid AMQP URL unchanged, so that curl rejects it.
std::string transport_url(std::string_view url) {
    core::CurlUrl parts(url, CURLU_NON_SUPPORT_SCHEME);
    const std::string scheme = parts.get(CURLUPART_SCHEME);
    if (scheme != "amqp" && scheme != "amqps") {
        return std::string(url);
    }
    if (parts.get(CURLUPART_PORT).empty()) {
        parts.set(CURLUPART_PORT, scheme == "amqps" ? "5671" : "5672");
    }
    parts.set(CURLUPART_SCHEME, scheme == "amqps" ? "https" : "http");
    return parts.get(CURLUPART_URL);
}

// The fault for the code with which the broker closes a channel or the connection.
FaultKind fault_of_code(unsigned code) noexcept {
    switch (code) {
    case 200:
    case 320: // CONNECTION_FORCED: it is shutting down, or an administrator closed the connection
        return FaultKind::closed;
    case 402: // INVALID_PATH
    case 404:
        return FaultKind::not_found;
    case 403:
    case 530: // NOT_ALLOWED: no access to this vhost, or it does not exist
        return FaultKind::unauthorized;
    case 405: // RESOURCE_LOCKED: exclusive to another connection
        return FaultKind::forbidden;
    case 406:
    case 540:
        return FaultKind::bad_request;
    case 311: // CONTENT_TOO_LARGE
        return FaultKind::too_large;
    case 501:
    case 502:
    case 503:
    case 504:
    case 505:
        return FaultKind::protocol;
    default:
        return FaultKind::server_error;
    }
}

void put_flag(std::string& table, std::string_view key) {
    FrameWriter(table).short_string(key).octet('t').octet(1);
}

// Announces the client and the capabilities that it requests.
std::string client_properties() {
    std::string capabilities;
    // without the last one, a wrong password would get no answer
    for (const std::string_view wanted :
         {"connection.blocked", "consumer_cancel_notify", "basic.nack", "authentication_failure_close"}) {
        put_flag(capabilities, wanted);
    }
    std::string table;
    FrameWriter out(table);
    out.short_string("product").octet('S').long_string("cloudsat");
    out.short_string("capabilities").octet('F').long_string(capabilities);
    return table;
}

} // namespace

AmqpChannelUser::~AmqpChannelUser() {
    connection_.detach(*this);
}

AmqpConnection::~AmqpConnection() {
    abandon();
}

// --- tasks

void AmqpConnection::begin(Task task) {
    fault_ = {};
    task_ = task;
    started_ms_ = progress_ms_ = monotonic_ms();
}

void AmqpConnection::end() noexcept {
    task_ = Task::none;
    awaited_ = {};
}

void AmqpConnection::attach(AmqpChannelUser& user) noexcept {
    user_ = &user;
    content_ = Content::none;
}

void AmqpConnection::detach(const AmqpChannelUser& user) noexcept {
    if (user_ == &user) {
        user_ = nullptr;
    }
}

void AmqpConnection::note_progress(std::size_t bytes) noexcept {
    progress_ms_ = std::min(monotonic_ms(), progress_ms_ + static_cast<std::int64_t>(bytes));
}

void AmqpConnection::start_open(const AmqpLogin& login) {
    abandon();
    const SignalsBlocked blocked;
    in_.resize(input_size);
    begin(Task::open);
    state_ = State::connecting;
    reply_timeout_ms_ = std::max(login.reply_timeout_ms, 1L);
    max_body_ = login.max_body;
    login_user_ = login.user;
    password_ = login.password;
    vhost_ = login.vhost;
    frame_max_ = most_frame;
    CURLcode code = configure(login);
    if (code == CURLE_OK) {
        code = curl_.begin();
    }
    if (code != CURLE_OK) {
        fail_by_curl(code);
        return;
    }
    step();
}

CURLcode AmqpConnection::configure(const AmqpLogin& login) {
    const std::string url = transport_url(login.url);
    endpoint_ = endpoint_of(url, "the broker");
    CURL* const easy = curl_.easy();
    curl_easy_reset(easy); // may hold options of a start_open() that threw
    const Peer peer{.url = url,
                    .protocols = "http,https",
                    .protocol_bits = CURLPROTO_HTTP | CURLPROTO_HTTPS,
                    .connect_timeout_ms = login.connect_timeout_ms,
                    .tls_verify = login.tls_verify,
                    .ca_file = login.ca_file};
    if (const CURLcode code = set_peer(easy, peer); code != CURLE_OK) {
        return code;
    }
    curl_error_[0] = '\0';
    return CurlOptions(easy)
        .set(CURLOPT_ERRORBUFFER, curl_error_)
        .set(CURLOPT_CONNECT_ONLY, 1L)
        .set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1))
        .set(CURLOPT_SSL_ENABLE_ALPN, 0L) // the connection will not carry HTTP
        .code();
}

void AmqpConnection::start_count(std::string_view queue) {
    begin(Task::count);
    count_ = {};
    ask_count(queue);
    step();
}

void AmqpConnection::ask_count(std::string_view queue) {
    constexpr std::uint8_t passive = 1;
    ++counts_asked_;
    write(Method::queue_declare)
        .word(0)
        .short_string(queue)
        .octet(passive)
        .dword(0) // no arguments
        .end();
}

void AmqpConnection::start_remove(std::string_view queue) {
    begin(Task::remove);
    removed_ = 0;
    awaited_ = Method::queue_delete_ok;
    write(Method::queue_delete).word(0).short_string(queue).octet(0).end();
    step();
}

void AmqpConnection::start_close() {
    begin(Task::close);
    if (state_ != State::ready) {
        abandon();
        return;
    }
    content_ = Content::none;
    awaited_ = Method::channel_close_ok;
    // The channel first: its answer comes when the broker has processed everything on it.
    write(Method::channel_close).word(200).short_string("").word(0).word(0).end();
    step();
}

// --- the connection

void AmqpConnection::abandon() noexcept {
    if (socket_ != CURL_SOCKET_BAD) {
        curl_.watch(socket_, CURL_POLL_REMOVE);
    }
    socket_ = CURL_SOCKET_BAD;
    if (state_ != State::closed) {
        curl_.let_go(); // a connection detached from curl is closed without a farewell
    }
    state_ = State::closed;
    end();
    in_begin_ = in_end_ = 0;
    unread_ = false;
    counts_asked_ = 0;
    wipe(out_);
    wipe(password_);
    out_sent_ = 0;
    heartbeat_ms_ = 0;
    watching_output_ = false;
    blocked_.clear();
    content_ = Content::none;
    if (user_ != nullptr) {
        user_->on_disconnect();
    }
}

void AmqpConnection::fail(FaultKind kind, std::string_view what) {
    if (task_ == Task::close) {
        abandon();
        return;
    }
    std::array<std::byte, 1024> room;
    std::pmr::monotonic_buffer_resource arena(room.data(), room.size());
    fault_text_ = endpoint_;
    fault_text_ += ' ';
    fault_text_ += core::one_line(what, core::max_reason_size, &arena);
    abandon();
    fault_ = {kind, fault_text_};
}

void AmqpConnection::fail_by_curl(CURLcode code) {
    if (task_ == Task::close) {
        abandon();
        return;
    }
    Progress progress;
    progress.code = code;
    long error = 0;
    if (curl_easy_getinfo(curl_.easy(), CURLINFO_OS_ERRNO, &error) == CURLE_OK) {
        progress.os_error = static_cast<int>(error);
    }
    progress.connected = state_ != State::connecting;
    std::array<std::byte, 1024> room;
    std::pmr::monotonic_buffer_resource arena(room.data(), room.size());
    const std::string_view words = curl_error_[0] != '\0' ? curl_error_ : curl_easy_strerror(code);
    const FaultKind kind = fault_of(progress);
    fault_text_ = describe_fault({.kind = kind,
                                  .progress = progress,
                                  .endpoint = endpoint_,
                                  .detail = {},
                                  .reason = {},
                                  .curl_words = core::one_line(words, core::max_reason_size, &arena),
                                  .bytes = 0,
                                  .max_body = max_body_,
                                  .elapsed_ms = static_cast<long>(monotonic_ms() - started_ms_)});
    abandon();
    fault_ = {kind, fault_text_};
}

// connection.close and channel.close have the same fields. Both end everything: unacknowledged messages
// return to their queue.
void AmqpConnection::fail_by_close(Fields fields) {
    const unsigned code = fields.word();
    const std::string_view words = fields.short_string();
    std::string text = "refuses: ";
    const bool tells_password = !password_.empty() && words.find(password_) != std::string_view::npos;
    text += tells_password || words.empty() ? "code " + std::to_string(code) : std::string(words);
    fail(fault_of_code(code), text);
}

int AmqpConnection::timeout_ms() const noexcept {
    if (unread_ && task_ != Task::none) {
        return 0;
    }
    const std::int64_t now = monotonic_ms();
    std::int64_t next = std::numeric_limits<std::int64_t>::max();
    const auto by = [&next](std::int64_t deadline) { next = std::min(next, deadline); };
    if (const int curl = curl_.timeout_ms(); state_ == State::connecting && curl >= 0) {
        by(now + curl);
    }
    if (task_ != Task::none && state_ != State::connecting) {
        by(progress_ms_ + task_timeout_ms());
    }
    if (heartbeat_ms_ > 0) {
        by(sent_ms_ + heartbeat_ms_);
    }
    if (user_ != nullptr && !in_content()) {
        by(user_->deadline_ms().value_or(next));
    }
    if (next == std::numeric_limits<std::int64_t>::max()) {
        return -1;
    }
    return static_cast<int>(std::clamp<std::int64_t>(next - now, 0, std::numeric_limits<int>::max()));
}

void AmqpConnection::step() {
    try {
        if (state_ == State::connecting) {
            if (const auto code = curl_.step()) {
                *code == CURLE_OK ? greet() : fail_by_curl(*code);
            }
        }
        if (state_ == State::greeting || state_ == State::ready) {
            exchange();
            check_deadlines();
        } else if (state_ == State::closed && task_ != Task::none) {
            fail(FaultKind::closed, "is no longer connected");
        }
    } catch (const std::bad_alloc&) {
        fail(FaultKind::out_of_memory, "sent more than fits into memory");
    }
}

void AmqpConnection::greet() {
    if (curl_easy_getinfo(curl_.easy(), CURLINFO_ACTIVESOCKET, &socket_) != CURLE_OK ||
        socket_ == CURL_SOCKET_BAD) {
        fail_by_curl(CURLE_FAILED_INIT);
        return;
    }
    if (!curl_.watch(socket_, CURL_POLL_IN)) {
        fail(FaultKind::failed, "could not be waited for");
        return;
    }
    state_ = State::greeting;
    awaited_ = Method::connection_start;
    progress_ms_ = sent_ms_ = monotonic_ms();
    out_ += core::amqp::protocol_header;
}

std::int64_t AmqpConnection::task_timeout_ms() const noexcept {
    return task_ == Task::close ? close_timeout_ms : reply_timeout_ms_;
}

void AmqpConnection::fill_output() {
    if (user_ != nullptr && state_ == State::ready) {
        user_->fill_output();
    }
}

// Without a task nothing is read: data stays in the socket, so that the broker waits and memory does not
// grow.
void AmqpConnection::exchange() {
    std::size_t room = most_in_step;
    for (;;) {
        fill_output();
        const bool sent = send_some();
        const bool received = state_ != State::closed && !done() && receive_some(room);
        if (state_ == State::closed || (!sent && !received)) {
            break;
        }
    }
    unread_ = room == 0;
    if (state_ != State::closed) {
        watch();
    }
}

// True if something was sent.
bool AmqpConnection::send_some() {
    bool some = false;
    while (out_sent_ < out_.size()) {
        std::size_t sent = 0;
        const CURLcode code =
            curl_easy_send(curl_.easy(), out_.data() + out_sent_, out_.size() - out_sent_, &sent);
        if (code == CURLE_AGAIN) {
            break;
        }
        if (code != CURLE_OK) {
            fail_by_curl(code);
            return false;
        }
        out_sent_ += sent;
        sent_ms_ = monotonic_ms();
        progress_ms_ = sent_ms_;
        some = true;
    }
    if (out_sent_ == out_.size() && !out_.empty()) {
        constexpr std::size_t kept = 4u * 1024 * 1024;
        wipe(out_); // it may contain the password
        out_sent_ = 0;
        if (out_.capacity() > kept) {
            out_.shrink_to_fit();
        }
    }
    return some;
}

// Processes whole frames, and reads more as long as the task needs it and the step has room. True if
// something was received.
bool AmqpConnection::receive_some(std::size_t& room) {
    bool some = false;
    while (room > 0) {
        Frame frame;
        const std::string_view bytes(in_.data() + in_begin_, in_end_ - in_begin_);
        switch (core::amqp::read_frame(bytes, frame_max_, frame)) {
        case core::amqp::Framing::broken:
            fail(FaultKind::protocol, "does not speak AMQP 0-9-1");
            return false;
        case core::amqp::Framing::whole:
            in_begin_ += frame.size;
            room -= std::min(room, frame.size);
            some = true;
            on_frame(frame);
            if (state_ == State::closed || done()) {
                return false;
            }
            fill_output();
            continue;
        case core::amqp::Framing::partial:
            if (!receive_bytes()) {
                return some && state_ != State::closed;
            }
        }
    }
    return some;
}

// False if there are none, or the connection is over.
bool AmqpConnection::receive_bytes() {
    std::copy(in_.begin() + static_cast<std::ptrdiff_t>(in_begin_),
              in_.begin() + static_cast<std::ptrdiff_t>(in_end_), in_.begin());
    in_end_ -= in_begin_;
    in_begin_ = 0;
    std::size_t received = 0;
    const CURLcode code = curl_easy_recv(curl_.easy(), in_.data() + in_end_, in_.size() - in_end_, &received);
    if (code == CURLE_OK && received == 0) {
        fail(FaultKind::closed, "closed the connection");
    } else if (code != CURLE_OK && code != CURLE_AGAIN) {
        fail_by_curl(code);
    }
    in_end_ += received;
    return received > 0;
}

void AmqpConnection::watch() {
    const bool output = out_sent_ < out_.size();
    if (output != watching_output_) {
        watching_output_ = output;
        curl_.watch(socket_, output ? CURL_POLL_INOUT : CURL_POLL_IN);
    }
}

void AmqpConnection::check_deadlines() {
    if (state_ == State::closed) {
        return;
    }
    const std::int64_t now = monotonic_ms();
    if (user_ != nullptr && !in_content()) {
        user_->on_time(now);
    }
    if (task_ != Task::none && now - progress_ms_ >= task_timeout_ms()) {
        fail(FaultKind::timed_out, blocked_.empty()
                                       ? "did not answer within " + std::to_string(task_timeout_ms()) + " ms"
                                       : "accepts no messages: " + blocked_);
    } else if (heartbeat_ms_ > 0 && now - sent_ms_ >= heartbeat_ms_ && out_.empty()) {
        send_heartbeat();
    }
}

void AmqpConnection::send_heartbeat() {
    FrameWriter(out_).heartbeat();
    const std::int64_t progress = progress_ms_; // a heartbeat is not progress
    send_some();
    progress_ms_ = progress;
    if (state_ != State::closed) {
        watch();
    }
}

// --- methods from the broker

namespace {

bool is_about_connection(Method method) noexcept {
    constexpr std::uint32_t connection_class = 10;
    return static_cast<std::uint32_t>(method) >> 16U == connection_class;
}

bool is_about_connection(const Frame& frame) noexcept {
    return frame.type == FrameType::method &&
           is_about_connection(static_cast<Method>(Fields(frame.payload).dword()));
}

// While closing, everything else is ignored.
bool is_farewell(const Frame& frame) noexcept {
    const auto method = static_cast<Method>(Fields(frame.payload).dword());
    return frame.type == FrameType::method &&
           (method == Method::channel_close_ok || method == Method::connection_close_ok ||
            method == Method::channel_close || method == Method::connection_close);
}

} // namespace

void AmqpConnection::on_frame(const Frame& frame) {
    if (frame.type == FrameType::heartbeat || (task_ == Task::close && !is_farewell(frame))) {
        return;
    }
    if (frame.channel != (is_about_connection(frame) ? 0 : channel)) {
        fail(FaultKind::protocol, "sent a frame on a channel that was not opened");
        return;
    }
    switch (frame.type) {
    case FrameType::heartbeat:
        break;
    case FrameType::method: {
        Fields fields(frame.payload);
        const auto method = static_cast<Method>(fields.dword());
        on_method(method, fields);
        break;
    }
    case FrameType::header:
        on_header(frame.payload);
        break;
    case FrameType::body:
        on_body(frame.payload);
        break;
    }
}

// Whether the protocol allows this method at this point.
bool AmqpConnection::is_due(Method method) const noexcept {
    switch (method) {
    case Method::connection_close:
    case Method::connection_blocked:
    case Method::connection_unblocked:
        return true;
    case Method::channel_close:
        return state_ == State::ready;
    case Method::queue_declare_ok:
        return counts_asked_ > 0;
    default: // including channel.flow: RabbitMQ has not sent it since 2.8
        return method == awaited_ || (user_ != nullptr && user_->is_due(method));
    }
}

namespace {

// Whether the method by itself counts as progress of the task; the publisher decides about confirms.
bool is_progress(Method method) noexcept {
    return method != Method::connection_blocked && method != Method::connection_unblocked &&
           method != Method::basic_return && method != Method::basic_ack && method != Method::basic_nack;
}

} // namespace

void AmqpConnection::on_method(Method method, Fields& fields) {
    if (in_content() && method != Method::connection_close && method != Method::connection_blocked &&
        method != Method::connection_unblocked) {
        fail(FaultKind::protocol, "sent a method in the middle of a message");
        return;
    }
    if (!is_due(method)) {
        fail(FaultKind::protocol, "sent a method that was not asked for");
        return;
    }
    if (is_progress(method)) {
        note_progress();
    }
    dispatch(method, fields);
    if (state_ != State::closed && !fields.ok()) {
        fail(FaultKind::protocol, "sent a method with missing fields");
    }
}

void AmqpConnection::dispatch(Method method, Fields& fields) {
    switch (method) {
    case Method::channel_open_ok:
        state_ = State::ready;
        end();
        break;
    case Method::channel_close:
        fail_by_close(fields);
        break;
    case Method::channel_close_ok:
        awaited_ = Method::connection_close_ok;
        FrameWriter(out_).begin(0, Method::connection_close).word(200).short_string("").word(0).word(0).end();
        break;
    case Method::queue_declare_ok:
        on_count(fields);
        break;
    case Method::queue_delete_ok:
        removed_ = fields.dword();
        end();
        break;
    default:
        if (is_about_connection(method)) {
            on_connection_method(method, fields);
        } else if (user_ != nullptr) {
            user_->on_method(method, fields);
        }
        break;
    }
}

void AmqpConnection::on_connection_method(Method method, Fields& fields) {
    switch (method) {
    case Method::connection_start:
        on_start(fields);
        break;
    case Method::connection_tune:
        on_tune(fields);
        break;
    case Method::connection_open_ok:
        awaited_ = Method::channel_open_ok;
        write(Method::channel_open).short_string("").end();
        break;
    case Method::connection_blocked:
        blocked_ = fields.short_string();
        if (blocked_.empty()) {
            blocked_ = "it is low on resources";
        }
        break;
    case Method::connection_unblocked:
        blocked_.clear();
        break;
    case Method::connection_close:
        FrameWriter(out_).begin(0, Method::connection_close_ok).end();
        send_some(); // as much as the socket takes
        if (state_ != State::closed) {
            fail_by_close(fields);
        }
        break;
    default: // connection_close_ok
        abandon();
        break;
    }
}

void AmqpConnection::on_count(Fields& fields) {
    fields.short_string();
    count_.ready = fields.dword();
    count_.consumers = fields.dword();
    --counts_asked_;
    if (task_ == Task::count && counts_asked_ == 0) { // else it answers a request of a batch
        end();
    } else if (user_ != nullptr) {
        user_->on_count(count_);
    }
}

void AmqpConnection::on_start(Fields& fields) {
    awaited_ = Method::connection_tune;
    fields.octet();
    fields.octet();
    fields.long_string(); // server properties
    const std::string_view mechanisms = fields.long_string();
    if (mechanisms.find("PLAIN") == std::string_view::npos) {
        fail(FaultKind::unauthorized, "does not accept passwords (SASL mechanism PLAIN)");
        return;
    }
    std::string response;
    response.reserve(login_user_.size() + password_.size() + 2);
    response.append(1, '\0').append(login_user_).append(1, '\0').append(password_);
    FrameWriter(out_)
        .begin(0, Method::connection_start_ok)
        .long_string(client_properties())
        .short_string("PLAIN")
        .long_string(response)
        .short_string("en_US")
        .end();
    wipe(response);
}

void AmqpConnection::on_tune(Fields& fields) {
    awaited_ = Method::connection_open_ok;
    const std::uint16_t channels = fields.word();
    const std::size_t frame_max = fields.dword();
    const std::uint16_t heartbeat = fields.word();
    frame_max_ =
        frame_max == 0 ? most_frame : std::clamp(frame_max, core::amqp::smallest_frame_max, most_frame);
    const std::uint16_t agreed =
        heartbeat == 0 ? wanted_heartbeat_s : std::min(heartbeat, wanted_heartbeat_s);
    heartbeat_ms_ = std::int64_t{agreed} * 1000 / 2;
    FrameWriter out(out_);
    out.begin(0, Method::connection_tune_ok)
        .word(channels)
        .dword(static_cast<std::uint32_t>(frame_max_))
        .word(agreed)
        .end();
    out.begin(0, Method::connection_open).short_string(vhost_).short_string("").octet(0).end();
}

void AmqpConnection::on_header(std::string_view payload) {
    core::amqp::ContentHeader header;
    if (content_ != Content::header || !core::amqp::read_content_header(payload, header)) {
        fail(FaultKind::protocol, "sent a message's header out of turn");
        return;
    }
    body_left_ = header.body_size;
    content_ = Content::body;
    user_->on_header(header);
    if (content_ == Content::body && body_left_ == 0) {
        end_content();
    }
}

void AmqpConnection::on_body(std::string_view payload) {
    if (content_ != Content::body || payload.empty() || payload.size() > body_left_) {
        fail(FaultKind::protocol, "sent a message's body out of turn");
        return;
    }
    user_->on_body(payload, body_left_);
    body_left_ -= payload.size();
    if (body_left_ == 0) {
        end_content();
    }
}

void AmqpConnection::end_content() {
    content_ = Content::none;
    user_->on_content_end();
}

} // namespace cloudsat::net
