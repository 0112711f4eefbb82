// Settings of the guardian; see settings.hpp.

#include "guardian/settings.hpp"

#include <optional>

#include "core/board/address.hpp"
#include "core/wire/url.hpp"
#include "pg/settings.hpp"

namespace cloudsat::guardian {
namespace {

Settings values{};

const pg::IntSetting numbers[] = {
    {"cloudsat.history_retention", "How long cloudsat.queue_history is kept.", &values.history_retention,
     7 * pg::minutes_per_day, 1, pg::most_minutes, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.queue_events_retention",
     "How long cloudsat.queue_events is kept, except deletions. 0: forever.", &values.queue_events_retention,
     90 * pg::minutes_per_day, 0, pg::most_minutes, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.deletions_retention", "How long deletions are kept in cloudsat.queue_events. 0: forever.",
     &values.deletions_retention, 1095 * pg::minutes_per_day, 0, pg::most_minutes, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.outbox_retention", "How long settled notices are kept in cloudsat.outbox. 0: forever.",
     &values.outbox_retention, 30 * pg::minutes_per_day, 0, pg::most_minutes, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.account_request_lifetime", "How long the token mailed by request_account() is valid.",
     &values.request_lifetime, pg::minutes_per_day, 1, 7 * pg::minutes_per_day, PGC_SIGHUP, GUC_UNIT_MIN},
    {"cloudsat.smtp_timeout", "Maximum time for the transfer of one mail.", &values.smtp_timeout, 60, 1, 3600,
     PGC_SIGHUP, GUC_UNIT_S},
};

const config_enum_entry tls_values[] = {
    {"off", static_cast<int>(SmtpTls::off), false},
    {"opportunistic", static_cast<int>(SmtpTls::opportunistic), false},
    {"require", static_cast<int>(SmtpTls::require), false},
    {nullptr, 0, false},
};

bool check_smtp_url(char** value, void**, GucSource) {
    struct Check {
        const char* url;
        std::optional<core::UrlRule> broken;
    } check{*value, std::nullopt};
    // the server calls this function, so it must not throw
    pg::enter(
        [](void* c) { static_cast<Check*>(c)->broken = core::check_mail_url(static_cast<Check*>(c)->url); },
        &check);
    const auto wrong = **value == '\0' ? std::nullopt : check.broken;
    if (wrong) {
        GUC_check_errmsg("invalid value for parameter \"cloudsat.smtp_url\""); // it may hold a password
        GUC_check_errdetail("%s", core::meaning_of(*wrong).data()); // of static storage, ends with NUL
    }
    return !wrong;
}

bool check_mail_from(char** value, void**, GucSource) {
    const auto address = core::parse_address(*value);
    const bool ok = **value == '\0' || (address && core::local(address.value()));
    if (!ok) {
        GUC_check_errdetail("It must be an address with a local part, like guardian@example.com.");
    }
    return ok;
}

bool check_file(char** value, void**, GucSource) {
    const bool ok = **value == '\0' || is_absolute_path(*value);
    if (!ok) {
        GUC_check_errdetail("It must be an absolute path.");
    }
    return ok;
}

const pg::TextSetting mail_texts[] = {
    {"cloudsat.smtp_url", "URL of the mail server: smtp://host:port or smtps://host:port. Empty: no mail.",
     &values.smtp_url, 0, check_smtp_url},
    {"cloudsat.smtp_user", "User name for the mail server; empty: no login.", &values.smtp_user,
     GUC_SUPERUSER_ONLY, nullptr},
    {"cloudsat.smtp_password_file", "File whose first line is the password for the mail server.",
     &values.smtp_password_file, GUC_SUPERUSER_ONLY, check_file},
    {"cloudsat.smtp_ca_file", "Trusted certificates for the mail server; empty: the system's.",
     &values.smtp_ca_file, 0, check_file},
    {"cloudsat.mail_from", "Address of the sender of mails.", &values.mail_from, 0, check_mail_from},
};

} // namespace

const Settings& settings() {
    return values;
}

void define_settings() {
    pg::define(numbers);
    pg::define(mail_texts);
    DefineCustomEnumVariable("cloudsat.smtp_tls", "Whether the connection to the mail server is encrypted.",
                             "opportunistic: if the server offers it; with a password, the same as require.",
                             &values.smtp_tls, static_cast<int>(SmtpTls::require), tls_values, PGC_SIGHUP, 0,
                             nullptr, nullptr, nullptr);
}

} // namespace cloudsat::guardian
