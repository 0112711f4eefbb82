// Classifies libcurl results; see curl_fault.hpp. Measured with libcurl 7.88; includes the codes that newer
// versions use instead.
#include "net/curl_fault.hpp"

#include <cerrno>
#include <cstring>

namespace cloudsat::net {
namespace {

using core::FaultKind;

FaultKind fault_of_stop(SinkStop stop) noexcept {
    switch (stop) {
    case SinkStop::body_too_large:
    case SinkStop::header_too_large:
        return FaultKind::too_large;
    case SinkStop::out_of_memory:
        return FaultKind::out_of_memory;
    case SinkStop::no:
        break;
    }
    return FaultKind::protocol; // CURLE_WRITE_ERROR without a stop of our own: a content decoder failed
}

FaultKind fault_of_connect(int os_error) noexcept {
    if (os_error == 0 || os_error == ECONNREFUSED) {
        return FaultKind::refused;
    }
    // Accepted and reset at once: 8.14 still counts that as connecting.
    return os_error == ECONNRESET ? FaultKind::closed : FaultKind::unreachable;
}

FaultKind fault_of_receive(const Progress& progress) noexcept {
    // Reset by the peer, or invalid data in the middle: only the former sets an errno.
    return progress.answered && progress.os_error == 0 ? FaultKind::protocol : FaultKind::closed;
}

FaultKind fault_of_memory(const Progress& progress) noexcept {
    // 7.88 reports a header line beyond its limit of 100 KB as "out of memory".
    return progress.answered ? FaultKind::too_large : FaultKind::out_of_memory;
}

// The system's text for an errno, untranslated: a translation could be in any encoding.
std::string words_of(int os_error) {
#ifdef __GLIBC__
    if (const char* words = strerrordesc_np(os_error)) {
        std::string text = words;
        if (text[0] >= 'A' && text[0] <= 'Z') {
            text[0] = static_cast<char>(text[0] - 'A' + 'a');
        }
        return text;
    }
#endif
    return "system error " + std::to_string(os_error);
}

std::string text(std::string_view view) {
    return std::string(view);
}

std::string timed_out_text(const FaultStory& story) {
    const auto limit = " within " + std::to_string(story.elapsed_ms) + " ms";
    if (!story.progress.connected) {
        return "could not connect to " + text(story.endpoint) + limit;
    }
    if (!story.progress.answered) {
        return text(story.endpoint) + " did not answer" + limit;
    }
    return text(story.endpoint) + " did not finish its answer" + limit + " (" + std::to_string(story.bytes) +
           " bytes received)";
}

std::string closed_text(const FaultStory& story) {
    auto sentence = text(story.endpoint) + " closed the connection ";
    sentence += story.progress.answered ? "in the middle of its answer" : "without an answer";
    if (story.progress.os_error != 0) {
        sentence += ": " + words_of(story.progress.os_error);
    }
    return sentence;
}

std::string too_large_text(const FaultStory& story) {
    // If curl's own limit on a header line applied, there is no body yet.
    const bool header =
        story.progress.stop == SinkStop::header_too_large ||
        (story.progress.stop == SinkStop::no && story.progress.code != CURLE_FILESIZE_EXCEEDED);
    if (header) {
        return "the header of the answer from " + text(story.endpoint) + " is too large";
    }
    return "the answer from " + text(story.endpoint) + " is larger than " + std::to_string(story.max_body) +
           " bytes";
}

std::string status_text(const FaultStory& story) {
    auto sentence =
        text(story.endpoint) + " answered with HTTP status " + std::to_string(story.progress.status);
    if (!story.detail.empty()) {
        sentence += ", but " + text(story.detail);
    } else if (!story.reason.empty()) {
        sentence += ": " + text(story.reason);
    }
    return sentence;
}

} // namespace

std::string describe_fault(const FaultStory& story) {
    switch (story.kind) {
    case FaultKind::unresolved:
        return "could not find an address for " + text(story.endpoint);
    case FaultKind::refused:
        return "could not connect to " + text(story.endpoint) + ": " + words_of(ECONNREFUSED);
    case FaultKind::unreachable:
        return "could not connect to " + text(story.endpoint) + ": " + words_of(story.progress.os_error);
    case FaultKind::timed_out:
        return timed_out_text(story);
    case FaultKind::tls:
        return "could not secure the connection to " + text(story.endpoint) + ": " + text(story.curl_words);
    case FaultKind::closed:
        return closed_text(story);
    case FaultKind::truncated:
        return "the answer from " + text(story.endpoint) + " stopped after " + std::to_string(story.bytes) +
               " bytes";
    case FaultKind::too_large:
        return too_large_text(story);
    case FaultKind::protocol:
        return text(story.endpoint) + " did not answer in valid HTTP: " + text(story.curl_words);
    case FaultKind::out_of_memory:
        return "out of memory for the answer from " + text(story.endpoint);
    case FaultKind::failed:
        return "the request to " + text(story.endpoint) + " failed: " + text(story.curl_words);
    default:
        return status_text(story);
    }
}

core::FaultKind fault_of(const Progress& progress) noexcept {
    if (progress.stop != SinkStop::no) {
        return fault_of_stop(progress.stop);
    }
    switch (progress.code) {
    case CURLE_OK:
        return core::fault_of_status(progress.status);
    case CURLE_COULDNT_RESOLVE_HOST:
        return FaultKind::unresolved;
    case CURLE_COULDNT_CONNECT:
        return fault_of_connect(progress.os_error);
    case CURLE_INTERFACE_FAILED:
        return FaultKind::unreachable;
    case CURLE_OPERATION_TIMEDOUT:
        return FaultKind::timed_out;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return FaultKind::tls;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
        return FaultKind::closed;
    case CURLE_RECV_ERROR:
        return fault_of_receive(progress);
    case CURLE_PARTIAL_FILE:
        return FaultKind::truncated;
    case CURLE_FILESIZE_EXCEEDED:
        return FaultKind::too_large;
    case CURLE_WRITE_ERROR:
        return fault_of_stop(progress.stop);
    case CURLE_OUT_OF_MEMORY:
        return fault_of_memory(progress);
    case CURLE_UNSUPPORTED_PROTOCOL: // "Received HTTP/0.9 when not allowed"
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP_RETURNED_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return FaultKind::protocol;
    case CURLE_LOGIN_DENIED:
        return FaultKind::unauthorized;
#if LIBCURL_VERSION_NUM >= 0x080600
    case CURLE_TOO_LARGE:
        return FaultKind::too_large; // 8.6 and later, for headers
#endif
    default:
        return FaultKind::failed;
    }
}

} // namespace cloudsat::net
