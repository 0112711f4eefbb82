// Sends mail, see mailer.hpp. core/guardian/mail_plan decides which notices become a mail, and mail_text
// writes it.

#include "worker/mailer.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <span>

#include "board/uuid.hpp"
#include "core/board/address.hpp"
#include "core/guardian/mail_plan.hpp"
#include "core/guardian/mail_text.hpp"
#include "guardian/columns.hpp"
#include "guardian/outbox.hpp"
#include "guardian/settings.hpp"
#include "net/smtp.hpp"
#include "pg/memory.hpp"
#include "pg/password_file.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"
#include "worker/process.hpp"

extern "C" {
#include "pgstat.h"
}

namespace cloudsat::worker {
namespace {

using core::MailFate;
using guardian::Column;
using guardian::has_mail_server;

constexpr TimestampTz look_interval = core::micros_per_second;
constexpr int most_recipients = 100; // planned in one transaction
constexpr int most_notices = 2000;   // planned for one of them
constexpr int most_in_mail = 500;    // the others wait

// Unfinished mails come first: they block no others, and are already promised.
pg::Statement unfinished(R"(
    SELECT o.mail, o.recipient::text, o.attempts, min(o.written_at)
    FROM cloudsat.outbox AS o
    WHERE o.state = 'sending'
      AND o.due <= $1
    GROUP BY o.mail, o.recipient, o.attempts
    ORDER BY min(o.due) LIMIT 1)",
                         {TIMESTAMPTZOID});
pg::Statement next_recipient(R"(
    SELECT o.recipient::text
    FROM cloudsat.outbox AS o
    WHERE o.state = 'waiting'
      AND o.due <= $1
      AND o.by_name = $2
    ORDER BY o.due, o.id LIMIT 1)",
                             {TIMESTAMPTZOID, BOOLOID});

// The pending notices of one recipient; what the last mail about the same subject said; whether the notice
// that opened it was not mailed.
pg::Statement waiting_notices(R"(
    SELECT o.id, o.kind, o.written_at, o.server, o.vhost, o.queue, o.attempts,
           (SELECT t.kind FROM cloudsat.outbox AS t WHERE t.recipient = o.recipient
            AND t.server = o.server AND t.queue = o.queue
            AND t.vhost = o.vhost AND t.state = 'sent'
            AND t.kind <> ALL (ARRAY['account', 'mails_held'])
            ORDER BY t.sent_at DESC, t.id DESC LIMIT 1),
           (SELECT t.state <> ALL (ARRAY['sent', 'sending'])
            FROM cloudsat.outbox AS t WHERE t.recipient = o.recipient
            AND t.server = o.server AND t.queue = o.queue
            AND t.vhost = o.vhost AND t.id < o.id
            AND t.kind = ANY (ARRAY['warned', 'deletable', 'broker_down'])
            ORDER BY t.id DESC LIMIT 1), o.by_name
    FROM cloudsat.outbox AS o
    WHERE o.state = 'waiting'
      AND o.recipient = $1::cloudsat.address
    ORDER BY o.id LIMIT $2)",
                              {TEXTOID, INT4OID});
pg::Statement mailed_lately(R"(
    SELECT o.kind, o.server, max(o.sent_at)
    FROM cloudsat.outbox AS o
    WHERE o.recipient = $1::cloudsat.address
      AND o.sent_at > $2
    GROUP BY o.kind, o.server)",
                            {TEXTOID, TIMESTAMPTZOID});

// Until when a broker has used up its hourly mails to owners known by name alone; no row if it has not.
pg::Statement crowded(R"(
    SELECT m.at + '1 hour'::interval
    FROM (SELECT max(coalesce(o.sent_at, $3)) AS at
          FROM cloudsat.outbox AS o
          WHERE o.server = $1
            AND (o.sent_at > $2 OR o.state = 'sending')
            AND o.by_name
          GROUP BY o.mail) AS m
    ORDER BY m.at DESC OFFSET $4 LIMIT 1)",
                      {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID});

pg::Statement settle(R"(
    UPDATE cloudsat.outbox AS o
    SET state = n.state, due = coalesce(n.due, o.due), outcome = coalesce(n.outcome, o.outcome)
    FROM unnest($1, $2, $3, $4) AS n(id, state, due, outcome)
    WHERE o.id = n.id)",
                     {INT8ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID});
pg::Statement mark(R"(
    UPDATE cloudsat.outbox AS o
    SET state = 'sending', mail = $2, attempts = o.attempts + 1, due = $3
    WHERE o.id = ANY ($1))",
                   {INT8ARRAYOID, UUIDOID, TIMESTAMPTZOID});
pg::Statement texts_of_mail(R"(
    SELECT o.subject, coalesce(o.body, '')
    FROM cloudsat.outbox AS o
    WHERE o.mail = $1
    ORDER BY o.id)",
                            {UUIDOID});
pg::Statement mark_again(R"(
    UPDATE cloudsat.outbox AS o
    SET attempts = o.attempts + 1, due = $2
    WHERE o.mail = $1)",
                         {UUIDOID, TIMESTAMPTZOID});
// The text that only its recipient may read is deleted when sending ends.
pg::Statement record_fate(R"(
    UPDATE cloudsat.outbox AS o
    SET state = $2, outcome = $3, due = coalesce($4, o.due), sent_at = $5,
        attempts = o.attempts - $6,
        mail = CASE WHEN $2 = 'waiting' THEN NULL ELSE o.mail END,
        body = CASE WHEN o.kind = 'account'
                      AND $2 = ANY (ARRAY['sent', 'failed']) THEN NULL ELSE o.body END
    WHERE o.mail = $1)",
                          {UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID});

struct Mailer {
    net::Smtp* smtp;       // made at first use
    MemoryContext context; // reset each turn
    bool under_way;        // a mail is marked as sending, and this process hands it over
    pg_uuid_t mail;
    char recipient[core::max_address_size + 1];
    int attempts; // of the mail under way, including this one
    TimestampTz next_look;
    TimestampTz retry_at; // no turn before this: the last one ended in an error
    unsigned reloads;     // of the settings, as last processed
    int faults;           // consecutive, of the mail server or the settings
    int errors;           // consecutive turns that ended in an error
};

Mailer state;

// One log line per change, not per attempt.
void note_fault(std::string_view words) {
    if (++state.faults == 1) {
        ereport(LOG, errhidecontext(true),
                errmsg("%s cannot send mail: %.*s", MyBgworkerEntry->bgw_name, static_cast<int>(words.size()),
                       words.data()));
    }
    state.next_look = GetCurrentTimestamp() + core::wait_for_mail_server(state.faults);
}

void note_success() {
    if (state.faults > 0) {
        ereport(LOG, errhidecontext(true),
                errmsg_plural("%s sends mail again after %d failure", "%s sends mail again after %d failures",
                              static_cast<unsigned long>(state.faults), MyBgworkerEntry->bgw_name,
                              state.faults));
    }
    state.faults = 0;
}

template <class T> std::span<T> allocate(std::size_t count) {
    return {new (palloc(sizeof(T) * count + 1)) T[count], count};
}

// For texts with the lifetime of the turn.
std::pmr::memory_resource* new_arena() {
    auto* memory = pg::make<pg::ContextResource>(state.context, state.context);
    return pg::make<std::pmr::monotonic_buffer_resource>(state.context, memory);
}

// Views of SPI memory, valid until SPI ends.
std::string_view text_at(uint64 row, int column) {
    bool isnull = false;
    const Datum value = pg::spi_value(row, column, isnull);
    return isnull ? std::string_view{} : pg::view(value);
}

std::span<core::MailedNotice> read_mailed(Datum recipient, TimestampTz now) {
    const Datum values[] = {recipient, TimestampTzGetDatum(now - core::mail_interval)};
    const auto mailed = allocate<core::MailedNotice>(mailed_lately.run(values));
    bool isnull = false;
    for (std::size_t i = 0; i < mailed.size(); ++i) {
        mailed[i].kind = core::parse_notice_kind(text_at(i, 1)).value_or(core::NoticeKind::account);
        mailed[i].server = text_at(i, 2);
        mailed[i].at = DatumGetTimestampTz(pg::spi_value(i, 3, isnull));
    }
    return mailed;
}

struct Waiting {
    std::span<core::WaitingNotice> notices;
    std::span<std::int64_t> ids;
    std::span<bool> by_name; // the recipient is known only from the name of the queue
    int attempts;            // their maximum
};

Waiting read_waiting(Datum recipient) {
    const Datum values[] = {recipient, Int32GetDatum(most_notices)};
    const uint64 rows = waiting_notices.run(values);
    Waiting waiting{allocate<core::WaitingNotice>(rows), allocate<std::int64_t>(rows), allocate<bool>(rows),
                    0};
    for (std::size_t i = 0; i < rows; ++i) {
        bool isnull = false;
        core::WaitingNotice& notice = waiting.notices[i];
        waiting.ids[i] = DatumGetInt64(pg::spi_value(i, 1, isnull));
        notice.kind = core::parse_notice_kind(text_at(i, 2)).value_or(core::NoticeKind::account);
        notice.written_at = DatumGetTimestampTz(pg::spi_value(i, 3, isnull));
        notice.server = text_at(i, 4);
        notice.vhost = text_at(i, 5);
        notice.queue = text_at(i, 6);
        waiting.attempts = std::max(waiting.attempts, DatumGetInt32(pg::spi_value(i, 7, isnull)));
        notice.told = core::parse_notice_kind(text_at(i, 8));
        const Datum unmailed = pg::spi_value(i, 9, isnull);
        notice.opening_unmailed = !isnull && DatumGetBool(unmailed);
        waiting.by_name[i] = DatumGetBool(pg::spi_value(i, 10, isnull));
    }
    return waiting;
}

// Notices of one broker are usually adjacent, so each broker is looked up once.
void note_crowds(const Waiting& waiting, TimestampTz now) {
    std::string_view server;
    TimestampTz until = 0;
    for (std::size_t i = 0; i < waiting.notices.size(); ++i) {
        core::WaitingNotice& notice = waiting.notices[i];
        if (!waiting.by_name[i]) {
            continue;
        }
        if (notice.server != server) {
            server = notice.server;
            const Datum values[] = {pg::to_text(server), TimestampTzGetDatum(now - core::mail_interval),
                                    TimestampTzGetDatum(now),
                                    Int64GetDatum(guardian::mails_per_hour(server) - 1)};
            bool isnull = false;
            until = crowded.run(values) == 0 ? 0 : DatumGetTimestampTz(pg::spi_value(0, 1, isnull));
        }
        notice.crowded_until = until;
    }
}

// Sets the verdict of notices that are not mailed now. Returns the ids of the others.
Column apply(const Waiting& waiting, std::span<const core::NoticeVerdict> verdicts, TimestampTz now) {
    Column ids, states, dues, outcomes, chosen;
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
        core::NoticeVerdict verdict = verdicts[i];
        if (verdict.fate == core::NoticeFate::mail && chosen.size() < most_in_mail) {
            chosen.add_int8(waiting.ids[i]);
            continue;
        }
        const char* settled = "dropped";
        const char* why = nullptr;
        TimestampTz due = 0;
        switch (verdict.fate) {
        case core::NoticeFate::mail:
            verdict.until = now + look_interval;
            [[fallthrough]];
        case core::NoticeFate::wait:
            settled = "waiting";
            due = std::max(verdict.until, now);
            why = verdict.crowded ? "its broker has caused max_mails within an hour" : nullptr;
            break;
        case core::NoticeFate::superseded:
            why = "a later notice replaced it";
            break;
        case core::NoticeFate::needless:
            why = "it was over before its beginning was mailed";
            break;
        case core::NoticeFate::expired:
            settled = "failed";
            break;
        }
        ids.add_int8(waiting.ids[i]);
        states.add_text(settled);
        dues.add_time(due);
        why != nullptr ? outcomes.add_text(why) : outcomes.add_null();
    }
    if (ids.size() > 0) {
        const Datum values[] = {ids.array(INT8OID), states.array(TEXTOID), dues.array(TIMESTAMPTZOID),
                                outcomes.array(TEXTOID)};
        settle.run(values);
    }
    return chosen;
}

void remember(const pg_uuid_t& mail, std::string_view recipient, int attempts) {
    state.mail = mail;
    recipient.copy(state.recipient, core::max_address_size);
    state.recipient[std::min(recipient.size(), core::max_address_size)] = '\0';
    state.attempts = attempts;
}

// Once for each broker.
void tell_crowds(const Waiting& waiting, std::span<const core::NoticeVerdict> verdicts, TimestampTz now) {
    std::string_view server;
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
        const core::WaitingNotice& notice = waiting.notices[i];
        if (verdicts[i].crowded && notice.server != server) {
            server = notice.server;
            guardian::tell_held(server, notice.crowded_until, now, new_arena());
        }
    }
}

// Makes the next mail of one recipient; false if all its pending notices must wait.
bool plan(Datum recipient, TimestampTz now) {
    const Waiting waiting = read_waiting(recipient);
    const std::span<core::MailedNotice> mailed = read_mailed(recipient, now);
    note_crowds(waiting, now);
    const auto verdicts = allocate<core::NoticeVerdict>(waiting.notices.size());
    core::plan_mail(waiting.notices, mailed, now, verdicts);
    tell_crowds(waiting, verdicts, now);
    const Column chosen = apply(waiting, verdicts, now);
    if (chosen.size() == 0) {
        return false;
    }
    const core::Uuid uuid = board::new_uuid();
    pg_uuid_t mail;
    std::memcpy(mail.data, uuid.bytes.data(), sizeof mail.data);
    remember(mail, pg::view(recipient), waiting.attempts + 1);
    const Datum values[] = {chosen.array(INT8OID), UUIDPGetDatum(&mail),
                            TimestampTzGetDatum(now + core::wait_for_mail(state.attempts))};
    mark.run(values);
    return true;
}

// Handles a mail with unknown outcome. False if it is not repeated any more.
bool repeat(TimestampTz now) {
    bool isnull = false;
    const pg_uuid_t mail = *DatumGetUUIDP(pg::spi_value(0, 1, isnull));
    remember(mail, text_at(0, 2), DatumGetInt32(pg::spi_value(0, 3, isnull)) + 1);
    const TimestampTz written_at = DatumGetTimestampTz(pg::spi_value(0, 4, isnull));
    if (state.attempts > core::most_unknown || now - written_at > core::oldest_notice) {
        const Datum values[] = {UUIDPGetDatum(&state.mail),
                                pg::to_text("failed"),
                                pg::to_text("it is unknown whether it was delivered"),
                                Datum{0},
                                Datum{0},
                                Int32GetDatum(0)};
        const bool nulls[] = {false, false, false, true, true, false};
        record_fate.run(values, nulls);
        return false;
    }
    const Datum values[] = {UUIDPGetDatum(&state.mail),
                            TimestampTzGetDatum(now + core::wait_for_mail(state.attempts))};
    mark_again.run(values);
    return true;
}

// Recipients known only from the names of queues do not delay other recipients, however many they are.
bool find_recipient(TimestampTz now) {
    const Datum known[] = {TimestampTzGetDatum(now), BoolGetDatum(false)};
    const Datum by_name[] = {TimestampTzGetDatum(now), BoolGetDatum(true)};
    return next_recipient.run(known) > 0 || next_recipient.run(by_name) > 0;
}

// Marks the next mail, if any is due.
bool choose(TimestampTz now) {
    const Datum due[] = {TimestampTzGetDatum(now)};
    if (unfinished.run(due) > 0) {
        return repeat(now);
    }
    for (int i = 0; i < most_recipients; ++i) {
        if (!find_recipient(now)) {
            state.next_look = now + look_interval;
            return false;
        }
        if (plan(pg::to_text(text_at(0, 1)), now)) {
            return true;
        }
    }
    return false;
}

// The text of the chosen mail. The same notices make the same mail, whenever it is sent.
std::string_view compose() {
    const Datum values[] = {UUIDPGetDatum(&state.mail)};
    const auto notices = allocate<core::NoticeText>(texts_of_mail.run(values));
    for (std::size_t i = 0; i < notices.size(); ++i) {
        notices[i] = {text_at(i, 1), text_at(i, 2)};
    }
    core::Uuid uuid;
    std::memcpy(uuid.bytes.data(), state.mail.data, sizeof state.mail.data);
    const core::UuidText* id = new (palloc(sizeof(core::UuidText))) core::UuidText(core::print(uuid));
    return core::compose_mail({.from = guardian::settings().mail_from,
                               .to = state.recipient,
                               .id = {id->data(), id->size()},
                               .time_sec = core::uuid_time(uuid).value_or(0) / core::micros_per_second},
                              notices, new_arena());
}

net::SmtpTls tls_level() {
    using enum net::SmtpTls;
    constexpr net::SmtpTls levels[] = {off, opportunistic, required}; // in the order of guardian::SmtpTls
    return levels[guardian::settings().smtp_tls];
}

// Looks for due mail, and starts to hand it over.
void look(TimestampTz now) {
    state.next_look = now;
    const guardian::Settings& settings = guardian::settings();
    if (*settings.mail_from == '\0') {
        note_fault("cloudsat.mail_from is not set");
        return;
    }
    const bool credentials = *settings.smtp_user != '\0' && *settings.smtp_password_file != '\0';
    bool chosen = false;
    std::string_view text;
    char secret[1025] = ""; // a copy: SPI memory ends with SPI, and the password is short
    const pg::Presence presence = with_extension([&] {
        pg::spi_begin();
        chosen = choose(now);
        if (chosen) {
            text = compose();
            if (credentials) { // in a transaction, which closes the file after any error
                pg::read_password(settings.smtp_password_file).copy(secret, sizeof secret - 1);
            }
        }
        pg::spi_end();
    });
    if (presence != pg::Presence::present) {
        state.next_look = now + look_interval;
    }
    if (!chosen) {
        return;
    }
    state.under_way = true;
    state.smtp->start({.url = settings.smtp_url,
                       .user = settings.smtp_user,
                       .password = secret,
                       .ca_file = settings.smtp_ca_file,
                       .tls = tls_level(),
                       .timeout_ms = settings.smtp_timeout * 1000L,
                       .from = settings.mail_from,
                       .to = state.recipient,
                       .text = text});
    explicit_bzero(secret, sizeof secret);
}

void record(TimestampTz now) {
    const net::MailReply& reply = state.smtp->reply();
    const bool given_up = reply.fate == MailFate::unknown && state.attempts >= core::most_unknown;
    const char* becomes = reply.fate == MailFate::sent                  ? "sent"
                          : reply.fate == MailFate::refused || given_up ? "failed"
                          : reply.fate == MailFate::unknown             ? "sending"
                                                                        : "waiting";
    // notices not yet offered in a mail become due again in the next look, when the mail server works
    const bool delayed = reply.fate == MailFate::postponed || reply.fate == MailFate::unknown;
    const pg::Presence presence = with_extension([&] {
        pg::spi_begin();
        const Datum values[] = {
            UUIDPGetDatum(&state.mail),
            pg::to_text(becomes),
            pg::to_text(reply.words),
            TimestampTzGetDatum(delayed ? now + core::wait_for_mail(state.attempts) : now),
            TimestampTzGetDatum(now),
            Int32GetDatum(reply.fate == MailFate::unserved ? 1 : 0)};
        const bool nulls[] = {false, false, false, false, reply.fate != MailFate::sent, false};
        record_fate.run(values, nulls);
        pg::spi_end();
    });
    if (presence == pg::Presence::busy) { // a session is altering the extension: the reply is kept
        state.retry_at = now + look_interval;
        return;
    }
    state.under_way = false;
    state.next_look = now;
    if (reply.fate == MailFate::unserved) {
        note_fault(reply.words);
        return;
    }
    note_success();
    if (std::strcmp(becomes, "failed") == 0) {
        ereport(LOG, errhidecontext(true),
                errmsg("mail to \"%s\" failed: %.*s", state.recipient, static_cast<int>(reply.words.size()),
                       reply.words.data()));
    }
}

void turn() {
    TimestampTz now = GetCurrentTimestamp();
    if (state.smtp == nullptr) {
        state.smtp = pg::make<net::Smtp>(TopMemoryContext);
    }
    if (state.under_way) {
        state.smtp->step();
        if (!state.smtp->done()) {
            return;
        }
        record(now);
        now = GetCurrentTimestamp();
    }
    if (!state.under_way && now >= state.next_look && has_mail_server()) {
        look(now);
    }
}

} // namespace

void tend_mail() {
    if (state.reloads != reloads()) { // the cause of the failure may have been corrected
        state.reloads = reloads();
        state.next_look = state.retry_at = 0;
        state.faults = 0; // and if not, the log must show the current cause
    }
    const TimestampTz now = GetCurrentTimestamp();
    if (now < state.retry_at || (!state.under_way && (!has_mail_server() || now < state.next_look))) {
        return;
    }
    if (state.context == nullptr) {
        state.context = pg::new_context(TopMemoryContext, "cloudsat mail");
    }
    MemoryContext before = MemoryContextSwitchTo(state.context);
    const bool ok = pg::survive(turn);
    MemoryContextSwitchTo(before);
    MemoryContextReset(state.context);
    state.errors = ok ? 0 : state.errors + 1;
    if (!ok) {
        if (state.under_way && !state.smtp->done()) {
            forget_mail(); // it is marked, so it is found among the unfinished ones
        }
        state.retry_at = GetCurrentTimestamp() + core::wait_for_mail_server(state.errors);
    }
}

void forget_mail() {
    if (state.under_way) {
        state.smtp->abandon();
        state.under_way = false;
    }
}

int mail_descriptor() {
    return state.under_way && state.smtp->running() ? state.smtp->fd() : -1;
}

long mail_timeout() {
    if (state.under_way && state.smtp->running()) {
        return state.smtp->timeout_ms();
    }
    if (!state.under_way && !has_mail_server()) {
        return -1;
    }
    const TimestampTz next = std::max(state.retry_at, state.under_way ? 0 : state.next_look);
    return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next); // 0 if that is past
}

} // namespace cloudsat::worker
