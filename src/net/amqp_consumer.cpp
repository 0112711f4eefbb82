// Taking messages; see amqp_consumer.hpp.
#include "net/amqp_consumer.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <cstring>

namespace cloudsat::net {
namespace {

using core::FaultKind;
using core::amqp::Fields;
using core::amqp::Method;
using Task = AmqpConnection::Task;

constexpr std::string_view consumer_tag = "cloudsat";

} // namespace

void AmqpConsumer::start(std::string_view queue, Taking way, std::uint16_t prefetch, std::uint64_t most) {
    connection_.begin(Task::prepare);
    connection_.attach(*this);
    queue_ = queue;
    way_ = way;
    most_ = most;
    prefetch_ = std::min<std::uint64_t>(std::max<std::uint16_t>(prefetch, 1), most);
    asked_ = came_ = gets_ = 0;
    safe_tag_ = safe_ = acknowledged_ = 0;
    drained_ = most == 0;
    ending_ = cancelling_ = consuming_ = false;
    batch_.clear();
    if (way == Taking::get || most == 0) {
        connection_.end();
        return;
    }
    consuming_ = true;
    asked_ = most;
    connection_.await(Method::basic_qos_ok);
    connection_.write(Method::basic_qos).dword(0).word(static_cast<std::uint16_t>(prefetch_)).octet(0).end();
    connection_.write(Method::basic_consume)
        .word(0)
        .short_string(queue)
        .short_string(consumer_tag)
        .octet(0)
        .dword(0)
        .end();
    connection_.step();
}

void AmqpConsumer::start_batch(const BatchLimits& limits, std::pmr::memory_resource* memory) {
    const bool unacknowledged = !batch_.empty();
    connection_.begin(Task::batch);
    if (unacknowledged) {
        // Acknowledging the next batch would acknowledge this one, too.
        connection_.fail(FaultKind::failed,
                         "was asked for more messages before the last messages were acknowledged");
        return;
    }
    limits_ = limits;
    memory_ = memory;
    batch_.clear();
    batch_bytes_ = 0;
    last_message_ms_ = connection_.started_ms();
    next_recount_ms_ = last_message_ms_ + limits.recount_interval_ms;
    connection_.step();
}

void AmqpConsumer::acknowledge() {
    if (batch_.empty()) {
        return;
    }
    safe_tag_ = batch_.back().tag;
    safe_ = came_;
    batch_.clear();
    if (consuming_ && safe_ + prefetch_ > most_) {
        ending_ = true; // it would bring more than wanted
    }
    if (!consuming_ || !ending_) {
        send_acknowledgement();
    } else {
        maybe_cancel();
    }
    connection_.step();
}

void AmqpConsumer::send_acknowledgement() {
    if (safe_ > acknowledged_) {
        acknowledged_ = safe_;
        connection_.write(Method::basic_ack).qword(safe_tag_).octet(1).end();
    }
}

void AmqpConsumer::stop() {
    most_ = std::min(most_, asked_);
    ending_ = true;
    maybe_cancel();
}

// If a consumer ends before a message from a quorum queue reaches it, the queue returns the message to the
// tail and counts a delivery. So the consumer ends when it has received as many messages as it may hold; only
// then are any of them acknowledged, which would bring more.
void AmqpConsumer::maybe_cancel() {
    if (ending_ && came_ - acknowledged_ >= prefetch_) {
        cancel();
    }
}

void AmqpConsumer::cancel() {
    if (consuming_ && !cancelling_) {
        cancelling_ = true;
        ++cancels_;
        connection_.write(Method::basic_cancel).short_string(consumer_tag).octet(0).end();
    }
}

void AmqpConsumer::end_consuming() {
    consuming_ = false;
    send_acknowledgement();
    if (in_batch()) {
        connection_.end();
    }
}

bool AmqpConsumer::exhausted() const noexcept {
    if (connection_.in_content()) {
        return false;
    }
    return way_ == Taking::consume ? !consuming_ : gets_ == 0 && (drained_ || asked_ >= most_);
}

void AmqpConsumer::on_disconnect() noexcept {
    batch_.clear();
    consuming_ = cancelling_ = ending_ = false;
    gets_ = cancels_ = 0;
    drained_ = true;
}

// Keeps as many gets in flight as allowed: the next batch arrives while this one is stored.
void AmqpConsumer::fill_output() {
    if (!in_batch()) {
        return;
    }
    if (way_ == Taking::get && !drained_) {
        if (gets_ * 2 > prefetch_ && gets_ > 0) {
            return; // in groups, for fewer and larger writes
        }
        for (; gets_ < prefetch_ && asked_ < most_; ++gets_, ++asked_) {
            connection_.write(Method::basic_get).word(0).short_string(queue_).octet(0).end();
        }
    } else if (!batch_.empty()) {
        return;
    }
    if (exhausted()) {
        connection_.end();
    }
}

std::optional<std::int64_t> AmqpConsumer::deadline_ms() const noexcept {
    if (!in_batch()) {
        return std::nullopt;
    }
    if (!batch_.empty()) {
        return last_message_ms_ + limits_.idle_interval_ms;
    }
    return consuming_ && !cancelling_ ? std::optional(next_recount_ms_) : std::nullopt;
}

void AmqpConsumer::on_time(std::int64_t now) {
    const auto deadline = deadline_ms();
    if (!deadline || now < *deadline) {
        return;
    }
    if (!batch_.empty()) {
        connection_.end();
        return;
    }
    next_recount_ms_ = now + limits_.recount_interval_ms;
    ask_whether_drained(now - last_message_ms_);
}

// No message for a while: the queue is empty, or the broker is slow. If the broker reports none, messages
// sent before that report arrive before a cancel can take effect.
void AmqpConsumer::ask_whether_drained(std::int64_t idle) {
    if (idle >= connection_.reply_timeout_ms()) {
        connection_.fail(FaultKind::timed_out, "has messages but delivers none");
        return;
    }
    connection_.ask_count(queue_);
    connection_.exchange();
}

void AmqpConsumer::on_count(const QueueCount& count) {
    if (in_batch() && count.ready == 0) {
        cancel();
    }
}

// --- methods from the broker

bool AmqpConsumer::is_due(Method method) const noexcept {
    switch (method) {
    case Method::basic_cancel:
        return consuming_;
    case Method::basic_cancel_ok:
        return cancels_ > 0;
    case Method::basic_deliver:
        return in_batch() && consuming_ && came_ < acknowledged_ + prefetch_;
    case Method::basic_get_ok:
    case Method::basic_get_empty:
        return in_batch() && gets_ > 0;
    default:
        return false;
    }
}

void AmqpConsumer::on_method(Method method, Fields& fields) {
    switch (method) {
    case Method::basic_qos_ok:
        connection_.await(Method::basic_consume_ok);
        break;
    case Method::basic_consume_ok:
        connection_.end();
        break;
    case Method::basic_cancel: // the queue is gone, or has moved
        end_consuming();
        break;
    case Method::basic_cancel_ok:
        --cancels_;
        if (cancelling_ && cancels_ == 0) { // else the broker's own cancel came first
            end_consuming();
        }
        break;
    case Method::basic_deliver:
        fields.short_string(); // the consumer's tag
        on_delivery(fields);
        break;
    case Method::basic_get_ok:
        --gets_;
        on_delivery(fields);
        break;
    default: // basic_get_empty
        --gets_;
        drained_ = true;
        if (exhausted()) {
            connection_.end();
        }
        break;
    }
}

std::string_view AmqpConsumer::keep(std::string_view bytes) {
    return core::join(memory_, {bytes});
}

void AmqpConsumer::on_delivery(Fields& fields) {
    delivery_ = {};
    delivery_.tag = fields.qword();
    delivery_.redelivered = (fields.octet() & 1U) != 0;
    delivery_.exchange = keep(fields.short_string());
    delivery_.routing_key = keep(fields.short_string());
    if (!fields.ok()) {
        connection_.fail(FaultKind::protocol, "sent a message with missing fields");
        return;
    }
    connection_.expect_content();
}

void AmqpConsumer::on_header(const core::amqp::ContentHeader& header) {
    if (header.body_size > connection_.max_body()) {
        connection_.fail(FaultKind::too_large, "has a message of " + std::to_string(header.body_size) +
                                                   " bytes, more than max_body allows");
        return;
    }
    connection_.note_progress();
    delivery_.properties = keep(header.properties);
    delivery_.body_size = static_cast<std::size_t>(header.body_size);
    auto* room = static_cast<char*>(
        memory_->allocate(limits_.lead + delivery_.body_size, alignof(std::max_align_t) / 2));
    delivery_.body = room + limits_.lead;
}

void AmqpConsumer::on_body(std::string_view bytes, std::uint64_t left) {
    connection_.note_progress(bytes.size());
    std::memcpy(delivery_.body + (delivery_.body_size - static_cast<std::size_t>(left)), bytes.data(),
                bytes.size());
}

void AmqpConsumer::on_content_end() {
    batch_.push_back(delivery_);
    batch_bytes_ += delivery_.body_size;
    ++came_;
    connection_.note_progress();
    last_message_ms_ = monotonic_ms();
    ending_ = ending_ || came_ >= most_;
    maybe_cancel();
    if (batch_.size() >= limits_.messages || batch_bytes_ >= limits_.bytes || exhausted()) {
        connection_.end();
    }
}

} // namespace cloudsat::net
