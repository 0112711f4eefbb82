// The cloudsat.* settings, see settings.hpp. What only workers read changes with a reload (SIGHUP); what
// binds bots is for superusers (SUSET), because a bot could lift its own limits otherwise.

#include "pg/settings.hpp"

#include <climits>

#include "pg/boundary.hpp"

extern "C" {
#include "utils/guc.h"
#include "utils/varlena.h"
}

namespace cloudsat::pg {
namespace {

Settings values{};

struct Number {
    const char* name;
    const char* description;
    int* value;
    int initial, least, most;
    GucContext context;
    int unit;
};

constexpr int minutes_per_day = 24 * 60;

const Number numbers[] = {
    {"cloudsat.max_message_size", "Longest message that may be posted.", &values.max_message_size,
     1024 * 1024, 0, 512 * 1024 * 1024, PGC_SUSET, GUC_UNIT_BYTE},
    {"cloudsat.max_thread_depth",
     "How deep replies may go: two bots that answer each other for ever stop here.", &values.max_thread_depth,
     1000, 1, 1'000'000, PGC_SUSET, 0},
    {"cloudsat.partition_interval", "Time that one partition of cloudsat.messages covers.",
     &values.partition_interval, minutes_per_day, 1, 366 * minutes_per_day, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.partitions_ahead", "Partitions that cloudsat.maintain() keeps ready beyond the current one.",
     &values.partitions_ahead, 3, 1, 1000, PGC_SUSET, 0},
    {"cloudsat.history_retention", "How long cloudsat.queue_history is kept.", &values.history_retention,
     7 * minutes_per_day, 1, INT_MAX / 60, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.retention",
     "How long messages are kept: the launcher calls cloudsat.cleanup() with it. 0: for ever.",
     &values.retention, 0, 0, INT_MAX / 60, PGC_SUSET, GUC_UNIT_MIN},
};

const config_enum_entry notify_values[] = {
    {"batched", static_cast<int>(Notify::batched), false},
    {"inline", static_cast<int>(Notify::inline_), false},
    {"off", static_cast<int>(Notify::off), false},
    {nullptr, 0, false},
};

// Only the form: a database may be created later.
bool check_databases(char** value, void**, GucSource) {
    List* names = NIL;
    bool well = SplitIdentifierString(pstrdup(*value), ',', &names);
    list_free(names);
    if (!well) {
        GUC_check_errdetail(
            "It must be a comma-separated list of names, quoted like identifiers where need be.");
    }
    return well;
}

} // namespace

const Settings& settings() {
    return values;
}

void define_settings() {
    for (const Number& n : numbers) {
        DefineCustomIntVariable(n.name, n.description, nullptr, n.value, n.initial, n.least, n.most,
                                n.context, n.unit, nullptr, nullptr, nullptr);
    }
    DefineCustomEnumVariable(
        "cloudsat.notify", "How a post notifies those who LISTEN: by the notifier, or with the post itself.",
        "batched is inline where no notifier runs.", &values.notify, static_cast<int>(Notify::batched),
        notify_values, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomStringVariable("cloudsat.databases", "Databases in which cloudsat's workers run.",
                               "A comma-separated list. Needs cloudsat in shared_preload_libraries.",
                               &values.databases, "", PGC_SIGHUP, GUC_LIST_INPUT, check_databases, nullptr,
                               nullptr);
    MarkGUCPrefixReserved("cloudsat");
}

} // namespace cloudsat::pg
