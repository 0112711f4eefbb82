// The cloudsat.* settings, see settings.hpp. What only workers read changes with a reload (SIGHUP); what
// binds bots is for superusers (SUSET), because a bot could lift its own limits otherwise.

#include "pg/settings.hpp"

#include <climits>
#include <cstring>
#include <optional>

#include "core/board/address.hpp"
#include "core/wire/url.hpp"
#include "pg/boundary.hpp"

extern "C" {
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/varlena.h"
}

namespace cloudsat::pg {
namespace {

Settings values{};

struct Number {
    const char* name;
    const char* description;
    int* value;
    int initial, least, most;
    GucContext context;
    int unit;
};

constexpr int minutes_per_day = 24 * 60;

const Number numbers[] = {
    {"cloudsat.max_message_size", "Longest message that may be posted.", &values.max_message_size,
     1024 * 1024, 0, 512 * 1024 * 1024, PGC_SUSET, GUC_UNIT_BYTE},
    {"cloudsat.max_thread_depth",
     "How deep replies may go: two bots that answer each other for ever stop here.", &values.max_thread_depth,
     1000, 1, 1'000'000, PGC_SUSET, 0},
    {"cloudsat.partition_interval", "Time that one partition of cloudsat.messages covers.",
     &values.partition_interval, minutes_per_day, 1, 366 * minutes_per_day, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.partitions_ahead", "Partitions that cloudsat.maintain() keeps ready beyond the current one.",
     &values.partitions_ahead, 3, 1, 1000, PGC_SUSET, 0},
    {"cloudsat.history_retention", "How long cloudsat.queue_history is kept.", &values.history_retention,
     7 * minutes_per_day, 1, INT_MAX / 60, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.retention",
     "How long messages are kept: the launcher calls cloudsat.cleanup() with it. 0: for ever.",
     &values.retention, 0, 0, INT_MAX / 60, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.registered_retention", "How long superseded registrations are kept. 0: for ever.",
     &values.registered_retention, minutes_per_day, 0, INT_MAX / 60, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.bookmarks_retention", "How long superseded bookmarks are kept. 0: for ever.",
     &values.bookmarks_retention, minutes_per_day, 0, INT_MAX / 60, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.claim_log_retention",
     "How long superseded entries of cloudsat.claim_log are kept. 0: for ever.", &values.claim_log_retention,
     7 * minutes_per_day, 0, INT_MAX / 60, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.queue_events_retention",
     "How long cloudsat.queue_events is kept, but for what tells of deletions. 0: for ever.",
     &values.queue_events_retention, 90 * minutes_per_day, 0, INT_MAX / 60, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.deletions_retention",
     "How long cloudsat.queue_events keeps what tells of deletions. 0: for ever.",
     &values.deletions_retention, 1095 * minutes_per_day, 0, INT_MAX / 60, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.outbox_retention", "How long settled notices of cloudsat.outbox are kept. 0: for ever.",
     &values.outbox_retention, 30 * minutes_per_day, 0, INT_MAX / 60, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.account_request_lifetime", "How long the token is good for that request_account() mails.",
     &values.request_lifetime, minutes_per_day, 1, 7 * minutes_per_day, PGC_SIGHUP, GUC_UNIT_MIN},
    {"cloudsat.smtp_timeout", "How long handing over one mail may take.", &values.smtp_timeout, 60, 1, 3600,
     PGC_SIGHUP, GUC_UNIT_S},
};

const config_enum_entry notify_values[] = {
    {"batched", static_cast<int>(Notify::batched), false},
    {"inline", static_cast<int>(Notify::inline_), false},
    {"off", static_cast<int>(Notify::off), false},
    {nullptr, 0, false},
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
    // the server calls this, and cannot be thrown at
    enter([](void* c) { static_cast<Check*>(c)->broken = core::check_mail_url(static_cast<Check*>(c)->url); },
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

struct Text {
    const char* name;
    const char* description;
    char** value;
    int flags;
    GucStringCheckHook check;
};

const Text mail_texts[] = {
    {"cloudsat.smtp_url", "The mail server: smtp://host:port or smtps://host:port. Empty: no mail.",
     &values.smtp_url, 0, check_smtp_url},
    {"cloudsat.smtp_user", "The name by which to log in to the mail server; empty: without.",
     &values.smtp_user, GUC_SUPERUSER_ONLY, nullptr},
    {"cloudsat.smtp_password_file", "File whose first line is the password for the mail server.",
     &values.smtp_password_file, GUC_SUPERUSER_ONLY, check_file},
    {"cloudsat.smtp_ca_file", "Certificates that are trusted in a mail server; empty: the system's.",
     &values.smtp_ca_file, 0, check_file},
    {"cloudsat.mail_from", "The address that mails are sent from.", &values.mail_from, 0, check_mail_from},
};

bool is_preloaded = false;
bool is_defined = false; // no setting is given its first value any more

void warn() {
    ereport(WARNING, errmsg("cloudsat.databases has no effect in this server"),
            errdetail("Workers are kept in these databases by a server that preloads cloudsat."),
            errhint("Add cloudsat to shared_preload_libraries and restart the server, or use "
                    "cloudsat.start() in each "
                    "database."));
}

// Only the form: a database may be created later.
bool check_databases(char** value, void**, GucSource) {
    List* names = NIL;
    bool ok = SplitIdentifierString(pstrdup(*value), ',', &names);
    list_free(names);
    if (!ok) {
        GUC_check_errdetail(
            "It must be a comma-separated list of names, quoted like identifiers where need be.");
    } else if (**value != '\0' && is_defined && !is_preloaded && IsTransactionState() &&
               std::strcmp(*value, values.databases) != 0) {
        warn(); // by ALTER SYSTEM: other sources are read while no transaction is open
    }
    return ok;
}

} // namespace

const Settings& settings() {
    return values;
}

void warn_of_databases() {
    if (*values.databases != '\0' && !is_preloaded) {
        warn();
    }
}

void define_settings() {
    for (const Number& n : numbers) {
        DefineCustomIntVariable(n.name, n.description, nullptr, n.value, n.initial, n.least, n.most,
                                n.context, n.unit, nullptr, nullptr, nullptr);
    }
    DefineCustomEnumVariable(
        "cloudsat.notify", "How a post notifies those who LISTEN: by the notifier, or with the post itself.",
        "batched is inline where no notifier runs.", &values.notify, static_cast<int>(Notify::batched),
        notify_values, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomStringVariable("cloudsat.databases", "Databases in which cloudsat's workers run.",
                               "A comma-separated list. Needs cloudsat in shared_preload_libraries.",
                               &values.databases, "", PGC_SIGHUP, GUC_LIST_INPUT, check_databases, nullptr,
                               nullptr);
    for (const Text& t : mail_texts) {
        DefineCustomStringVariable(t.name, t.description, nullptr, t.value, "", PGC_SIGHUP, t.flags, t.check,
                                   nullptr, nullptr);
    }
    DefineCustomEnumVariable("cloudsat.smtp_tls", "Whether the way to the mail server is encrypted.",
                             "opportunistic: when the server offers it; with a password, that is require.",
                             &values.smtp_tls, static_cast<int>(SmtpTls::require), tls_values, PGC_SIGHUP, 0,
                             nullptr, nullptr, nullptr);
    MarkGUCPrefixReserved("cloudsat");
    is_preloaded = process_shared_preload_libraries_in_progress;
    is_defined = true;
}

} // namespace cloudsat::pg
