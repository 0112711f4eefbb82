// Ends cloudsat's workers before commands that need a database exclusively (DROP DATABASE and similar).
#pragma once

#include "pg/boundary.hpp"

extern "C" {
#include "nodes/nodes.h"
#include "tcop/utility.h"
}

namespace cloudsat::worker {

struct Way {
    Node* command;
    ProcessUtilityContext context;
    Oid database; // the held database; InvalidOid if none
    bool had_workers;
};

// Before and after the command.
void make_way(Way& way);
void give_back(const Way& way);

} // namespace cloudsat::worker
