// What cloudsat does around utility commands of others: the only hook on them.
#pragma once

namespace cloudsat::worker {

// To be called once, from _PG_init. When preloaded, the hook sees every session's commands; otherwise those
// of the sessions that have called one of our functions, and no other one can be registered.
void watch_commands();

} // namespace cloudsat::worker
