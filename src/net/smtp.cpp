// A non-blocking SMTP client; see smtp.hpp.
#include "net/smtp.hpp"

#include "core/wire/broker_documents.hpp"
#include "net/curl_fault.hpp"
#include "net/signals.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <memory_resource>

namespace cloudsat::net {
namespace {

using core::FaultKind;
using core::MailFate;

// Many times the number of lines that a server sends before the mail is offered.
constexpr std::size_t max_lines = 1000;

CURLcode set_destination(CURL* easy, const Mail& mail) {
    const bool credentials = !mail.user.empty();
    // An attacker in between can remove the offer of TLS, so no password may depend on it.
    const SmtpTls tls = credentials && mail.tls == SmtpTls::opportunistic ? SmtpTls::required : mail.tls;
    const Peer peer{.url = mail.url,
                    .protocols = "smtp,smtps",
                    .protocol_bits = CURLPROTO_SMTP | CURLPROTO_SMTPS,
                    .connect_timeout_ms = mail.timeout_ms,
                    .tls_verify = tls != SmtpTls::opportunistic,
                    .ca_file = mail.ca_file};
    if (const CURLcode code = set_peer(easy, peer); code != CURLE_OK) {
        return code;
    }
    const long level = tls == SmtpTls::required        ? CURLUSESSL_ALL
                       : tls == SmtpTls::opportunistic ? CURLUSESSL_TRY
                                                       : CURLUSESSL_NONE;
    CurlOptions options(easy);
    options.set(CURLOPT_CONNECT_ONLY, 1L)
        .set(CURLOPT_TIMEOUT_MS, std::max(mail.timeout_ms, 1L))
        .set(CURLOPT_USE_SSL, level);
    if (credentials) {
        options.set_secret(CURLOPT_USERNAME, mail.user)
            .set_secret(CURLOPT_PASSWORD, mail.password)
            // Others, such as Kerberos, contact third parties and wait for them.
            .set(CURLOPT_LOGIN_OPTIONS, "AUTH=CRAM-MD5;AUTH=PLAIN;AUTH=LOGIN");
    }
    return options.code();
}

} // namespace

// A burst of mails is sent one by one: no connection is kept.
Smtp::Smtp() : curl_(1) {}

Smtp::~Smtp() {
    abandon();
}

void Smtp::start(const Mail& mail) {
    abandon();
    endpoint_ = endpoint_of(mail.url, "the mail server");
    dialogue_.begin(mail.from, mail.to, mail.text);
    secret_ = mail.password;
    deadline_ms_ = monotonic_ms() + mail.timeout_ms;
    line_size_ = lines_ = 0;
    const SignalsBlocked blocked;
    CURLcode code = configure(mail);
    if (code == CURLE_OK) {
        code = curl_.begin();
    }
    state_ = State::connecting;
    if (code != CURLE_OK) {
        connected(code);
    } else if (dialogue_.over()) {
        finish(MailFate::refused, "the address cannot be used");
    } else {
        step();
    }
}

CURLcode Smtp::configure(const Mail& mail) {
    CURL* const easy = curl_.easy();
    curl_easy_reset(easy);
    if (const CURLcode code = set_destination(easy, mail); code != CURLE_OK) {
        return code;
    }
    curl_error_[0] = '\0';
    return CurlOptions(easy)
        .set(CURLOPT_ERRORBUFFER, curl_error_.data())
        .set(CURLOPT_HEADERFUNCTION, &Smtp::on_line)
        .set(CURLOPT_HEADERDATA, static_cast<void*>(this))
        .code();
}

int Smtp::timeout_ms() const noexcept {
    if (!running()) {
        return -1;
    }
    const auto left =
        std::clamp<std::int64_t>(deadline_ms_ - monotonic_ms(), 0, std::numeric_limits<int>::max());
    const int curl = curl_.timeout_ms();
    return curl < 0 ? static_cast<int>(left) : std::min(curl, static_cast<int>(left));
}

void Smtp::step() {
    if (!running()) {
        return;
    }
    const auto code = curl_.step(); // also later: the connection is detached then, but curl's timers are not
    if (state_ == State::connecting && code) {
        connected(*code);
    } else if (state_ == State::connecting && monotonic_ms() >= deadline_ms_) {
        connected(CURLE_OPERATION_TIMEDOUT);
    }
    if (state_ == State::speaking) {
        converse();
    }
}

// Either the connection has been handed over, or it has failed.
void Smtp::connected(CURLcode code) {
    CURL* const easy = curl_.easy();
    if (code == CURLE_OK && (curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &socket_) != CURLE_OK ||
                             socket_ == CURL_SOCKET_BAD)) {
        code = CURLE_RECV_ERROR;
    }
    if (code == CURLE_OK) {
        state_ = State::speaking;
        return;
    }
    const std::string_view line(line_.data(), line_size_);
    if (code == CURLE_LOGIN_DENIED) { // its message might repeat the credentials
        return finish(MailFate::unserved, endpoint_ + " does not accept the user or the password (" +
                                              std::string(line.substr(0, 3)) + ")");
    }
    if (code == CURLE_USE_SSL_FAILED) {
        return finish(MailFate::unserved, endpoint_ + " offers no TLS");
    }
    long os_error = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    curl_off_t connected = 0;
    curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected);
    curl_off_t elapsed = 0;
    curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &elapsed);
    FaultStory story{};
    story.progress.code = code;
    story.progress.os_error = static_cast<int>(os_error);
    story.progress.connected = connected > 0;
    story.kind = fault_of(story.progress);
    story.endpoint = endpoint_;
    story.elapsed_ms = static_cast<long>(elapsed / 1000);
    switch (story.kind) {
    case FaultKind::unresolved:
    case FaultKind::refused:
    case FaultKind::unreachable:
    case FaultKind::timed_out:
    case FaultKind::closed:
    case FaultKind::out_of_memory:
        return finish(MailFate::unserved, describe_fault(story));
    case FaultKind::tls:
        story.curl_words = curl_error_[0] != '\0' ? curl_error_.data() : curl_easy_strerror(code);
        return finish(MailFate::unserved, describe_fault(story));
    default:
        if (lines_ > 0 && (line.starts_with('4') || line.starts_with('5'))) {
            return finish(MailFate::unserved, endpoint_ + " answered: " + std::string(line));
        }
        return finish(MailFate::unserved,
                      endpoint_ + " does not speak valid SMTP: " +
                          (curl_error_[0] != '\0' ? curl_error_.data() : curl_easy_strerror(code)));
    }
}

void Smtp::converse() {
    const SignalsBlocked blocked;
    const bool open = send_some() && receive_some();
    const int what = dialogue_.output().empty() ? CURL_POLL_IN : CURL_POLL_INOUT;
    if (!open || monotonic_ms() >= deadline_ms_ || !curl_.watch(socket_, what)) {
        dialogue_.lost();
    }
    if (!dialogue_.over()) {
        return;
    }
    if (open) {
        send_some(); // QUIT; its reply is not awaited
    }
    finish_dialogue();
}

// False if the connection is broken.
bool Smtp::send_some() noexcept {
    while (!dialogue_.output().empty()) {
        const auto output = dialogue_.output();
        std::size_t gone = 0;
        const CURLcode code = curl_easy_send(curl_.easy(), output.data(), output.size(), &gone);
        dialogue_.sent(gone);
        if (code == CURLE_AGAIN) {
            return true;
        }
        if (code != CURLE_OK) {
            return false;
        }
    }
    return true;
}

// Reads until nothing is available, and answers meanwhile. False if the connection is broken.
bool Smtp::receive_some() {
    std::array<char, 2048> bytes;
    while (!dialogue_.over()) {
        std::size_t got = 0;
        const CURLcode code = curl_easy_recv(curl_.easy(), bytes.data(), bytes.size(), &got);
        if (code == CURLE_AGAIN) {
            return true;
        }
        if (code != CURLE_OK || got == 0) {
            return false;
        }
        dialogue_.feed({bytes.data(), got});
        if (!dialogue_.over() && !send_some()) {
            return false;
        }
    }
    return true;
}

void Smtp::finish_dialogue() {
    const auto fate = dialogue_.fate();
    const std::string answer(dialogue_.answer());
    const std::string answered(dialogue_.answered());
    if (fate == MailFate::sent) {
        return finish(fate, answer);
    }
    if (!answer.empty()) {
        return finish(fate, endpoint_ + " answered " + answered + " with: " + answer);
    }
    const bool late = monotonic_ms() >= deadline_ms_;
    finish(fate, endpoint_ + (late ? " did not answer " : " closed the connection after ") + answered +
                     (late ? " in time" : ""));
}

void Smtp::finish(MailFate fate, std::string_view words) {
    std::array<std::byte, 2048> room;
    std::pmr::monotonic_buffer_resource arena(room.data(), room.size());
    const auto clean = core::one_line(words, 300, &arena);
    words_ = !secret_.empty() && clean.find(secret_) != std::string_view::npos ? std::string() : clean;
    state_ = State::done;
    hang_up();
    reply_ = {fate, words_};
}

void Smtp::hang_up() noexcept {
    if (socket_ != CURL_SOCKET_BAD) {
        curl_.watch(socket_, CURL_POLL_REMOVE);
    }
    socket_ = CURL_SOCKET_BAD;
    curl_.let_go(); // a connection detached from curl is closed without a farewell
    explicit_bzero(secret_.data(), secret_.size());
    secret_.clear();
}

void Smtp::abandon() noexcept {
    if (running()) {
        hang_up();
    }
    state_ = State::idle;
    reply_ = {};
}

std::size_t Smtp::on_line(char* data, std::size_t one, std::size_t size, void* self) noexcept {
    auto& smtp = *static_cast<Smtp*>(self);
    const std::size_t n = one * size;
    smtp.line_size_ = std::min(n, smtp.line_.size());
    std::memcpy(smtp.line_.data(), data, smtp.line_size_);
    while (smtp.line_size_ > 0 &&
           (smtp.line_[smtp.line_size_ - 1] == '\n' || smtp.line_[smtp.line_size_ - 1] == '\r')) {
        --smtp.line_size_;
    }
    return ++smtp.lines_ <= max_lines ? n : 0;
}

} // namespace cloudsat::net
