// Commands that need a database for themselves (DROP DATABASE and its like) find ours out of the way.
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
    Oid database; // that is held; else InvalidOid
    bool had_workers;
};

// Before the command, of a Way, in the form that pg::enter takes; and after it.
void make_way(void* way);
void give_back(const Way& way);

} // namespace cloudsat::worker
