// The supervisor: one per cluster, when cloudsat is preloaded. Keeps a launcher in each database of
// cloudsat.databases.
#pragma once

namespace cloudsat::worker {

// From _PG_init, when preloaded.
void register_supervisor();

} // namespace cloudsat::worker
