// cloudsat's only hook on utility commands.
#pragma once

namespace cloudsat::worker {

// Call once, from _PG_init. If preloaded, the hook sees every session's commands; otherwise those of sessions
// that have called one of our functions, and no other session can be registered.
void watch_commands();

} // namespace cloudsat::worker
