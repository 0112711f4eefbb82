// Commands that need a database for themselves (DROP DATABASE and its like) find ours out of the way.
#pragma once

namespace cloudsat::worker {

// From _PG_init, when preloaded: only then does the hook see every session's commands.
void make_way_for_database_commands();

} // namespace cloudsat::worker
