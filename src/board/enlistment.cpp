// Enlisting, see enlistment.hpp. Permissions are decided here, where the caller is known; the changes (rows,
// GRANT, REVOKE) are made in SQL: _cloudsat.enlist and _cloudsat.dismiss.

#include "board/enlistment.hpp"

#include <algorithm>
#include <array>

#include "board/address.hpp"
#include "board/append.hpp"
#include "pg/compat.hpp"
#include "pg/names.hpp"
#include "pg/table_scan.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/pg_authid.h"
#include "lib/stringinfo.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
}

namespace cloudsat::board {
namespace {

pg::Name enlisted_table(pg::Name::Kind::table, "enlisted");

// Registered sessions check again when this changes. The table's id is 0 until it is first read here.
unsigned generation = 1;
Oid table_read = InvalidOid;

void enlisted_changed(Datum, Oid relation) noexcept {
    if (relation == table_read || !OidIsValid(relation)) {
        ++generation;
    }
}

// The columns of cloudsat.enlisted, as in src/board/enlistment.sql.
enum Column : AttrNumber { c_role = 1, c_kind, c_address };

// Servers and tasks may use only their enlisted addresses; the other kinds may use all.
constexpr std::array<std::string_view, 4> kinds = {"server", "task", "adhoc", "admin"};
constexpr bool is_bound(std::string_view kind) {
    return kind == "server" || kind == "task";
}

bool is_member(Oid user, const char* group) {
    const Oid role = get_role_oid(group, true);
    return OidIsValid(role) && has_privs_of_role(user, role);
}

bool is_administrator(Oid user) {
    return superuser_arg(user) || is_member(user, "cloudsat_admin");
}

// Calls row(kind, address) for each address of the role, as committed now; the view is valid until it
// returns.
template <class Row> void for_each_enlisted(Oid role, Row row) {
    table_read = enlisted_table.oid();
    Relation table = table_open(table_read, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, c_role, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(role));
    const Oid index = CLOUDSAT_PRIMARY_KEY(table);
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    pg::TableScan scan;
    scan.begin(table, index, snapshot, key);
    while (TupleTableSlot* slot = scan.next()) {
        CHECK_FOR_INTERRUPTS();
        bool isnull = false;
        const Datum kind = slot_getattr(slot, c_kind, &isnull);
        const Datum address = slot_getattr(slot, c_address, &isnull);
        row(pg::view(kind), address_view(address));
    }
    scan.end();
    UnregisterSnapshot(snapshot);
    table_close(table, AccessShareLock);
}

// The first address that lies under none of the role's enlisted addresses; null if there is none.
const core::AddressView* first_beyond(Oid role, std::span<const core::AddressView> addresses) {
    auto* covered = static_cast<bool*>(palloc0(std::max<std::size_t>(addresses.size(), 1)));
    for_each_enlisted(role, [&](std::string_view kind, core::AddressView enlisted) {
        for (std::size_t i = 0; is_bound(kind) && i < addresses.size(); ++i) {
            covered[i] = covered[i] || core::within(addresses[i], enlisted);
        }
    });
    const bool* beyond = std::find(covered, covered + addresses.size(), false);
    return beyond == covered + addresses.size() ? nullptr
                                                : &addresses[static_cast<std::size_t>(beyond - covered)];
}

// The role's enlisted addresses, as a sentence.
char* describe(Oid role) {
    constexpr int most = 5; // more would not help
    StringInfoData text;
    initStringInfo(&text);
    int count = 0;
    for_each_enlisted(role, [&](std::string_view kind, core::AddressView address) {
        if (is_bound(kind) && ++count <= most) {
            appendStringInfo(&text, "%s%s", count == 1 ? "It is enlisted for " : ", ",
                             address_cstring(address));
        }
    });
    if (count > most) {
        appendStringInfo(&text, " and %d more", count - most);
    }
    appendStringInfoString(&text, count == 0 ? "It is enlisted for no address." : ".");
    return text.data;
}

[[noreturn]] void refuse(Oid role, const char* format, core::AddressView address) {
    const char* name = GetUserNameFromId(role, false);
    const char* wanted = address_cstring(address);
    const char* detail = describe(role);
    const char* kind = is_member(role, "cloudsat_task") ? "task" : "server";
    ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg(format, name, wanted),
            errdetail_internal("%s", detail),
            errhint("Ask an administrator to enlist it: SELECT cloudsat.enlist(%s, '%s', %s).",
                    quote_literal_cstr(quote_identifier(name)), kind, quote_literal_cstr(wanted)));
    pg_unreachable();
}

// Checks the session's user and, if different, the caller.
template <class Check> void for_both_users(Check check) {
    check(GetOuterUserId());
    if (GetUserId() != GetOuterUserId()) {
        check(GetUserId());
    }
}

} // namespace

bool may_register(Oid role, std::span<const core::AddressView> addresses) {
    return is_administrator(role) || first_beyond(role, addresses) == nullptr;
}

unsigned enlistment_generation() noexcept {
    return generation;
}

void watch_enlistment() {
    CacheRegisterRelcacheCallback(enlisted_changed, Datum{0});
}

bool is_administrator() {
    return is_administrator(GetOuterUserId()) &&
           (GetUserId() == GetOuterUserId() || is_administrator(GetUserId()));
}

bool speaks_for_session() {
    const Oid caller = GetUserId();
    return caller == GetOuterUserId() || is_administrator(caller);
}

void require_may_start_threads() {
    const Oid caller = GetUserId();
    if (!is_member(caller, "cloudsat_server") || is_member(caller, "cloudsat_task") ||
        is_administrator(caller)) {
        return;
    }
    const char* name = GetUserNameFromId(caller, false);
    ereport(
        ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("role \"%s\" may not start threads", name),
        errdetail(
            "It is a bot of kind server, which replies. Bots of kind task and administrators start threads."),
        errhint("Use cloudsat.reply(), or ask an administrator to dismiss it and to enlist it as task."));
}

namespace {

// For bots and administrators. `format` names the refused role and address.
void require_enlisted_for(std::span<const core::AddressView> addresses, const char* format) {
    for_both_users([addresses, format](Oid user) {
        if (is_administrator(user)) {
            return;
        }
        if (const core::AddressView* beyond = first_beyond(user, addresses); beyond != nullptr) {
            refuse(user, format, *beyond);
        }
    });
}

} // namespace

void require_may_register(std::span<const core::AddressView> addresses) {
    require_enlisted_for(addresses, "role \"%s\" may not register %s");
}

void require_may_speak_as(const core::AddressView& address) {
    require_enlisted_for({&address, 1}, "role \"%s\" may not post as %s");
}

void require_may_read(std::span<const core::AddressView> addresses) {
    for_both_users([addresses](Oid user) {
        if (is_administrator(user) || is_member(user, "cloudsat_adhoc")) {
            return;
        }
        if (const core::AddressView* beyond = first_beyond(user, addresses); beyond != nullptr) {
            refuse(user, "role \"%s\" may not read messages for %s", *beyond);
        }
    });
}

namespace {

void require_kind(std::string_view text) {
    if (std::find(kinds.begin(), kinds.end(), text) == kinds.end()) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("unknown kind \"%.*s\"", static_cast<int>(text.size()), text.data()),
                errhint("Kinds are server, task, adhoc and admin."));
    }
}

[[noreturn]] void refuse_without_address(Oid role, std::string_view kind) {
    const int size = static_cast<int>(kind.size());
    const char* name = GetUserNameFromId(role, true);
    ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
            errmsg("a bot of kind %.*s needs an address", size, kind.data()),
            errdetail("It may register only this address and those under it."),
            name != nullptr ? errhint("Use SELECT cloudsat.enlist(%s, '%.*s', 'host.example.com').",
                                      quote_literal_cstr(quote_identifier(name)), size, kind.data())
                            : 0);
    pg_unreachable();
}

// Only a login can be a bot: a group would make bots of all its present and future members.
void require_can_be_bot(Oid role) {
    HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
    if (!HeapTupleIsValid(tuple)) {
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("role with OID %u does not exist", role));
    }
    const auto form = *reinterpret_cast<Form_pg_authid>(GETSTRUCT(tuple));
    ReleaseSysCache(tuple);
    const char* name = GetUserNameFromId(role, false);
    if (IsReservedName(name)) {
        ereport(ERROR, errcode(ERRCODE_RESERVED_NAME), errmsg("role \"%s\" cannot be enlisted", name),
                errdetail("It is one of the server's own roles."));
    }
    if (form.rolsuper) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("role \"%s\" cannot be enlisted", name),
                errdetail("It is a superuser, which may register any address."),
                errhint("Give the bot a role of its own."));
    }
    if (!form.rolcanlogin) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("role \"%s\" cannot be enlisted", name), errdetail("It cannot log in."),
                errhint("Enlist each bot's own login, or use ALTER ROLE %s LOGIN.", quote_identifier(name)));
    }
    if (!form.rolinherit) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("role \"%s\" cannot be enlisted", name),
                errdetail("It does not inherit the privileges of the roles that it is a member of."),
                errhint("Use ALTER ROLE %s INHERIT.", quote_identifier(name)));
    }
}

// As with GRANT, the right to make administrators requires more than being one.
bool may_appoint_administrators() {
    const Oid group = get_role_oid("cloudsat_admin", false);
    return is_admin_of_role(GetOuterUserId(), group) && is_admin_of_role(GetUserId(), group);
}

// Runs a private function. They are SECURITY DEFINER and no role may execute them, so this is the only way.
Oid private_function(const char* name, std::span<const Oid> arguments) {
    const Oid function = pg::find_function(pg::private_schema(), name, arguments);
    if (!OidIsValid(function)) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("_cloudsat.%s() does not exist", name),
                errdetail("The versions of the library and the installed extension do not match."),
                errhint("Use ALTER EXTENSION cloudsat UPDATE."));
    }
    return function;
}

Datum enlist(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.enlist()");
    pg::require_arguments(fcinfo, {"role", "kind"});
    const Oid role = PG_GETARG_OID(0);
    const std::string_view kind = pg::view(PG_GETARG_DATUM(1));
    require_kind(kind);
    if (is_bound(kind) && PG_ARGISNULL(2)) {
        refuse_without_address(role, kind);
    }
    const Datum address = PG_ARGISNULL(2) ? address_datum(core::AddressView()) : PG_GETARG_DATUM(2);
    require_can_be_bot(role);
    if (kind == "admin" && !may_appoint_administrators()) {
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("must have admin option on role \"cloudsat_admin\" to enlist an administrator"));
    }
    const Oid types[] = {REGROLEOID, TEXTOID, address_oid(), REGROLEOID};
    const Datum added = OidFunctionCall4(private_function("enlist", types), PG_GETARG_DATUM(0),
                                         PG_GETARG_DATUM(1), address, ObjectIdGetDatum(GetOuterUserId()));
    CacheInvalidateRelcacheByRelid(enlisted_table.oid()); // notifies all sessions, at commit
    return added;
}

Datum dismiss(FunctionCallInfo fcinfo) {
    require_writable("cloudsat.dismiss()");
    pg::require_argument(fcinfo, 0, "role");
    bool administrator = false;
    for_each_enlisted(PG_GETARG_OID(0), [&](std::string_view kind, core::AddressView) {
        administrator = administrator || kind == "admin";
    });
    if (administrator && !may_appoint_administrators()) {
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("must have admin option on role \"cloudsat_admin\" to dismiss an administrator"));
    }
    const Oid types[] = {REGROLEOID};
    const Datum was = OidFunctionCall1(private_function("dismiss", types), PG_GETARG_DATUM(0));
    CacheInvalidateRelcacheByRelid(enlisted_table.oid());
    return was;
}

} // namespace

SQL_FUNCTION(enlist);
SQL_FUNCTION(dismiss);

} // namespace cloudsat::board
