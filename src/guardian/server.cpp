// Brokers as foreign servers; see server.hpp. core/guardian/server_options.cpp defines valid options; this
// file has the checks that need the server, and the error reports.

#include "guardian/server.hpp"

#include <cstring>
#include <memory_resource>

#include "core/board/address.hpp"
#include "core/wire/url.hpp"
#include "guardian/enforcement.hpp"
#include "pg/memory.hpp"
#include "pg/password_file.hpp"
#include "pg/secret.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/reloptions.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "regex/regex.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/syscache.h"
}

namespace cloudsat::guardian {
namespace {

using core::OptionKind;
using core::OptionPlace;
using core::OptionRule;

constexpr const char* wrapper_name = "rabbitmq";

OptionPlace place_of(Oid catalog) {
    switch (catalog) {
    case ForeignDataWrapperRelationId:
        return OptionPlace::wrapper;
    case ForeignServerRelationId:
        return OptionPlace::server;
    case UserMappingRelationId:
        return OptionPlace::mapping;
    default:
        return OptionPlace::table;
    }
}

[[noreturn]] void refuse_name(OptionPlace place, const char* name) {
    StringInfoData valid;
    initStringInfo(&valid);
    for (const OptionRule& rule : core::option_rules()) {
        if (rule.place == place) {
            appendStringInfo(&valid, "%s%.*s", valid.len > 0 ? ", " : "", static_cast<int>(rule.name.size()),
                             rule.name.data());
        }
    }
    ereport(ERROR, errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", name),
            valid.len > 0 ? errhint("Valid options in this context are: %s.", valid.data)
                          : errhint("There are no valid options in this context."));
    pg_unreachable();
}

// Secret values are not shown, nor are URLs that may contain a password.
[[noreturn]] void refuse_value(const OptionRule& rule, const char* value, const char* detail) {
    const bool secret = rule.mapping == &core::MappingOptions::password ||
                        ((rule.kind == OptionKind::url || rule.kind == OptionKind::amqp_url) &&
                         std::strchr(value, '@') != nullptr);
    const int length = static_cast<int>(rule.name.size());
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            secret ? errmsg("invalid value for option \"%.*s\"", length, rule.name.data())
                   : errmsg("invalid value for option \"%.*s\": \"%s\"", length, rule.name.data(), value),
            errdetail("%s", detail));
    pg_unreachable();
}

// A C string for ereport from a view that may lack its NUL.
const char* c_string(std::string_view text) {
    return pnstrdup(text.data(), text.size());
}

void check_url(const OptionRule& rule, const char* value) {
    const auto check = rule.kind == OptionKind::amqp_url ? core::check_amqp_url : core::check_base_url;
    alignas(16) std::byte buffer[4096];
    const char* detail = nullptr;
    {
        std::pmr::monotonic_buffer_resource arena(buffer, sizeof buffer);
        const auto url = check(value, &arena);
        if (!url) {
            detail = core::meaning_of(url.error()).data(); // of static storage, ends with NUL
        }
    }
    if (detail != nullptr) {
        refuse_value(rule, value, detail);
    }
}

void name_the_option(void* rule) {
    const auto* named = static_cast<const OptionRule*>(rule);
    errcontext("option \"%.*s\"", static_cast<int>(named->name.size()), named->name.data());
}

void check_pattern(const OptionRule& rule, const char* value) {
    ErrorContextCallback context{};
    context.previous = error_context_stack;
    context.callback = name_the_option;
    context.arg = const_cast<OptionRule*>(&rule);
    error_context_stack = &context;
    RE_compile_and_cache(cstring_to_text(value), REG_ADVANCED, C_COLLATION_OID); // raises 2201B
    error_context_stack = context.previous;
}

void check_address(const OptionRule& rule, const char* value) {
    const auto address = core::parse_address(value);
    if (!address) {
        const std::string_view rule_text = core::explain(address.error().rule);
        refuse_value(rule, value,
                     psprintf("%.*s, at byte %zu.", static_cast<int>(rule_text.size()), rule_text.data(),
                              address.error().place));
    }
}

void check_addresses(const OptionRule& rule, const char* value) {
    std::string_view left = value;
    while (const auto item = core::next_item(left)) {
        const auto address = core::parse_address(*item);
        if (!address) {
            const std::string_view rule_text = core::explain(address.error().rule);
            refuse_value(rule, value,
                         psprintf("\"%s\" is not an address: %.*s, at byte %zu.", c_string(*item),
                                  static_cast<int>(rule_text.size()), rule_text.data(),
                                  address.error().place));
        }
    }
}

// Files are read with the rights of the database server, so a role that may not read its files may not name
// one.
void check_file(const OptionRule& rule, const char* value) {
    if (!is_absolute_path(value)) {
        refuse_value(rule, value, c_string(core::expected(rule.kind)));
    }
    if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES)) {
        ereport(
            ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
            errmsg("permission denied to set option \"%.*s\"", static_cast<int>(rule.name.size()),
                   rule.name.data()),
            errdetail("Only superusers and members of pg_read_server_files may name files on the server."));
    }
}

void check_value(const OptionRule& rule, const char* value, core::OptionFault fault) {
    switch (fault) {
    case core::OptionFault::none:
        break;
    case core::OptionFault::empty:
        refuse_value(rule, value, "It must not be empty.");
    case core::OptionFault::malformed:
        refuse_value(rule, value, c_string(core::expected(rule.kind)));
    case core::OptionFault::out_of_range: {
        const auto scale = rule.kind == OptionKind::duration ? 1000 : 1;
        const char* unit = rule.kind == OptionKind::duration ? " ms"
                           : rule.kind == OptionKind::bytes  ? " bytes"
                                                             : "";
        refuse_value(rule, value,
                     psprintf("It must be between " INT64_FORMAT "%s and " INT64_FORMAT "%s.",
                              rule.least / scale, unit, rule.most / scale, unit));
    }
    }
    switch (rule.kind) {
    case OptionKind::url:
    case OptionKind::amqp_url:
        check_url(rule, value);
        break;
    case OptionKind::pattern:
        check_pattern(rule, value);
        break;
    case OptionKind::address:
        check_address(rule, value);
        break;
    case OptionKind::addresses:
        check_addresses(rule, value);
        break;
    case OptionKind::file:
        check_file(rule, value);
        break;
    default:
        break;
    }
}

void check_server(const core::ServerOptions& options) {
    if (const auto conflict = core::find_conflict(options)) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("option \"%.*s\" conflicts with another option",
                       static_cast<int>(conflict->option.size()), conflict->option.data()),
                errdetail("%.*s", static_cast<int>(conflict->detail.size()), conflict->detail.data()));
    }
}

void check_mapping(const core::MappingOptions& mapping) {
    if (mapping.user.empty()) {
        ereport(ERROR, errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
                errmsg("option \"user\" is missing"), errdetail("The broker requires a user name."));
    }
    if (mapping.user.find(':') != std::string_view::npos) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid value for option \"user\""),
                errdetail("HTTP authentication does not allow a colon in a user name."));
    }
    if (mapping.password.empty() == mapping.password_file.empty()) {
        ereport(ERROR, errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
                errmsg("exactly one of the options \"password\" and \"password_file\" is required"),
                errhint("A password in a file is neither dumped nor shown in pg_user_mappings."));
    }
}

// Stores the option in the server's or the mapping's options, whichever it belongs to.
core::OptionFault read(const OptionRule& rule, const char* value, core::ServerOptions& server,
                       core::MappingOptions& mapping) noexcept {
    return rule.place == OptionPlace::mapping ? core::read_option(rule, value, mapping)
                                              : core::read_option(rule, value, server);
}

Datum validate_in_secret(FunctionCallInfo fcinfo) {
    List* given = untransformRelOptions(PG_GETARG_DATUM(0));
    const OptionPlace place = place_of(PG_GETARG_OID(1));
    core::ServerOptions server;
    core::MappingOptions mapping;

    ListCell* cell;
    foreach (cell, given) {
        auto* element = static_cast<DefElem*>(lfirst(cell));
        const OptionRule* rule = core::find_option(place, element->defname);
        if (rule == nullptr) {
            refuse_name(place, element->defname);
        }
        const char* value = defGetString(element);
        check_value(*rule, value, read(*rule, value, server, mapping));
    }
    if (place == OptionPlace::server) {
        check_server(server);
    } else if (place == OptionPlace::mapping) {
        check_mapping(mapping);
    }
    PG_RETURN_VOID();
}

// Options may be passwords, or URLs that contain one by mistake.
Datum _rabbitmq_validator(FunctionCallInfo fcinfo) {
    return pg::in_secret(fcinfo, validate_in_secret);
}

void read_options(List* given, OptionPlace place, core::ServerOptions& server,
                  core::MappingOptions& mapping) {
    ListCell* cell;
    foreach (cell, given) {
        auto* element = static_cast<DefElem*>(lfirst(cell));
        const OptionRule* rule = core::find_option(place, element->defname);
        const char* value = defGetString(element);
        // The validator was switched off, or an older release accepted the value.
        if (rule == nullptr || read(*rule, value, server, mapping) != core::OptionFault::none) {
            ereport(ERROR, errcode(ERRCODE_FDW_ERROR),
                    errmsg("option \"%s\" is not usable", element->defname),
                    errhint("Set it again with ALTER SERVER or ALTER USER MAPPING."));
        }
    }
}

// Options of the user mapping of the server's owner, or else of PUBLIC.
List* mapping_options(const ForeignServer& server, TransactionId& revision) {
    HeapTuple tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(server.owner),
                                      ObjectIdGetDatum(server.serverid));
    if (!HeapTupleIsValid(tuple)) {
        tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
                                ObjectIdGetDatum(server.serverid));
    }
    if (!HeapTupleIsValid(tuple)) {
        ereport(
            ERROR, errcode(ERRCODE_UNDEFINED_OBJECT),
            errmsg("no user mapping for server \"%s\"", server.servername),
            errdetail("The guardian uses the mapping of the server's owner, \"%s\", or else that of PUBLIC.",
                      GetUserNameFromId(server.owner, false)),
            errhint("Use CREATE USER MAPPING."));
    }
    revision = HeapTupleHeaderGetRawXmin(tuple->t_data);
    bool isnull = false;
    Datum options = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &isnull);
    List* list = isnull ? NIL : untransformRelOptions(options);
    ReleaseSysCache(tuple);
    return list;
}

TransactionId revision_of(Oid server) {
    HeapTuple tuple = SearchSysCache1(FOREIGNSERVEROID, ObjectIdGetDatum(server));
    if (!HeapTupleIsValid(tuple)) {
        elog(ERROR, "cache lookup failed for foreign server %u", server);
    }
    const TransactionId revision = HeapTupleHeaderGetRawXmin(tuple->t_data);
    ReleaseSysCache(tuple);
    return revision;
}

LOCKTAG lock_tag(Oid server) {
    LOCKTAG tag;
    // distinct from users' advisory locks, whose fourth field is 1 or 2
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, ForeignServerRelationId, server, 0x6373);
    return tag;
}

} // namespace

SQL_FUNCTION(_rabbitmq_validator);

Oid find_server(std::string_view name) {
    char* wanted = pnstrdup(name.data(), name.size());
    ForeignServer* server = GetForeignServerByName(wanted, true);
    if (server == nullptr) {
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("server \"%s\" does not exist", wanted),
                errhint("Use CREATE SERVER ... FOREIGN DATA WRAPPER rabbitmq."));
    }
    if (std::strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, wrapper_name) != 0) {
        ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE),
                errmsg("server \"%s\" is not a RabbitMQ broker", wanted),
                errdetail("Its foreign data wrapper is not \"%s\".", wrapper_name));
    }
    return server->serverid;
}

namespace {

Server* read_server(const ForeignServer& found, MemoryContext context) {
    // The name of a queue is UTF-8 and may contain any character, so other encodings cannot store it.
    if (GetDatabaseEncoding() != PG_UTF8) {
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("the guardian needs a database encoded in UTF8"),
                errdetail("The encoding of this database is %s.", GetDatabaseEncodingName()),
                errhint("Use CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8'."));
    }
    auto* server = pg::make<Server>(context);
    server->oid = found.serverid;
    server->name = found.servername;
    read_options(found.options, OptionPlace::server, server->options, server->mapping);
    return server;
}

} // namespace

const Server* load_options(Oid oid, MemoryContext context) {
    MemoryContext before = MemoryContextSwitchTo(context);
    Server* server = read_server(*GetForeignServer(oid), context);
    MemoryContextSwitchTo(before);
    hold_back(*server);
    return server;
}

const Server* load_server(Oid oid, MemoryContext context) {
    MemoryContext before = MemoryContextSwitchTo(context);
    const ForeignServer* found = GetForeignServer(oid);
    Server* server = read_server(*found, context);
    if (server->options.management_url.empty()) {
        ereport(ERROR, errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
                errmsg("server \"%s\" has no management_url", server->name),
                errhint("Use ALTER SERVER ... OPTIONS (ADD management_url 'http://host:15672')."));
    }
    TransactionId of_mapping = InvalidTransactionId;
    read_options(mapping_options(*found, of_mapping), OptionPlace::mapping, server->options, server->mapping);
    server->revision = std::uint64_t{revision_of(oid)} << 32U | of_mapping;
    check_mapping(server->mapping);
    server->password = server->mapping.password_file.empty()
                           ? server->mapping.password
                           : pg::read_password(server->mapping.password_file.data()); // made from a C string
    MemoryContextSwitchTo(before);
    hold_back(*server);
    return server;
}

bool matches(std::string_view text, std::string_view pattern) {
    return RE_compile_and_execute(cstring_to_text_with_len(pattern.data(), static_cast<int>(pattern.size())),
                                  const_cast<char*>(text.data()), static_cast<int>(text.size()), REG_ADVANCED,
                                  C_COLLATION_OID, 0, nullptr);
}

bool watches(const Server& server, std::string_view vhost) {
    return server.options.vhosts.empty() || matches(vhost, server.options.vhosts);
}

bool try_lock_server(Oid server, LockKind kind) {
    LOCKTAG tag = lock_tag(server);
    return LockAcquire(&tag, ExclusiveLock, kind == LockKind::session, true) != LOCKACQUIRE_NOT_AVAIL;
}

void lock_server(Oid server, LockKind kind) {
    LOCKTAG tag = lock_tag(server);
    LockAcquire(&tag, ExclusiveLock, kind == LockKind::session, false);
}

void unlock_server(Oid server) {
    LOCKTAG tag = lock_tag(server);
    LockRelease(&tag, ExclusiveLock, true);
}

} // namespace cloudsat::guardian
