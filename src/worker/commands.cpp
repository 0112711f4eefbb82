// The utility hook, see commands.hpp.
//
// The server refuses DROP DATABASE, ALTER DATABASE … RENAME or SET TABLESPACE, and CREATE DATABASE …
// TEMPLATE, while any other session is connected, background workers included. It does not end them. This
// file does, if the caller may run the command at all, and holds them back until it is complete. If it fails,
// the hold expires.

#include "worker/commands.hpp"

#include <cstring>

#include "board/registration.hpp"
#include "pg/compat.hpp"
#include "worker/roster.hpp"

extern "C" {
#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
}

namespace cloudsat::worker {
namespace {

ProcessUtility_hook_type next_hook = nullptr;
bool has_workers = false;

// A command, and what was done for it.
struct Way {
    Node* command;
    ProcessUtilityContext context;
    Oid database; // the held database; InvalidOid if none
    bool had_workers;
};

// Our workers leave in a fraction of a second; if not, the server's own error appears.
constexpr long leave_milliseconds = 5'000;

DefElem* find_option(List* options, const char* name) {
    ListCell* cell;
    foreach (cell, options) {
        auto* option = lfirst_node(DefElem, cell);
        if (std::strcmp(option->defname, name) == 0) {
            return option;
        }
    }
    return nullptr;
}

// The database that the command needs exclusively; null for every other command.
const char* database_of(Node* command) {
    switch (nodeTag(command)) {
    case T_DropdbStmt:
        return reinterpret_cast<DropdbStmt*>(command)->dbname;
    case T_CreatedbStmt: {
        DefElem* source = find_option(reinterpret_cast<CreatedbStmt*>(command)->options, "template");
        return source != nullptr && source->arg != nullptr ? defGetString(source) : "template1";
    }
    case T_AlterDatabaseStmt: {
        auto* alter = reinterpret_cast<AlterDatabaseStmt*>(command);
        return find_option(alter->options, "tablespace") != nullptr ? alter->dbname : nullptr;
    }
    case T_RenameStmt: {
        auto* rename = reinterpret_cast<RenameStmt*>(command);
        return rename->renameType == OBJECT_DATABASE ? rename->subname : nullptr;
    }
    default:
        return nullptr;
    }
}

// A command that the server will reject anyway stops no worker: on another owner's database, on the session's
// own (except as a template), or in a transaction, where only RENAME is allowed. (The owner of a template
// that every role may copy must keep it free.)
bool may_have_it(const Way& way, Oid database) {
    bool in_place = nodeTag(way.command) == T_RenameStmt ||
                    (way.context == PROCESS_UTILITY_TOPLEVEL && !IsTransactionBlock());
    bool suitable = database != MyDatabaseId || nodeTag(way.command) == T_CreatedbStmt;
    return in_place && suitable && CLOUDSAT_OWNS_DATABASE(database, GetUserId());
}

void make_way(Way& way) {
    const char* name = database_of(way.command);
    Oid database = name != nullptr ? get_database_oid(name, true) : InvalidOid;
    if (!OidIsValid(database) || !may_have_it(way, database)) {
        return;
    }
    if (!hold(database, Manner::for_now)) {
        forget_dropped_databases();
        hold(database, Manner::for_now); // if there is still no room, they may be back too soon
    }
    way.database = database;
    way.had_workers = end_all(database, Manner::for_now) > 0;
    wait_until_nobody_in(database, leave_milliseconds);
}

void give_back(const Way& way) {
    if (!OidIsValid(way.database)) {
        return;
    }
    if (nodeTag(way.command) == T_DropdbStmt && way.had_workers) {
        // It is gone. A launcher that start() began restarts once more, and must not try to connect
        hold(way.database, Manner::for_good);
    } else {
        release(way.database, Manner::for_now);
    }
}

bool is_discard_all(const Node* command) {
    return nodeTag(command) == T_DiscardStmt &&
           reinterpret_cast<const DiscardStmt*>(command)->target == DISCARD_ALL;
}

void process_utility(PlannedStmt* planned, const char* text, bool read_only_tree,
                     ProcessUtilityContext context, ParamListInfo parameters, QueryEnvironment* environment,
                     DestReceiver* destination, QueryCompletion* completion) {
    Way way{planned->utilityStmt, context, InvalidOid, false};
    const bool forgets = is_discard_all(planned->utilityStmt);
    if (has_workers && IsUnderPostmaster && !RecoveryInProgress()) {
        pg::enter([&way] { make_way(way); });
    }
    (next_hook != nullptr ? next_hook : standard_ProcessUtility)(
        planned, text, read_only_tree, context, parameters, environment, destination, completion);
    give_back(way);
    if (forgets) {
        pg::enter(board::end_registration);
    }
}

} // namespace

void watch_commands() {
    has_workers = process_shared_preload_libraries_in_progress;
    next_hook = ProcessUtility_hook;
    ProcessUtility_hook = process_utility;
}

} // namespace cloudsat::worker
