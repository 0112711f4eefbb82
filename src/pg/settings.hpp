// How settings are defined: each subject has a table of its own (board/settings.cpp, guardian/settings.cpp,
// worker/settings.cpp) of names, defaults, bounds, units and contexts. A setting that only workers read
// changes with a reload (SIGHUP); one that binds bots is for superusers (SUSET), because a bot could lift its
// own limits otherwise.
#pragma once

#include <climits>
#include <span>

#include "pg/boundary.hpp"

extern "C" {
#include "utils/guc.h"
}

namespace cloudsat::pg {

constexpr int minutes_per_day = 24 * 60;
constexpr int most_minutes = INT_MAX / 60;

struct IntSetting {
    const char* name;
    const char* description;
    int* value;
    int initial, least, most;
    GucContext context;
    int unit;
};

struct TextSetting { // empty at first, changed by a reload
    const char* name;
    const char* description;
    char** value;
    int flags;
    GucStringCheckHook check;
};

// To be called from _PG_init.
void define(std::span<const IntSetting> settings);
void define(std::span<const TextSetting> settings);

} // namespace cloudsat::pg
