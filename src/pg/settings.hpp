// The cloudsat.* settings: one table in settings.cpp declares name, default, bounds, unit and when a change
// takes effect.
#pragma once

namespace cloudsat::pg {

enum class SmtpTls : int { off, opportunistic, require };
enum class Notify : int { off, inline_, batched };

struct Settings {
    int max_message_size;   // bytes
    int max_thread_depth;   // replies under replies
    int partition_interval; // minutes per partition of messages
    int partitions_ahead;   // partitions that maintain() keeps ready beyond the current one
    int history_retention;  // minutes that queue_history is kept
    int retention;          // minutes that messages are kept; 0: for ever
    int request_lifetime;   // minutes that the token of an account's request is good for
    int notify;             // a Notify
    int smtp_tls;           // an SmtpTls
    int smtp_timeout;       // seconds for handing over one mail
    char* smtp_url;         // the mail server; empty: no mail
    char* smtp_user;
    char* smtp_password_file;
    char* smtp_ca_file;
    char* mail_from; // address of the sender
    char* databases; // comma-separated names: where the supervisor keeps a launcher
    // minutes that a log keeps what is not in force any more; 0: for ever
    int registered_retention;
    int bookmarks_retention;
    int claim_log_retention;
    int queue_events_retention;
    int deletions_retention; // of what queue_events tells of deletions
    int outbox_retention;
};

// The values in force, kept up to date by the server.
const Settings& settings();

// A WARNING when cloudsat.databases is set and nobody will heed it, because the server does not preload
// cloudsat.
void warn_of_databases();

// To be called once, from _PG_init.
void define_settings();

} // namespace cloudsat::pg
