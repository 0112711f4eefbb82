// SQL functions for accounts (users of a broker) and requests for accounts, which are confirmed by a mailed
// token. The caller's transaction stays open while the broker is asked, and a rollback does not undo changes
// in the broker. So each function can be called again, and handles what the previous call left behind.
//
// A password is hashed at once, and is in no message, table or request. If one of these functions raises an
// error, not even the statement with the password is shown or logged (pg/secret.hpp).

#include "guardian/account.hpp"

#include <algorithm>
#include <cstring>

#include "board/address.hpp"
#include "board/message.hpp"
#include "board/registration.hpp"
#include "core/base/text_writer.hpp"
#include "core/board/address.hpp"
#include "core/guardian/account.hpp"
#include "core/guardian/incident_text.hpp"
#include "core/guardian/mail_text.hpp"
#include "core/wire/broker_documents.hpp"
#include "core/wire/url.hpp"
#include "guardian/columns.hpp"
#include "guardian/cycle.hpp"
#include "guardian/outbox.hpp"
#include "guardian/queue_row.hpp"
#include "guardian/settings.hpp"
#include "pg/memory.hpp"
#include "pg/secret.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_foreign_server.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

using core::FaultKind;

constexpr std::size_t most_username_bytes = 255; // limit of the broker
constexpr std::size_t token_size = 24;           // bytes of randomness
constexpr int requests_per_owner = 3;            // not expired
constexpr int requests_per_hour = 100;           // of all owners
constexpr std::size_t names_in_a_mail = 20;

// --- statements that write

pg::Statement claim_name(R"(
    INSERT INTO cloudsat.accounts AS a (server, username, origin, password_at)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (server, username) DO UPDATE SET origin = EXCLUDED.origin,
           password_at = EXCLUDED.password_at, gone_at = NULL
    RETURNING (xmax <> '0'))",
                         {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID});
pg::Statement find_account(R"(
    SELECT a.origin
    FROM cloudsat.accounts AS a
    WHERE a.server = $1
      AND a.username = $2
    FOR UPDATE)",
                           {TEXTOID, TEXTOID});
pg::Statement is_taken(R"(
    SELECT FROM cloudsat.accounts AS a
    WHERE a.server = $1
      AND a.username = $2)",
                       {TEXTOID, TEXTOID});
pg::Statement note_password(R"(
    UPDATE cloudsat.accounts AS a
    SET password_at = $3, gone_at = NULL,
        origin = CASE WHEN a.origin = 'adopted' THEN 'declared' ELSE a.origin END
    WHERE a.server = $1
      AND a.username = $2)",
                            {TEXTOID, TEXTOID, TIMESTAMPTZOID});
pg::Statement declare_account(R"(
    INSERT INTO cloudsat.accounts AS a (server, username, origin)
    VALUES ($1, $2, 'declared')
    ON CONFLICT (server, username) DO UPDATE SET
           origin = CASE WHEN a.origin = 'adopted' THEN 'declared' ELSE a.origin END)",
                              {TEXTOID, TEXTOID});
pg::Statement remove_account(R"(
    DELETE FROM cloudsat.accounts AS a
    WHERE a.server = $1
      AND a.username = $2)",
                             {TEXTOID, TEXTOID});
pg::Statement remove_declared(R"(
    DELETE FROM cloudsat.accounts AS a
    WHERE a.server = $1
      AND a.username = $2
      AND a.origin = 'declared'
      AND a.password_at IS NULL)",
                              {TEXTOID, TEXTOID});
pg::Statement remove_owners(R"(
    DELETE FROM cloudsat.account_owners AS o
    WHERE o.server = $1
      AND o.username = $2
      AND o.owner::text <> ALL ($3))",
                            {TEXTOID, TEXTOID, TEXTARRAYOID});
pg::Statement add_owners(R"(
    INSERT INTO cloudsat.account_owners (server, username, owner)
    SELECT $1, $2, n::cloudsat.address
    FROM unnest($3) AS n
    ON CONFLICT DO NOTHING)",
                         {TEXTOID, TEXTOID, TEXTARRAYOID});

pg::Statement forget_requests(R"(
    DELETE FROM cloudsat.account_requests AS r
    WHERE r.owner = $1::cloudsat.address
      AND r.expires_at <= $2)",
                              {TEXTOID, TIMESTAMPTZOID});
pg::Statement count_requests(R"(
    SELECT FROM cloudsat.account_requests AS r
    WHERE r.requested_at > $1)",
                             {TIMESTAMPTZOID});
// An owner's requests are numbered, and the numbers are unique: concurrent requests cannot exceed the limit.
pg::Statement add_request(R"(
    INSERT INTO cloudsat.account_requests (token_hash, server, username, owner, place, requested_at,
           expires_at)
    SELECT $1, $2, $3, $4::cloudsat.address, n.place, $5, $6
    FROM generate_series(1, $7) AS n(place)
    WHERE NOT EXISTS (SELECT FROM cloudsat.account_requests AS r
           WHERE r.owner = $4::cloudsat.address AND r.place
           = n.place)
    ORDER BY n.place LIMIT 1
    ON CONFLICT DO NOTHING)",
                          {BYTEAOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID});
// Looks the token up by its hash, which nobody can choose: a comparison that takes longer for a better guess
// reveals nothing.
pg::Statement use_token(R"(
    UPDATE cloudsat.account_requests AS r
    SET used_at = $2
    WHERE r.token_hash = $1
      AND r.used_at IS NULL
      AND r.expires_at > $2
    RETURNING r.server, r.username, r.owner::text)",
                        {BYTEAOID, TIMESTAMPTZOID});

// Skips users that were changed since the broker was asked. Grouping avoids a nested loop, whatever the
// planner's statistics say.
pg::Statement note_gone(R"(
    UPDATE cloudsat.accounts AS a
    SET gone_at = CASE WHEN a.gone_at IS NULL THEN $3 END
    WHERE greatest(a.created_at, a.password_at) < $3
      AND a.ctid = ANY (ARRAY(
          SELECT min(u.place)
          FROM (SELECT k.username, k.ctid AS place, k.gone_at IS NULL AS here, false AS told
                FROM cloudsat.accounts AS k WHERE k.server = $1
                UNION ALL
                SELECT n, NULL, NULL, true FROM unnest($2) AS n) AS u
          GROUP BY u.username
          HAVING bool_and(u.here) <> bool_or(u.told))))",
                        {TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID});
pg::Statement forget_adopted(R"(
    DELETE FROM cloudsat.accounts AS a
    WHERE a.server = $1
      AND a.origin = 'adopted'
      AND a.gone_at IS NOT NULL)",
                             {TEXTOID});
pg::Statement adopt(R"(
    INSERT INTO cloudsat.accounts AS a (server, username, origin)
    SELECT $1, n, 'adopted'
    FROM unnest($2) AS n
    WHERE n <> $3
      AND NOT coalesce(n COLLATE "C" ~ $4, false)
    ORDER BY n
    ON CONFLICT DO NOTHING
    RETURNING a.username)",
                    {TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID});

// --- locks

enum class Changing : std::uint8_t { account, adoption };

// Held until the end of a transaction that changes an account; several may hold it at once. An adopting guard
// does not wait for them: a client may keep its transaction open for long.
bool lock_accounts(Oid server, Changing which) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, ForeignServerRelationId, server, 0x6374);
    return which == Changing::account
               ? LockAcquire(&tag, RowExclusiveLock, false, false) != LOCKACQUIRE_NOT_AVAIL
               : LockAcquire(&tag, ShareLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

// --- secrets

core::Sha256 sha256(std::initializer_list<std::string_view> parts) {
    static_assert(core::digest_size_sha256 == PG_SHA256_DIGEST_LENGTH);
    core::Sha256 digest{};
    pg_cryptohash_ctx* context = pg_cryptohash_create(PG_SHA256);
    bool ok = context != nullptr && pg_cryptohash_init(context) >= 0;
    for (const std::string_view part : parts) {
        ok = ok &&
             pg_cryptohash_update(context, reinterpret_cast<const uint8*>(part.data()), part.size()) >= 0;
    }
    ok = ok && pg_cryptohash_final(context, digest.data(), digest.size()) >= 0;
    pg_cryptohash_free(context);
    if (!ok) {
        ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a SHA-256 hash"));
    }
    return digest;
}

std::string_view bytes_of(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void fill_with_randomness(std::span<std::uint8_t> bytes) {
    if (!pg_strong_random(bytes.data(), bytes.size())) {
        ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random bytes"));
    }
}

std::string_view hash_password(std::string_view password, const core::Salt& salt,
                               std::pmr::memory_resource* arena) {
    return core::password_hash(salt, sha256({bytes_of(salt), password}), arena);
}

void check_password(std::string_view password) {
    const core::PasswordFault fault = core::check_password(password);
    if (fault != core::PasswordFault::none) {
        const bool brief = fault == core::PasswordFault::too_short;
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg(brief ? "password is too short" : "password is too long"),
                errdetail("A password has at least %zu characters and at most %zu bytes.",
                          core::min_password_characters, core::max_password_size),
                errhint("Choose a %s password.", brief ? "longer" : "shorter"));
    }
}

// --- the broker

// Plain data. All texts live in the context.
struct Broker {
    MemoryContext context = nullptr;
    const Server* server = nullptr;
    net::Http* http = nullptr;
    std::pmr::memory_resource* arena = nullptr;
};

Broker open_broker(std::string_view name) {
    Broker broker;
    broker.context = pg::new_context(CurrentMemoryContext, "cloudsat account");
    broker.server = load_server(find_server(name), broker.context);
    auto* memory = pg::make<pg::ContextResource>(broker.context, broker.context);
    broker.arena = pg::make<std::pmr::monotonic_buffer_resource>(broker.context, memory);
    broker.http = &http_of_process();
    pg::make<Hangup>(broker.context, broker.http);
    lock_accounts(broker.server->oid, Changing::account);
    return broker;
}

[[noreturn]] void refuse_answer(const Broker& broker, FaultKind kind, std::string_view words) {
    const int size = static_cast<int>(words.size());
    if (kind == FaultKind::unauthorized || kind == FaultKind::forbidden) {
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("broker \"%s\" does not allow the guardian to change users: %.*s", broker.server->name,
                       size, words.data()),
                errdetail("The user in the server's user mapping needs the tag administrator."),
                errhint("Use rabbitmqctl set_user_tags, or change the user in the mapping."));
    }
    const std::string_view hint = core::plugin_hint(kind, core::Plugin::management);
    ereport(ERROR, errcode(ERRCODE_FDW_ERROR),
            errmsg("request to broker \"%s\" failed: %.*s", broker.server->name, size, words.data()),
            errdetail("The kind of fault is %s.", core::name_of(kind).data()),
            errhint("%s", hint.empty()
                              ? "The request may have been carried out in part. Call the function again."
                              : hint.data()));
}

// Sends a request and waits for the answer, with the transaction open; can be cancelled. Missing::is_answer:
// 404 is an answer, too.
enum class Missing : std::uint8_t { is_fault, is_answer };
const net::Reply& ask(const Broker& broker, net::Method method, std::initializer_list<std::string_view> path,
                      std::string_view body, core::Expect expect, Missing missing = Missing::is_fault) {
    const std::string_view url = Api(*broker.server, broker.arena).url(path);
    start(*broker.http, *broker.server, method, url, expect, body);
    const net::Reply& reply = finish(*broker.http);
    const bool ok = reply.kind == FaultKind::none ||
                    (missing == Missing::is_answer && reply.kind == FaultKind::not_found);
    if (!ok) {
        refuse_answer(broker, reply.kind, join(broker.arena, {reply.error}));
    }
    return reply;
}

// The name as a segment of a path. Users created in the broker itself may have any name.
std::string_view segment(const Broker& broker, std::string_view username) {
    const auto encoded = core::encode_segment(username, broker.arena);
    if (!encoded) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid user name"),
                errdetail("It is empty, or consists of dots and so has no address over HTTP."));
    }
    return *encoded;
}

struct Found {
    bool there = false;
    core::BrokerUser user;
};
Found find_user(const Broker& broker, std::string_view username) {
    const net::Reply& reply = ask(broker, net::Method::get, {"users/", segment(broker, username)}, {},
                                  core::Expect::json, Missing::is_answer);
    if (reply.kind == FaultKind::not_found) {
        return {};
    }
    const auto user = core::read_user(reply.json(), broker.arena);
    if (!user) {
        refuse_answer(broker, user.error().kind, user.error().detail);
    }
    return {true, user.value()};
}

std::span<const std::string_view> list(const Broker& broker, std::initializer_list<std::string_view> path,
                                       const char* member) {
    const net::Reply& reply = ask(broker, net::Method::get, path, {}, core::Expect::json);
    const auto names = core::read_column(reply.json(), member, broker.arena);
    if (!names) {
        refuse_answer(broker, names.error().kind, names.error().detail);
    }
    return names.value();
}

void put_user(const Broker& broker, std::string_view username, std::string_view hash, std::string_view tags) {
    ask(broker, net::Method::put, {"users/", segment(broker, username)},
        core::user_document(hash, tags, broker.arena), core::Expect::anything);
}

// In each watched vhost without permissions of the account: changes by the broker's admins remain.
void grant_permissions(const Broker& broker, std::string_view username) {
    const std::string_view user = segment(broker, username);
    const auto granted = list(broker, {"users/", user, "/permissions"}, "vhost");
    const std::string_view pattern = broker.server->options.vhosts;
    const std::string_view document = core::permissions_document(
        core::own_pattern(username, broker.arena),
        core::read_pattern(username, broker.server->options.account_read, broker.arena), broker.arena);
    for (const std::string_view vhost : list(broker, {"vhosts?columns=name"}, "name")) {
        const auto encoded = core::encode_segment(vhost, broker.arena);
        if (encoded && (pattern.empty() || matches(vhost, pattern)) &&
            std::find(granted.begin(), granted.end(), vhost) == granted.end()) {
            ask(broker, net::Method::put, {"permissions/", *encoded, "/", user}, document,
                core::Expect::anything);
        }
    }
}

// The tag of users created by this server of this database, which identifies them after a rollback.
std::string_view own_tag(const Broker& broker) {
    const core::Sha256 digest = sha256({"cloudsat", home_of(*broker.server, broker.arena)});
    return join(broker.arena, {"cloudsat-", core::token_text({digest.data(), 9}, broker.arena)});
}

// The guardian does not change its own account.
void refuse_own_user(const Broker& broker, std::string_view username) {
    if (username == broker.server->mapping.user) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_IN_USE),
                errmsg("\"%.*s\" is the guardian's own user in broker \"%s\"",
                       static_cast<int>(username.size()), username.data(), broker.server->name),
                errhint("Change it in the broker, then change the server's user mapping."));
    }
}

// --- arguments

void require_username(std::string_view username) {
    const std::string_view wrong = core::check_username(username);
    if (!wrong.empty()) {
        ereport(ERROR, errcode(ERRCODE_INVALID_NAME),
                errmsg("invalid user name \"%.*s\"", static_cast<int>(username.size()), username.data()),
                errdetail("%.*s", static_cast<int>(wrong.size()), wrong.data()));
    }
}

enum class Nobody : std::uint8_t { refused, allowed };
Datum read_owners(Datum array, Nobody nobody) {
    Column owners;
    for (const core::AddressView& address : board::read_addresses(array)) {
        owners.add(CStringGetTextDatum(board::address_cstring(address)));
    }
    if (owners.size() == 0 && nobody == Nobody::refused) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("an account needs an owner"),
                errdetail("The list of owners is empty."));
    }
    return owners.size() == 0 ? PointerGetDatum(construct_empty_array(TEXTOID)) : owners.array(TEXTOID);
}

std::string_view text_argument(FunctionCallInfo fcinfo, int number) {
    return pg::view(PG_GETARG_DATUM(number));
}

[[noreturn]] void refuse_taken(std::string_view username, const char* server, const char* detail,
                               const char* hint) {
    ereport(ERROR, errcode(ERRCODE_DUPLICATE_OBJECT),
            errmsg("account \"%.*s\" of broker \"%s\" already exists", static_cast<int>(username.size()),
                   username.data(), server),
            errdetail("%s", detail), hint == nullptr ? 0 : errhint("%s", hint));
}

// The origin of the account in the table, locked; empty if there is none. Needs SPI.
std::string_view origin_of(const Datum* key) {
    const Datum values[] = {key[0], key[1]};
    bool isnull = false;
    return find_account.run(values, {}, false, 1) == 0 ? std::string_view{}
                                                       : pg::view(pg::spi_value(0, 1, isnull));
}

void set_owners(const Datum* key, Datum owners) {
    const Datum values[] = {key[0], key[1], owners};
    remove_owners.run(values);
    add_owners.run(values);
}

// --- the SQL functions

Datum create_account_in_secret(FunctionCallInfo fcinfo) {
    pg::require_argument(fcinfo, 0, "server");
    pg::require_argument(fcinfo, 1, "username");
    pg::require_argument(fcinfo, 2, "password");
    pg::require_argument(fcinfo, 3, "owners");
    PreventCommandIfReadOnly("cloudsat.create_account()"); // before anything is changed in the broker
    const std::string_view username = text_argument(fcinfo, 1);
    const std::string_view password = text_argument(fcinfo, 2);
    require_username(username);
    check_password(password);
    const Datum owners = read_owners(PG_GETARG_DATUM(3), Nobody::refused);
    const Broker broker = open_broker(text_argument(fcinfo, 0));
    refuse_own_user(broker, username);

    // The row comes first: a concurrent call for the same account waits here.
    const Datum key[] = {pg::to_text(broker.server->name), pg::to_text(username)};
    pg::spi_begin();
    const bool takeable = [&] {
        const std::string_view origin = origin_of(key);
        return origin.empty() || origin == "adopted";
    }();
    const Datum row[] = {key[0], key[1], pg::to_text("created"), TimestampTzGetDatum(GetCurrentTimestamp())};
    claim_name.run(row);
    set_owners(key, owners);
    pg::spi_end();

    const std::string_view tag = own_tag(broker);
    const Found found = find_user(broker, username);
    if (found.there && !(takeable && core::has_tag(found.user.tags, tag))) {
        refuse_taken(username, broker.server->name, "The broker has a user with this name.",
                     "Use set_account_owners() and set_account_password() to take it over.");
    }
    core::Salt salt{};
    fill_with_randomness(salt);
    put_user(broker, username, hash_password(password, salt, broker.arena), tag);
    grant_permissions(broker, username);
    MemoryContextDelete(broker.context);
    PG_RETURN_VOID();
}

Datum set_account_password_in_secret(FunctionCallInfo fcinfo) {
    pg::require_argument(fcinfo, 0, "server");
    pg::require_argument(fcinfo, 1, "username");
    pg::require_argument(fcinfo, 2, "password");
    PreventCommandIfReadOnly("cloudsat.set_account_password()");
    const std::string_view username = text_argument(fcinfo, 1);
    const std::string_view password = text_argument(fcinfo, 2);
    check_password(password);
    const Broker broker = open_broker(text_argument(fcinfo, 0));
    refuse_own_user(broker, username);

    const Datum values[] = {pg::to_text(broker.server->name), pg::to_text(username),
                            TimestampTzGetDatum(GetCurrentTimestamp())};
    pg::spi_begin();
    const bool known = note_password.run(values) > 0;
    pg::spi_end();
    const Found found = known ? find_user(broker, username) : Found{};
    if (!found.there) {
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT),
                errmsg("account \"%.*s\" of broker \"%s\" does not exist", static_cast<int>(username.size()),
                       username.data(), broker.server->name),
                known ? errdetail("The broker has no such user.") : 0,
                known ? errhint("Use create_account().")
                      : errhint("Use set_account_owners() first if the user was created in the broker."));
    }
    core::Salt salt{};
    fill_with_randomness(salt);
    put_user(broker, username, hash_password(password, salt, broker.arena), found.user.tags);
    if (core::has_tag(found.user.tags, own_tag(broker))) {
        grant_permissions(broker, username);
    }
    MemoryContextDelete(broker.context);
    PG_RETURN_VOID();
}

Datum set_account_owners(FunctionCallInfo fcinfo) {
    pg::require_argument(fcinfo, 0, "server");
    pg::require_argument(fcinfo, 1, "username");
    pg::require_argument(fcinfo, 2, "owners");
    const std::string_view username = text_argument(fcinfo, 1);
    if (username.empty() || username.size() > most_username_bytes) {
        ereport(
            ERROR, errcode(ERRCODE_INVALID_NAME), errmsg("invalid user name"),
            errdetail("The name of a broker's user must have between 1 and %zu bytes.", most_username_bytes));
    }
    const Datum owners = read_owners(PG_GETARG_DATUM(2), Nobody::allowed);
    const Oid server = find_server(text_argument(fcinfo, 0));
    lock_accounts(server, Changing::account);
    const Datum key[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
    pg::spi_begin();
    declare_account.run(key);
    set_owners(key, owners);
    if (ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(owners)), ARR_DIMS(DatumGetArrayTypeP(owners))) == 0) {
        remove_declared.run(key);
    }
    pg::spi_end();
    PG_RETURN_VOID();
}

Datum delete_account(FunctionCallInfo fcinfo) {
    pg::require_argument(fcinfo, 0, "server");
    pg::require_argument(fcinfo, 1, "username");
    PreventCommandIfReadOnly("cloudsat.delete_account()");
    const std::string_view username = text_argument(fcinfo, 1);
    const Broker broker = open_broker(text_argument(fcinfo, 0));
    refuse_own_user(broker, username);
    const Datum key[] = {pg::to_text(broker.server->name), pg::to_text(username)};
    pg::spi_begin();
    const bool known = remove_account.run(key) > 0;
    pg::spi_end();
    if (!known) {
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT),
                errmsg("account \"%.*s\" of broker \"%s\" does not exist", static_cast<int>(username.size()),
                       username.data(), broker.server->name),
                errhint("Use set_account_owners() first if the user was created in the broker."));
    }
    ask(broker, net::Method::del, {"users/", segment(broker, username)}, {}, core::Expect::anything,
        Missing::is_answer);
    MemoryContextDelete(broker.context);
    PG_RETURN_VOID();
}

bool is_person(const core::AddressView& address) {
    const core::AddressText text = core::print(address);
    const auto parsed = core::parse_address(text.view());
    return parsed && core::local(parsed.value());
}

// A name that is an e-mail address belongs to that address only.
bool may_have(std::string_view username, const core::AddressView& owner) {
    const auto named = core::parse_address(username);
    return !named || !core::local(named.value()) || named.value().view() == owner;
}

// Checks whether a token for this name may be mailed to this owner.
void require_applicant(std::string_view username, const core::AddressView& owner, const char* owner_text) {
    if (!is_person(owner)) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("owner %s cannot receive mail", owner_text),
                errdetail("The address has no local part, and the token is sent by mail."));
    }
    if (!may_have(username, owner)) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("user name \"%.*s\" is the e-mail address of another owner",
                       static_cast<int>(username.size()), username.data()),
                errdetail("An account named like an address can be requested only for that address."));
    }
    if (!has_mail_server()) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("no mail server is configured"), errhint("Set cloudsat.smtp_url."));
    }
}

void require_unreserved(const Server& server, std::string_view username) {
    const std::string_view reserved = server.options.reserved_owners;
    if (username == server.mapping.user || (!reserved.empty() && matches(username, reserved))) {
        ereport(ERROR, errcode(ERRCODE_RESERVED_NAME),
                errmsg("user name \"%.*s\" is reserved", static_cast<int>(username.size()), username.data()));
    }
}

// Stores the request until it is confirmed or expires, unless there are too many.
void keep_request(const Server& server, std::string_view username, const char* owner_text,
                  const core::Sha256& digest, TimestampTz now, TimestampTz expires) {
    const Datum owner = CStringGetTextDatum(owner_text);
    const Datum expired[] = {owner, TimestampTzGetDatum(now)};
    forget_requests.run(expired);
    const Datum hour[] = {TimestampTzGetDatum(now - USECS_PER_HOUR)};
    const bool crowded = count_requests.run(hour, {}, false, requests_per_hour) >= requests_per_hour;
    const Datum values[] = {pg::to_text(bytes_of(digest)),
                            pg::to_text(server.name),
                            pg::to_text(username),
                            owner,
                            TimestampTzGetDatum(now),
                            TimestampTzGetDatum(expires),
                            Int32GetDatum(requests_per_owner)};
    if (crowded || add_request.run(values) == 0) {
        ereport(ERROR, errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                crowded ? errmsg("too many accounts were requested within an hour")
                        : errmsg("too many accounts were requested for %s", owner_text),
                errdetail("At most %d requests of an address may be open at once, and at most %d requests "
                          "are allowed within an hour.",
                          requests_per_owner, requests_per_hour));
    }
}

Datum request_account(FunctionCallInfo fcinfo) {
    pg::require_argument(fcinfo, 0, "server");
    pg::require_argument(fcinfo, 1, "username");
    pg::require_argument(fcinfo, 2, "owner");
    const std::string_view username = text_argument(fcinfo, 1);
    require_username(username);
    const core::AddressView owner = board::address_view(PG_GETARG_DATUM(2));
    const char* owner_text = board::address_cstring(owner);
    require_applicant(username, owner, owner_text);
    MemoryContext context = pg::new_context(CurrentMemoryContext, "cloudsat account");
    auto* memory = pg::make<pg::ContextResource>(context, context);
    auto* arena = pg::make<std::pmr::monotonic_buffer_resource>(context, memory);
    const Server* server = load_server(find_server(text_argument(fcinfo, 0)), context);
    require_unreserved(*server, username);

    std::uint8_t secret[token_size];
    fill_with_randomness(secret);
    const std::string_view token = core::token_text(secret, arena);
    const TimestampTz now = GetCurrentTimestamp();
    const TimestampTz expires = now + settings().request_lifetime * USECS_PER_MINUTE;

    pg::spi_begin();
    keep_request(*server, username, owner_text, sha256({token}), now, expires);
    const Datum key[] = {pg::to_text(server->name), pg::to_text(username)};
    const bool taken = is_taken.run(key, {}, false, 1) > 0;
    // Only the mail reveals whether the name is free.
    Outbox outbox;
    outbox.add({.kind = core::NoticeKind::account,
                .recipient = owner_text,
                .vhost = {},
                .queue = {},
                .messages = {},
                .incident = nullptr,
                .text = taken ? core::mail_account_taken(server->name, username, arena)
                              : core::mail_account_token(server->name, username, token,
                                                         time_text(expires, arena), arena)});
    outbox.write(*server, now);
    pg::spi_end();
    MemoryContextDelete(context);
    PG_RETURN_VOID();
}

Datum as_row(FunctionCallInfo fcinfo, Datum server, Datum username) {
    TupleDesc columns;
    if (get_call_result_type(fcinfo, nullptr, &columns) != TYPEFUNC_COMPOSITE) {
        elog(ERROR, "return type must be a row type");
    }
    Datum values[] = {server, username};
    bool nulls[] = {false, false};
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls));
}

// Copies what must outlive SPI_finish().
Datum copied(std::string_view text, MemoryContext context) {
    MemoryContext before = MemoryContextSwitchTo(context);
    const Datum copy = pg::to_text(text);
    MemoryContextSwitchTo(before);
    return copy;
}

Datum confirm_account_in_secret(FunctionCallInfo fcinfo) {
    pg::require_argument(fcinfo, 0, "token");
    pg::require_argument(fcinfo, 1, "password");
    PreventCommandIfReadOnly("cloudsat.confirm_account()");
    const std::string_view token = text_argument(fcinfo, 0);
    const std::string_view password = text_argument(fcinfo, 1);
    check_password(password);
    MemoryContext caller = CurrentMemoryContext;
    const core::Sha256 digest = sha256({token});
    const TimestampTz now = GetCurrentTimestamp();

    pg::spi_begin();
    const Datum use[] = {pg::to_text(bytes_of(digest)), TimestampTzGetDatum(now)};
    if (use_token.run(use) == 0) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid token"),
                errdetail("The token was mistyped, has expired, or was already used."),
                errhint("Use request_account() to get a new token."));
    }
    bool isnull = false;
    const Datum server = copied(pg::view(pg::spi_value(0, 1, isnull)), caller);
    const Datum username = copied(pg::view(pg::spi_value(0, 2, isnull)), caller);
    const Datum owner = copied(pg::view(pg::spi_value(0, 3, isnull)), caller);
    pg::spi_end();

    const Broker broker = open_broker(pg::view(server));
    refuse_own_user(broker, pg::view(username));
    const Datum key[] = {server, username};
    pg::spi_begin();
    const std::string_view origin = origin_of(key);
    if (!origin.empty() && origin != "adopted") {
        refuse_taken(pg::view(username), broker.server->name,
                     "Another request for this name was confirmed first.",
                     "Use request_account() with another name.");
    }
    const Datum row[] = {server, username, pg::to_text("confirmed"), TimestampTzGetDatum(now)};
    claim_name.run(row);
    Column owners;
    owners.add(owner);
    set_owners(key, owners.array(TEXTOID));
    pg::spi_end();

    // The user may exist in the broker from a confirmation that was rolled back: the salt, derived from the
    // token, identifies it.
    core::Salt salt{};
    const core::Sha256 salted = sha256({"cloudsat salt", bytes_of(digest)});
    std::copy_n(salted.begin(), salt.size(), salt.begin());
    const Found found = find_user(broker, pg::view(username));
    const std::string_view tag = own_tag(broker);
    if (found.there &&
        !(core::has_tag(found.user.tags, tag) && core::has_salt(found.user.password_hash, salt))) {
        refuse_taken(pg::view(username), broker.server->name, "The broker has a user with this name.",
                     "Use request_account() with another name, or ask the broker's administrators.");
    }
    put_user(broker, pg::view(username), hash_password(password, salt, broker.arena), tag);
    grant_permissions(broker, pg::view(username));
    MemoryContextDelete(broker.context);
    return as_row(fcinfo, server, username);
}

// --- adoption

void tell_of_adoption(const Server& server, std::string_view names, std::size_t count, TimestampTz at,
                      std::pmr::memory_resource* arena) {
    const core::NoticeText text =
        core::mail_adopted(server.name, names, static_cast<std::int64_t>(count), arena);
    const auto from = core::parse_address(server.options.address);
    Outbox outbox;
    std::string_view admins = server.options.admins;
    while (const auto admin = core::next_item(admins)) {
        outbox.add({.kind = core::NoticeKind::account,
                    .recipient = *admin,
                    .vhost = {},
                    .queue = {},
                    .messages = {},
                    .incident = nullptr,
                    .text = text});
        if (const auto to = core::parse_address(*admin); from && to) {
            board::post_as(from.value().view().key(), to.value().view().key(), text.body);
        }
    }
    outbox.write(server, at);
}

Datum admins_of(const Server& server) {
    Column admins;
    std::string_view list = server.options.admins;
    while (const auto admin = core::next_item(list)) {
        admins.add_text(*admin);
    }
    return admins.array(TEXTOID);
}

} // namespace

bool sync_users(const Server& server, std::span<const std::string_view> users, TimestampTz listed,
                std::pmr::memory_resource* arena) {
    if (std::find(users.begin(), users.end(), server.mapping.user) == users.end()) {
        return true; // a list without the guardian's own user is not reliable
    }
    if (!lock_accounts(server.oid, Changing::adoption)) {
        return false;
    }
    Column names;
    for (const std::string_view user : users) {
        names.add_text(user);
    }
    const Datum name = pg::to_text(server.name);
    const Datum all = names.array(TEXTOID);
    const Datum gone[] = {name, all, TimestampTzGetDatum(listed)};
    note_gone.run(gone);
    const Datum forget[] = {name};
    forget_adopted.run(forget);
    if (server.options.admins.empty()) {
        return true;
    }
    const Datum values[] = {name, all, pg::to_text(server.mapping.user),
                            pg::to_text(server.options.reserved_owners)};
    const bool nulls[] = {false, false, false, server.options.reserved_owners.empty()};
    const uint64 rows = adopt.run(values, nulls);
    SPITupleTable* adopted = SPI_tuptable;
    core::TextWriter told(arena);
    std::size_t count = 0;
    for (uint64 row = 0; row < rows; ++row) {
        SPI_tuptable = adopted; // other statements ran in between
        bool isnull = false;
        const Datum username = copied(pg::view(pg::spi_value(row, 1, isnull)), CurrentMemoryContext);
        const Datum key[] = {name, username};
        const auto itself = core::parse_address(pg::view(username));
        if (itself && core::local(itself.value())) { // it is its own owner, as its queues show
            Column owner;
            owner.add(username);
            set_owners(key, owner.array(TEXTOID));
            continue;
        }
        set_owners(key, admins_of(server));
        if (count++ < names_in_a_mail) {
            told.put("  ").put(core::mail_name(pg::view(username), arena)).put("\n");
        }
    }
    if (count > names_in_a_mail) {
        told.put("  and ").put(static_cast<std::int64_t>(count - names_in_a_mail)).put(" more\n");
    }
    if (count > 0) {
        tell_of_adoption(server, told.keep(arena), count, GetCurrentTimestamp(), arena);
    }
    return true;
}

namespace {

Datum create_account(FunctionCallInfo fcinfo) {
    return pg::in_secret(fcinfo, create_account_in_secret);
}

Datum set_account_password(FunctionCallInfo fcinfo) {
    return pg::in_secret(fcinfo, set_account_password_in_secret);
}

Datum confirm_account(FunctionCallInfo fcinfo) {
    return pg::in_secret(fcinfo, confirm_account_in_secret);
}

} // namespace

SQL_FUNCTION(create_account);
SQL_FUNCTION(set_account_password);
SQL_FUNCTION(set_account_owners);
SQL_FUNCTION(delete_account);
SQL_FUNCTION(request_account);
SQL_FUNCTION(confirm_account);

} // namespace cloudsat::guardian
