// The setting of the workers.
#pragma once

namespace cloudsat::worker {

// cloudsat.databases: comma-separated names of databases in which the supervisor keeps a launcher.
const char* databases();

// A WARNING if cloudsat.databases is set and has no effect, because the server does not preload cloudsat.
void warn_of_databases();

// To be called once, from _PG_init, after all other settings are defined.
void define_settings();

} // namespace cloudsat::worker
