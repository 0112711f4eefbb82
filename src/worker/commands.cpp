// The utility hook, see commands.hpp.

#include "worker/commands.hpp"

#include "board/registration.hpp"
#include "pg/boundary.hpp"
#include "worker/dropdb.hpp"

extern "C" {
#include "access/xlog.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
}

namespace cloudsat::worker {
namespace {

ProcessUtility_hook_type next_hook = nullptr;
bool has_workers = false;

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
