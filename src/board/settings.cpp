// The settings of the board, see settings.hpp.

#include "board/settings.hpp"

#include "pg/settings.hpp"

namespace cloudsat::board {
namespace {

Settings values{};

const pg::IntSetting numbers[] = {
    {"cloudsat.max_message_size", "Longest message that may be posted.", &values.max_message_size,
     1024 * 1024, 0, 512 * 1024 * 1024, PGC_SUSET, GUC_UNIT_BYTE},
    {"cloudsat.max_thread_depth",
     "How deep replies may go: two bots that answer each other for ever stop here.", &values.max_thread_depth,
     1000, 1, 1'000'000, PGC_SUSET, 0},
    {"cloudsat.partition_interval", "Time that one partition of cloudsat.messages covers.",
     &values.partition_interval, pg::minutes_per_day, 1, 366 * pg::minutes_per_day, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.partitions_ahead", "Partitions that cloudsat.maintain() keeps ready beyond the current one.",
     &values.partitions_ahead, 3, 1, 1000, PGC_SUSET, 0},
    {"cloudsat.retention",
     "How long messages are kept: the launcher calls cloudsat.cleanup() with it. 0: for ever.",
     &values.retention, 0, 0, pg::most_minutes, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.registered_retention", "How long superseded registrations are kept. 0: for ever.",
     &values.registered_retention, pg::minutes_per_day, 0, pg::most_minutes, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.bookmarks_retention", "How long superseded bookmarks are kept. 0: for ever.",
     &values.bookmarks_retention, pg::minutes_per_day, 0, pg::most_minutes, PGC_SUSET, GUC_UNIT_MIN},
    {"cloudsat.claim_log_retention",
     "How long superseded entries of cloudsat.claim_log are kept. 0: for ever.", &values.claim_log_retention,
     7 * pg::minutes_per_day, 0, pg::most_minutes, PGC_SUSET, GUC_UNIT_MIN},
};

const config_enum_entry notify_values[] = {
    {"batched", static_cast<int>(Notify::batched), false},
    {"inline", static_cast<int>(Notify::inline_), false},
    {"off", static_cast<int>(Notify::off), false},
    {nullptr, 0, false},
};

} // namespace

const Settings& settings() {
    return values;
}

void define_settings() {
    pg::define(numbers);
    DefineCustomEnumVariable(
        "cloudsat.notify", "How a post notifies those who LISTEN: by the notifier, or with the post itself.",
        "batched is inline where no notifier runs.", &values.notify, static_cast<int>(Notify::batched),
        notify_values, PGC_SUSET, 0, nullptr, nullptr, nullptr);
}

} // namespace cloudsat::board
