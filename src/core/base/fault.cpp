// Names and classes of faults; see fault.hpp. Pure and without allocation.
#include "core/base/fault.hpp"

#include "core/base/bytes.hpp"

namespace cloudsat::core {
namespace {

constexpr bool table_is_in_order() {
    for (std::size_t i = 0; i < fault_table.size(); ++i) {
        if (fault_table[i].kind != static_cast<FaultKind>(i)) {
            return false;
        }
    }
    return fault_table.back().kind == FaultKind::failed;
}
static_assert(table_is_in_order(), "entry_of() indexes fault_table by kind");

// The media type is the part before the parameters, in any letter case.
bool is_media_type(std::string_view content_type, std::string_view wanted) noexcept {
    return is_word(content_type.substr(0, content_type.find_first_of("; \t")), wanted);
}

DecodeFault check_json(std::string_view content_type, std::string_view body) noexcept {
    if (body.empty()) {
        return {FaultKind::not_json, "the answer is empty"};
    }
    if (!is_media_type(content_type, "application/json")) {
        return {FaultKind::not_json, "the answer's content type is not application/json"};
    }
    return {};
}

DecodeFault check_metrics(std::string_view content_type, std::string_view body) noexcept {
    // RabbitMQ answers text/plain, and OpenMetrics text when a proxy in between asks for it.
    if (!is_media_type(content_type, "text/plain") &&
        !is_media_type(content_type, "application/openmetrics-text")) {
        return {FaultKind::not_metrics, "the answer's content type is not text/plain"};
    }
    if (body.empty()) {
        return {FaultKind::not_metrics, "the answer is empty"};
    }
    return {};
}

} // namespace

std::string_view plugin_hint(FaultKind kind, Plugin plugin) noexcept {
    if (kind != FaultKind::refused) {
        return {};
    }
    return plugin == Plugin::management
               ? "Use \"rabbitmq-plugins enable rabbitmq_management\" on the broker, or correct "
                 "management_url."
               : "Use \"rabbitmq-plugins enable rabbitmq_prometheus\" on the broker, or correct metrics_url.";
}

FaultKind fault_of_status(int status) noexcept {
    if (status >= 200 && status <= 299) {
        return FaultKind::none;
    }
    if (status >= 300 && status <= 399) {
        return FaultKind::redirect;
    }
    if (status >= 500 && status <= 599) {
        return FaultKind::server_error;
    }
    switch (status) {
    case 400:
        return FaultKind::bad_request;
    case 401:
        return FaultKind::unauthorized;
    case 403:
        return FaultKind::forbidden;
    case 404:
        return FaultKind::not_found;
    default:
        return FaultKind::unexpected_status;
    }
}

DecodeFault check_content(Expect expect, std::string_view content_type, std::string_view body) noexcept {
    switch (expect) {
    case Expect::json:
        return check_json(content_type, body);
    case Expect::metrics:
        return check_metrics(content_type, body);
    case Expect::anything:
        break;
    }
    return {};
}

} // namespace cloudsat::core
