// Publishing with confirms; see amqp_publisher.hpp.
#include "net/amqp_publisher.hpp"

#include <algorithm>

namespace cloudsat::net {
namespace {

using core::amqp::Fields;
using core::amqp::Method;
using Task = AmqpConnection::Task;

} // namespace

void AmqpPublisher::start(std::string_view queue) {
    connection_.begin(Task::prepare);
    connection_.attach(*this);
    queue_ = queue;
    unconfirmed_.clear();
    unconfirmed_bytes_ = unanswered_ = 0;
    published_ = 0;
    confirmed_.clear();
    refusal_.clear();
    returned_ = false;
    connection_.await(Method::confirm_select_ok);
    connection_.write(Method::confirm_select).octet(0).end();
    connection_.step();
}

void AmqpPublisher::publish(std::string_view properties, std::string_view body) {
    constexpr std::uint8_t mandatory = 1; // else a message to a missing queue would be confirmed and lost
    const std::size_t before = connection_.output_size();
    connection_.write(Method::basic_publish)
        .word(0)
        .short_string("")
        .short_string(queue_)
        .octet(mandatory)
        .end();
    connection_.write_content(properties, body);
    const std::size_t size = connection_.output_size() - before;
    unconfirmed_.push_back({++published_, size, false});
    unconfirmed_bytes_ += size;
    ++unanswered_;
    constexpr std::size_t worth_sending = 64 * 1024;
    if (connection_.output_size() >= worth_sending) {
        connection_.step(); // what the socket takes now, so that the broker can start
    }
}

void AmqpPublisher::start_confirming(std::size_t unconfirmed) {
    connection_.begin(Task::confirm);
    confirm_limit_ = unconfirmed;
    connection_.step();
    check_confirms();
}

bool AmqpPublisher::is_due(Method method) const noexcept {
    switch (method) {
    case Method::basic_return:
        return unanswered_ > 0;
    case Method::basic_ack:
    case Method::basic_nack:
        return published_ > 0;
    default:
        return false;
    }
}

void AmqpPublisher::on_method(Method method, Fields& fields) {
    switch (method) {
    case Method::confirm_select_ok:
        connection_.end();
        break;
    case Method::basic_return:
        on_return(fields);
        break;
    default:
        on_confirm(fields, method == Method::basic_ack);
        break;
    }
}

// Comes before the confirm of the same message, which looks like any other: so confirms no longer count from
// here. Messages confirmed before were routed to the queue.
void AmqpPublisher::on_return(Fields& fields) {
    returned_ = true;
    if (refusal_.empty()) {
        fields.word();
        refusal_ = fields.short_string();
        refusal_ = refusal_ == "NO_ROUTE" ? "the queue does not exist" : refusal_;
    }
    connection_.expect_content();
}

void AmqpPublisher::on_confirm(Fields& fields, bool taken) {
    const std::uint64_t tag = fields.qword();
    const bool multiple = (fields.octet() & 1U) != 0;
    if (tag == 0 || tag > published_) {
        connection_.fail(core::FaultKind::protocol, "confirmed a message that was not published");
        return;
    }
    if (!taken && refusal_.empty()) {
        refusal_ = "the queue accepts no more messages";
    }
    confirm(tag, multiple, taken);
    check_confirms();
}

// In order of their numbers, as most confirms arrive.
void AmqpPublisher::confirm(std::uint64_t tag, bool multiple, bool taken) {
    auto at = multiple ? unconfirmed_.begin()
                       : std::lower_bound(unconfirmed_.begin(), unconfirmed_.end(), tag,
                                          [](const Unconfirmed& u, std::uint64_t t) { return u.number < t; });
    for (; at != unconfirmed_.end() && at->number <= tag; ++at) {
        if (!at->answered) {
            at->answered = true;
            connection_.note_progress();
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
}

void AmqpPublisher::check_confirms() {
    if (connection_.task() != Task::confirm) {
        return;
    }
    const bool few = unanswered_ == 0 || (confirm_limit_ > 0 && unconfirmed_bytes_ <= confirm_limit_);
    if (refusal_.empty() ? few : unanswered_ == 0) {
        connection_.end();
    }
}

} // namespace cloudsat::net
