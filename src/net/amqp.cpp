// AMQP without waiting; see amqp.hpp. libcurl makes the connection (name, TCP, TLS) and hands it over
// (CURLOPT_CONNECT_ONLY); what goes over it is written and read here, never more than the socket takes.
#include "net/amqp.hpp"

#include "core/broker_documents.hpp"
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

constexpr std::uint16_t channel = 1;
// What RabbitMQ proposes; frames may be smaller, never larger.
constexpr std::size_t most_frame = 131072;
constexpr std::size_t input_size = 2 * most_frame;
// What one step deals with at most: a peer that never pauses must not keep its caller from looking around.
constexpr std::size_t most_in_step = 256 * 1024;
constexpr std::uint16_t wanted_heartbeat_s = 60;
constexpr std::int64_t close_patience_ms = 1000;
constexpr std::string_view consumer_tag = "cloudsat";

void wipe(std::string& text) noexcept {
    explicit_bzero(text.data(), text.size());
    text.clear();
}

struct Scheme {
    std::string_view name;
    std::string_view curls; // what curl calls the same transport
    std::string_view port;
};
constexpr std::array schemes{Scheme{"amqps://", "https://", ":5671"}, Scheme{"amqp://", "http://", ":5672"}};

bool has_prefix(std::string_view text, std::string_view lower) noexcept {
    return text.size() >= lower.size() &&
           std::equal(lower.begin(), lower.end(), text.begin(), [](char a, char b) {
               return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
           });
}

// The URL as curl wants it, and the endpoint for people. Options are checked elsewhere; what is no AMQP URL
// is left as it is, and curl refuses it.
struct Target {
    std::string url;
    std::string endpoint;
};
Target target_of(std::string_view url) {
    for (const Scheme& scheme : schemes) {
        if (!has_prefix(url, scheme.name)) {
            continue;
        }
        std::string_view authority = url.substr(scheme.name.size());
        authority = authority.substr(0, authority.find('/'));
        const std::size_t bracket = authority.find(']');
        const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
        const std::string_view host = authority.substr(0, colon);
        const std::string port(colon == std::string_view::npos ? scheme.port : authority.substr(colon));
        return {std::string(scheme.curls).append(host).append(port),
                std::string(host).append(" port ").append(port.substr(1))};
    }
    return {std::string(url), "the broker"};
}

// What the broker means when it closes a channel or the connection.
FaultKind fault_of_code(unsigned code) noexcept {
    switch (code) {
    case 200:
    case 320: // CONNECTION_FORCED: it is shutting down, or an administrator closed it
        return FaultKind::closed;
    case 402: // INVALID_PATH
    case 404:
        return FaultKind::not_found;
    case 403:
    case 530: // NOT_ALLOWED: not in this vhost, or there is none
        return FaultKind::unauthorized;
    case 405: // RESOURCE_LOCKED: somebody has it exclusively
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

// What we are, and what we want to be told.
std::string client_properties() {
    std::string capabilities;
    // without the last one a wrong password would be answered by silence
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

Amqp::~Amqp() {
    abandon();
}

// --- tasks
// ---------------------------------------------------------------------------------------------------

void Amqp::begin(Task task) {
    fault_ = {};
    task_ = task;
    started_ms_ = progress_ms_ = monotonic_ms();
}

void Amqp::end() noexcept {
    task_ = Task::none;
    awaited_ = {};
}

void Amqp::start_open(const AmqpLogin& login) {
    abandon();
    const SignalsBlocked blocked;
    in_.resize(input_size);
    begin(Task::open);
    state_ = State::connecting;
    silence_ms_ = std::max(login.silence_ms, 1L);
    max_body_ = login.max_body;
    user_ = login.user;
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

CURLcode Amqp::configure(const AmqpLogin& login) {
    const Target target = target_of(login.url);
    endpoint_ = target.endpoint;
    CURL* const easy = curl_.easy();
    curl_easy_reset(easy); // whatever a start_open() that threw may have left
    const Peer peer{.url = target.url,
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
        .set(CURLOPT_SSL_ENABLE_ALPN, 0L) // it is not HTTP that we are going to speak
        .code();
}

void Amqp::start_count(std::string_view queue) {
    begin(Task::count);
    count_ = {};
    put_count(queue);
    step();
}

void Amqp::put_count(std::string_view queue) {
    constexpr std::uint8_t passive = 1;
    ++questions_;
    FrameWriter(out_)
        .begin(channel, Method::queue_declare)
        .word(0)
        .short_string(queue)
        .octet(passive)
        .dword(0) // no arguments
        .end();
}

void Amqp::start_remove(std::string_view queue) {
    begin(Task::remove);
    removed_ = 0;
    awaited_ = Method::queue_delete_ok;
    FrameWriter(out_).begin(channel, Method::queue_delete).word(0).short_string(queue).octet(0).end();
    step();
}

void Amqp::start_taking(std::string_view queue, Taking way, std::uint16_t window, std::uint64_t most) {
    begin(Task::prepare);
    queue_ = queue;
    way_ = way;
    most_ = most;
    window_ = std::min<std::uint64_t>(std::max<std::uint16_t>(window, 1), most);
    asked_ = came_ = on_their_way_ = 0;
    safe_tag_ = safe_ = acknowledged_ = 0;
    drained_ = most == 0;
    ending_ = cancelling_ = consuming_ = false;
    batch_.clear();
    incoming_ = Incoming::nothing;
    returned_content_ = false;
    if (way == Taking::get || most == 0) {
        end();
        return;
    }
    consuming_ = true;
    asked_ = most;
    awaited_ = Method::basic_qos_ok;
    FrameWriter out(out_);
    out.begin(channel, Method::basic_qos).dword(0).word(static_cast<std::uint16_t>(window_)).octet(0).end();
    out.begin(channel, Method::basic_consume)
        .word(0)
        .short_string(queue)
        .short_string(consumer_tag)
        .octet(0)
        .dword(0)
        .end();
    step();
}

void Amqp::start_batch(const BatchLimits& limits, std::pmr::memory_resource* memory) {
    const bool unacknowledged = !batch_.empty();
    begin(Task::batch);
    if (unacknowledged) {
        // Acknowledging the next one would acknowledge this one, too.
        fail(FaultKind::failed, "was asked for more before the last messages were acknowledged");
        return;
    }
    limits_ = limits;
    memory_ = memory;
    batch_.clear();
    batch_bytes_ = 0;
    last_message_ms_ = started_ms_;
    next_question_ms_ = started_ms_ + limits.patience_ms;
    step();
}

void Amqp::acknowledge() {
    if (batch_.empty()) {
        return;
    }
    safe_tag_ = batch_.back().tag;
    safe_ = came_;
    batch_.clear();
    if (consuming_ && safe_ + window_ > most_) {
        ending_ = true; // what this would bring is more than wanted
    }
    if (!consuming_ || !ending_) {
        send_acknowledgement();
    } else {
        maybe_cancel();
    }
    step();
}

void Amqp::send_acknowledgement() {
    if (safe_ > acknowledged_) {
        acknowledged_ = safe_;
        FrameWriter(out_).begin(channel, Method::basic_ack).qword(safe_tag_).octet(1).end();
    }
}

void Amqp::end_taking() {
    most_ = std::min(most_, asked_);
    ending_ = true;
    maybe_cancel();
}

// A quorum queue that has given a message to a consumer which ends before the message reaches it puts it back
// at the tail, and counts that as a delivery. So the consumer ends when as many messages as it may hold have
// come, and only then is any of them acknowledged, which would bring more.
void Amqp::maybe_cancel() {
    if (ending_ && came_ - acknowledged_ >= window_) {
        cancel();
    }
}

// Nothing has come for a while: because the queue has no more, or because the broker is slow. When it has
// none, what it gave out before it said so is there before a cancel can reach it.
void Amqp::ask_whether_drained(std::int64_t idle) {
    if (idle >= silence_ms_) {
        fail(FaultKind::timed_out, "has messages and delivers none");
        return;
    }
    put_count(queue_);
    exchange();
}

void Amqp::cancel() {
    if (consuming_ && !cancelling_) {
        cancelling_ = true;
        ++cancels_;
        FrameWriter(out_).begin(channel, Method::basic_cancel).short_string(consumer_tag).octet(0).end();
    }
}

void Amqp::end_consuming() {
    consuming_ = false;
    send_acknowledgement();
    if (task_ == Task::batch) {
        end();
    }
}

bool Amqp::exhausted() const noexcept {
    if (incoming_ != Incoming::nothing) {
        return false;
    }
    return way_ == Taking::consume ? !consuming_ : on_their_way_ == 0 && (drained_ || asked_ >= most_);
}

void Amqp::start_publishing(std::string_view queue) {
    begin(Task::prepare);
    queue_ = queue;
    unconfirmed_.clear();
    unconfirmed_bytes_ = unanswered_ = 0;
    published_ = 0;
    confirmed_.clear();
    refusal_.clear();
    returned_ = returned_content_ = false;
    incoming_ = Incoming::nothing;
    awaited_ = Method::confirm_select_ok;
    FrameWriter(out_).begin(channel, Method::confirm_select).octet(0).end();
    step();
}

void Amqp::publish(std::string_view properties, std::string_view body) {
    constexpr std::uint8_t mandatory = 1; // else a message to a missing queue would be confirmed, and lost
    const std::size_t before = out_.size();
    FrameWriter out(out_);
    out.begin(channel, Method::basic_publish)
        .word(0)
        .short_string("")
        .short_string(queue_)
        .octet(mandatory)
        .end();
    out.content(channel, properties, body, frame_max_);
    const std::size_t size = out_.size() - before;
    unconfirmed_.push_back({++published_, size, false});
    unconfirmed_bytes_ += size;
    ++unanswered_;
    constexpr std::size_t worth_sending = 64 * 1024;
    if (out_.size() - out_sent_ >= worth_sending) {
        step(); // what the socket takes now, so that the broker has something to do while more is put in line
    }
}

void Amqp::start_confirming(std::size_t unconfirmed) {
    begin(Task::confirm);
    confirm_limit_ = unconfirmed;
    step();
    look_at_confirms();
}

void Amqp::start_close() {
    begin(Task::close);
    if (state_ != State::ready) {
        abandon();
        return;
    }
    incoming_ = Incoming::nothing;
    awaited_ = Method::channel_close_ok;
    // The channel first: its answer comes when all that we said on it has been dealt with.
    FrameWriter(out_).begin(channel, Method::channel_close).word(200).short_string("").word(0).word(0).end();
    step();
}

// --- the connection
// ------------------------------------------------------------------------------------------

void Amqp::abandon() noexcept {
    if (socket_ != CURL_SOCKET_BAD) {
        curl_.watch(socket_, CURL_POLL_REMOVE);
    }
    socket_ = CURL_SOCKET_BAD;
    if (state_ != State::closed) {
        curl_.let_go(); // a connection that is not curl's to use is closed without a word
    }
    state_ = State::closed;
    end();
    in_begin_ = in_end_ = 0;
    unread_ = false;
    questions_ = cancels_ = published_ = 0;
    wipe(out_);
    wipe(password_);
    out_sent_ = 0;
    heartbeat_ms_ = 0;
    watching_output_ = false;
    blocked_.clear();
    batch_.clear();
    incoming_ = Incoming::nothing;
    consuming_ = cancelling_ = ending_ = false;
    on_their_way_ = 0;
    drained_ = true;
}

void Amqp::fail(FaultKind kind, std::string_view what) {
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

void Amqp::fail_by_curl(CURLcode code) {
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

// connection.close and channel.close have the same fields. Either ends all: what is not sure is given back.
void Amqp::fail_by_close(Fields fields) {
    const unsigned code = fields.word();
    const std::string_view words = fields.short_string();
    std::string text = "refuses: ";
    const bool tells_password = !password_.empty() && words.find(password_) != std::string_view::npos;
    text += tells_password || words.empty() ? "code " + std::to_string(code) : std::string(words);
    fail(fault_of_code(code), text);
}

int Amqp::timeout_ms() const noexcept {
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
        by(progress_ms_ + (task_ == Task::close ? close_patience_ms : silence_ms_));
    }
    if (heartbeat_ms_ > 0) {
        by(sent_ms_ + heartbeat_ms_);
    }
    if (task_ == Task::batch && incoming_ == Incoming::nothing) {
        if (!batch_.empty()) {
            by(last_message_ms_ + limits_.lull_ms);
        } else if (consuming_ && !cancelling_) {
            by(next_question_ms_);
        }
    }
    if (next == std::numeric_limits<std::int64_t>::max()) {
        return -1;
    }
    return static_cast<int>(std::clamp<std::int64_t>(next - now, 0, std::numeric_limits<int>::max()));
}

void Amqp::step() {
    try {
        if (state_ == State::connecting) {
            if (const auto code = curl_.step()) {
                *code == CURLE_OK ? greet() : fail_by_curl(*code);
            }
        }
        if (state_ == State::greeting || state_ == State::ready) {
            exchange();
            look_at_time();
        } else if (state_ == State::closed && task_ != Task::none) {
            fail(FaultKind::closed, "is not connected any more");
        }
    } catch (const std::bad_alloc&) {
        fail(FaultKind::out_of_memory, "sent more than there is memory for");
    }
}

void Amqp::greet() {
    if (curl_easy_getinfo(curl_.easy(), CURLINFO_ACTIVESOCKET, &socket_) != CURLE_OK ||
        socket_ == CURL_SOCKET_BAD) {
        fail_by_curl(CURLE_FAILED_INIT);
        return;
    }
    if (!curl_.watch(socket_, CURL_POLL_IN)) {
        fail(FaultKind::failed, "cannot be waited for");
        return;
    }
    state_ = State::greeting;
    awaited_ = Method::connection_start;
    progress_ms_ = sent_ms_ = monotonic_ms();
    out_ += core::amqp::protocol_header;
}

// Whether the task needs more to come in. When it does not, what comes stays where it is: in the socket, so
// that the broker waits and our memory does not grow.
bool Amqp::wants_input() const noexcept {
    return task_ != Task::none;
}

void Amqp::exchange() {
    std::size_t room = most_in_step;
    for (;;) {
        ask_for_more();
        const bool sent = send_some();
        const bool received = state_ != State::closed && wants_input() && receive_some(room);
        if (state_ == State::closed || (!sent && !received)) {
            break;
        }
    }
    unread_ = room == 0;
    if (state_ != State::closed) {
        watch();
    }
}

// True when something went out.
bool Amqp::send_some() {
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
        wipe(out_); // the password may have been in it
        out_sent_ = 0;
        if (out_.capacity() > kept) {
            out_.shrink_to_fit();
        }
    }
    return some;
}

// Deals with whole frames, and reads more as long as the task wants it and the step has room. True when
// something came.
bool Amqp::receive_some(std::size_t& room) {
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
            if (state_ == State::closed || !wants_input()) {
                return false;
            }
            ask_for_more();
            continue;
        case core::amqp::Framing::partial:
            break;
        }
        std::memmove(in_.data(), bytes.data(), bytes.size());
        in_begin_ = 0;
        in_end_ = bytes.size();
        std::size_t received = 0;
        const CURLcode code =
            curl_easy_recv(curl_.easy(), in_.data() + in_end_, in_.size() - in_end_, &received);
        if (code == CURLE_AGAIN) {
            return some;
        }
        if (code != CURLE_OK) {
            fail_by_curl(code);
            return false;
        }
        if (received == 0) {
            fail(FaultKind::closed, "closed the connection");
            return false;
        }
        in_end_ += received;
    }
    return some;
}

void Amqp::watch() {
    const bool output = out_sent_ < out_.size();
    if (output != watching_output_) {
        watching_output_ = output;
        curl_.watch(socket_, output ? CURL_POLL_INOUT : CURL_POLL_IN);
    }
}

void Amqp::look_at_time() {
    if (state_ == State::closed) {
        return;
    }
    const std::int64_t now = monotonic_ms();
    if (task_ == Task::batch && incoming_ == Incoming::nothing) {
        const std::int64_t idle = now - last_message_ms_;
        if (!batch_.empty() && idle >= limits_.lull_ms) {
            end();
        } else if (batch_.empty() && consuming_ && !cancelling_ && now >= next_question_ms_) {
            next_question_ms_ = now + limits_.patience_ms;
            ask_whether_drained(idle);
        }
    }
    const std::int64_t patience = task_ == Task::close ? close_patience_ms : silence_ms_;
    if (task_ != Task::none && now - progress_ms_ >= patience) {
        if (blocked_.empty()) {
            fail(FaultKind::timed_out, "did not answer within " + std::to_string(patience) + " ms");
        } else {
            fail(FaultKind::timed_out, "takes no messages: " + blocked_);
        }
        return;
    }
    if (heartbeat_ms_ > 0 && now - sent_ms_ >= heartbeat_ms_ && out_.empty()) {
        FrameWriter(out_).heartbeat();
        const std::int64_t progress = progress_ms_; // a heartbeat is none
        send_some();
        progress_ms_ = progress;
        if (state_ != State::closed) {
            watch();
        }
    }
}

// --- what the broker says
// ------------------------------------------------------------------------------------

namespace {

bool is_about_connection(const Frame& frame) noexcept {
    constexpr std::uint16_t connection_class = 10;
    return frame.type == FrameType::method && Fields(frame.payload).word() == connection_class;
}

// While we leave, nothing else is of interest.
bool is_farewell(const Frame& frame) noexcept {
    const auto method = static_cast<Method>(Fields(frame.payload).dword());
    return frame.type == FrameType::method &&
           (method == Method::channel_close_ok || method == Method::connection_close_ok ||
            method == Method::channel_close || method == Method::connection_close);
}

} // namespace

void Amqp::on_frame(const Frame& frame) {
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
        on_method(static_cast<Method>(fields.dword()), fields);
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

// Whether the conversation has come to where this method belongs.
bool Amqp::is_due(Method method) const noexcept {
    switch (method) {
    case Method::connection_close:
    case Method::connection_blocked:
    case Method::connection_unblocked:
        return true;
    case Method::channel_close:
        return state_ == State::ready;
    case Method::queue_declare_ok:
        return questions_ > 0;
    case Method::basic_cancel:
        return consuming_;
    case Method::basic_cancel_ok:
        return cancels_ > 0;
    case Method::basic_deliver:
        return task_ == Task::batch && consuming_ && came_ < acknowledged_ + window_;
    case Method::basic_get_ok:
    case Method::basic_get_empty:
        return task_ == Task::batch && on_their_way_ > 0;
    case Method::basic_return:
        return unanswered_ > 0;
    case Method::basic_ack:
    case Method::basic_nack:
        return published_ > 0;
    default: // among them channel.flow: RabbitMQ has not sent it since 2.8
        return method == awaited_;
    }
}

namespace {

// What brings the task forward by itself; of confirms, on_confirm() says.
bool is_progress(Method method) noexcept {
    return method != Method::connection_blocked && method != Method::connection_unblocked &&
           method != Method::basic_return && method != Method::basic_ack && method != Method::basic_nack;
}

} // namespace

void Amqp::on_method(Method method, Fields fields) {
    if (incoming_ != Incoming::nothing && method != Method::connection_close &&
        method != Method::connection_blocked && method != Method::connection_unblocked) {
        fail(FaultKind::protocol, "sent a method in the middle of a message");
        return;
    }
    if (!is_due(method)) {
        fail(FaultKind::protocol, "sent a method that was not asked for");
        return;
    }
    if (is_progress(method)) {
        progress_ms_ = monotonic_ms();
    }
    switch (method) {
    case Method::connection_start:
        on_start(fields);
        break;
    case Method::connection_tune:
        on_tune(fields);
        break;
    case Method::connection_open_ok:
        awaited_ = Method::channel_open_ok;
        FrameWriter(out_).begin(channel, Method::channel_open).short_string("").end();
        break;
    case Method::channel_open_ok:
        state_ = State::ready;
        end();
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
        send_some(); // as far as it goes at once
        if (state_ != State::closed) {
            fail_by_close(fields);
        }
        break;
    case Method::channel_close:
        fail_by_close(fields);
        break;
    case Method::channel_close_ok:
        awaited_ = Method::connection_close_ok;
        FrameWriter(out_).begin(0, Method::connection_close).word(200).short_string("").word(0).word(0).end();
        break;
    case Method::connection_close_ok:
        abandon();
        break;
    case Method::queue_declare_ok:
        fields.short_string();
        count_.ready = fields.dword();
        count_.consumers = fields.dword();
        --questions_;
        if (task_ == Task::count && questions_ == 0) { // else it answers what a batch has asked
            end();
        } else if (task_ == Task::batch && count_.ready == 0) {
            cancel();
        }
        break;
    case Method::queue_delete_ok:
        removed_ = fields.dword();
        end();
        break;
    case Method::basic_qos_ok:
        awaited_ = Method::basic_consume_ok;
        break;
    case Method::basic_consume_ok:
    case Method::confirm_select_ok:
        end();
        break;
    case Method::basic_cancel: // the queue is gone, or has moved
        end_consuming();
        break;
    case Method::basic_cancel_ok:
        --cancels_;
        if (cancelling_ && cancels_ == 0) { // else the broker's own cancel was faster
            end_consuming();
        }
        break;
    case Method::basic_deliver:
        fields.short_string(); // the consumer's tag
        on_delivery(fields, false);
        break;
    case Method::basic_get_ok:
        on_delivery(fields, true);
        break;
    case Method::basic_get_empty:
        --on_their_way_;
        drained_ = true;
        if (task_ == Task::batch && exhausted()) {
            end();
        }
        break;
    case Method::basic_return:
        // Comes before the confirm of the same message, which is as good as any: so from now on no confirm
        // counts. What was confirmed before had a queue to go to.
        returned_ = true;
        if (refusal_.empty()) {
            fields.word();
            refusal_ = fields.short_string();
            refusal_ = refusal_ == "NO_ROUTE" ? "there is no such queue" : refusal_;
        }
        incoming_ = Incoming::header;
        returned_content_ = true;
        break;
    case Method::basic_ack: {
        const std::uint64_t tag = fields.qword();
        on_confirm(tag, (fields.octet() & 1U) != 0, true);
        break;
    }
    case Method::basic_nack: {
        const std::uint64_t tag = fields.qword();
        on_confirm(tag, (fields.octet() & 1U) != 0, false);
        break;
    }
    default:
        fail(FaultKind::protocol, "sent a method that was not asked for");
        break;
    }
    if (state_ != State::closed && !fields.well()) {
        fail(FaultKind::protocol, "sent a method without all of its fields");
    }
}

void Amqp::on_start(Fields fields) {
    awaited_ = Method::connection_tune;
    fields.octet();
    fields.octet();
    fields.long_string(); // what the broker is
    const std::string_view mechanisms = fields.long_string();
    if (mechanisms.find("PLAIN") == std::string_view::npos) {
        fail(FaultKind::unauthorized, "takes no password (SASL mechanism PLAIN)");
        return;
    }
    std::string response;
    response.reserve(user_.size() + password_.size() + 2);
    response.append(1, '\0').append(user_).append(1, '\0').append(password_);
    FrameWriter(out_)
        .begin(0, Method::connection_start_ok)
        .long_string(client_properties())
        .short_string("PLAIN")
        .long_string(response)
        .short_string("en_US")
        .end();
    wipe(response);
}

void Amqp::on_tune(Fields fields) {
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

std::string_view Amqp::keep(std::string_view bytes) {
    auto* copy = static_cast<char*>(memory_->allocate(bytes.size() + 1, 1));
    *std::copy(bytes.begin(), bytes.end(), copy) = '\0';
    return {copy, bytes.size()};
}

void Amqp::on_delivery(Fields fields, bool got) {
    if (got) {
        --on_their_way_;
    }
    delivery_ = {};
    delivery_.tag = fields.qword();
    delivery_.redelivered = (fields.octet() & 1U) != 0;
    delivery_.exchange = keep(fields.short_string());
    delivery_.routing_key = keep(fields.short_string());
    if (!fields.well()) {
        fail(FaultKind::protocol, "sent a message without all of its fields");
        return;
    }
    incoming_ = Incoming::header;
    returned_content_ = false;
}

void Amqp::on_header(std::string_view payload) {
    core::amqp::ContentHeader header;
    if (incoming_ != Incoming::header || !core::amqp::read_content_header(payload, header)) {
        fail(FaultKind::protocol, "sent a message's header out of turn");
        return;
    }
    body_left_ = header.body_size;
    incoming_ = Incoming::body;
    if (!returned_content_) {
        if (header.body_size > max_body_) {
            fail(FaultKind::too_large, "has a message of " + std::to_string(header.body_size) +
                                           " bytes, more than max_body allows");
            return;
        }
        progress_ms_ = monotonic_ms();
        delivery_.properties = keep(header.properties);
        delivery_.body_size = static_cast<std::size_t>(header.body_size);
        auto* room = static_cast<char*>(
            memory_->allocate(limits_.lead + delivery_.body_size, alignof(std::max_align_t) / 2));
        delivery_.body = room + limits_.lead;
    }
    if (body_left_ == 0) {
        end_message();
    }
}

void Amqp::on_body(std::string_view payload) {
    if (incoming_ != Incoming::body || payload.empty() || payload.size() > body_left_) {
        fail(FaultKind::protocol, "sent a message's body out of turn");
        return;
    }
    if (!returned_content_) {
        // Each byte buys a millisecond: a body that comes slower than that for long counts as silence.
        progress_ms_ = std::min(monotonic_ms(), progress_ms_ + static_cast<std::int64_t>(payload.size()));
        std::memcpy(delivery_.body + (delivery_.body_size - static_cast<std::size_t>(body_left_)),
                    payload.data(), payload.size());
    }
    body_left_ -= payload.size();
    if (body_left_ == 0) {
        end_message();
    }
}

void Amqp::end_message() {
    incoming_ = Incoming::nothing;
    if (returned_content_) {
        returned_content_ = false;
        return;
    }
    batch_.push_back(delivery_);
    batch_bytes_ += delivery_.body_size;
    ++came_;
    last_message_ms_ = progress_ms_ = monotonic_ms();
    ending_ = ending_ || came_ >= most_;
    maybe_cancel();
    if (batch_.size() >= limits_.messages || batch_bytes_ >= limits_.bytes || exhausted()) {
        end();
    }
}

// Keeps as many gets on their way as the window allows: the next batch is coming while this one is stored.
void Amqp::ask_for_more() {
    if (state_ != State::ready || way_ != Taking::get || task_ != Task::batch || drained_) {
        if (task_ == Task::batch && state_ == State::ready && batch_.empty() && exhausted()) {
            end();
        }
        return;
    }
    if (on_their_way_ * 2 > window_ && on_their_way_ > 0) {
        return; // in bunches, which are fewer and larger writes
    }
    FrameWriter out(out_);
    while (on_their_way_ < window_ && asked_ < most_) {
        out.begin(channel, Method::basic_get).word(0).short_string(queue_).octet(0).end();
        ++on_their_way_;
        ++asked_;
    }
    if (exhausted()) {
        end();
    }
}

void Amqp::on_confirm(std::uint64_t tag, bool multiple, bool taken) {
    if (tag == 0 || tag > published_) {
        fail(FaultKind::protocol, "confirmed a message that was not published");
        return;
    }
    if (!taken && refusal_.empty()) {
        refusal_ = "the queue takes no more messages";
    }
    // In order of their numbers; confirms come mostly so.
    auto at = multiple ? unconfirmed_.begin()
                       : std::lower_bound(unconfirmed_.begin(), unconfirmed_.end(), tag,
                                          [](const Unconfirmed& u, std::uint64_t t) { return u.number < t; });
    for (; at != unconfirmed_.end() && at->number <= tag; ++at) {
        if (!at->answered) {
            at->answered = true;
            progress_ms_ = monotonic_ms();
            unconfirmed_bytes_ -= at->bytes;
            --unanswered_;
            if (taken && !returned_) {
                confirmed_.push_back(at->number);
            }
        }
    }
    while (!unconfirmed_.empty() && unconfirmed_.front().answered) {
        unconfirmed_.pop_front();
    }
    look_at_confirms();
}

void Amqp::look_at_confirms() {
    if (task_ != Task::confirm) {
        return;
    }
    const bool few = unanswered_ == 0 || (confirm_limit_ > 0 && unconfirmed_bytes_ <= confirm_limit_);
    if (refusal_.empty() ? few : unanswered_ == 0) {
        end();
    }
}

} // namespace cloudsat::net
