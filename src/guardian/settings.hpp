// Settings of the guardian: retention and mail.
#pragma once

namespace cloudsat::guardian {

enum class SmtpTls : int { off, opportunistic, require };

struct Settings {
    // retention in minutes; 0 for forever, except for history
    int history_retention;
    int queue_events_retention;
    int deletions_retention; // events of queue_events about deletions
    int outbox_retention;
    int request_lifetime; // minutes that the token of an account request is valid
    int smtp_tls;         // an SmtpTls
    int smtp_timeout;     // seconds for the transfer of one mail
    char* smtp_url;       // the mail server; empty: no mail
    char* smtp_user;
    char* smtp_password_file;
    char* smtp_ca_file;
    char* mail_from; // address of the sender
};

// The values in force, kept up to date by the server.
const Settings& settings();

// Called once, from _PG_init.
void define_settings();

} // namespace cloudsat::guardian
