// The setting of the workers, see settings.hpp.

#include "worker/settings.hpp"

#include <cstring>

#include "pg/boundary.hpp"

extern "C" {
#include "utils/guc.h"
#include "utils/varlena.h"
}

namespace cloudsat::worker {
namespace {

char* databases_value = nullptr;
bool is_preloaded = false;
bool is_defined = false; // no setting is given its first value any more

void warn() {
    ereport(WARNING, errmsg("cloudsat.databases has no effect in this server"),
            errdetail("Workers are kept in these databases by a server that preloads cloudsat."),
            errhint("Add cloudsat to shared_preload_libraries and restart the server, or use "
                    "cloudsat.start() in each "
                    "database."));
}

// Only the form: a database may be created later.
bool check_databases(char** value, void**, GucSource) {
    List* names = NIL;
    bool ok = SplitIdentifierString(pstrdup(*value), ',', &names);
    list_free(names);
    if (!ok) {
        GUC_check_errdetail(
            "It must be a comma-separated list of names, quoted like identifiers where need be.");
    } else if (**value != '\0' && is_defined && !is_preloaded && IsTransactionState() &&
               std::strcmp(*value, databases_value) != 0) {
        warn(); // by ALTER SYSTEM: other sources are read while no transaction is open
    }
    return ok;
}

} // namespace

const char* databases() {
    return databases_value;
}

void warn_of_databases() {
    if (*databases_value != '\0' && !is_preloaded) {
        warn();
    }
}

void define_settings() {
    DefineCustomStringVariable("cloudsat.databases", "Databases in which cloudsat's workers run.",
                               "A comma-separated list. Needs cloudsat in shared_preload_libraries.",
                               &databases_value, "", PGC_SIGHUP, GUC_LIST_INPUT, check_databases, nullptr,
                               nullptr);
    MarkGUCPrefixReserved("cloudsat");
    is_preloaded = process_shared_preload_libraries_in_progress;
    is_defined = true;
}

} // namespace cloudsat::worker
