// How settings are defined, see settings.hpp.

#include "pg/settings.hpp"

namespace cloudsat::pg {

void define(std::span<const IntSetting> settings) {
    for (const IntSetting& s : settings) {
        DefineCustomIntVariable(s.name, s.description, nullptr, s.value, s.initial, s.least, s.most,
                                s.context, s.unit, nullptr, nullptr, nullptr);
    }
}

void define(std::span<const TextSetting> settings) {
    for (const TextSetting& s : settings) {
        DefineCustomStringVariable(s.name, s.description, nullptr, s.value, "", PGC_SIGHUP, s.flags, s.check,
                                   nullptr, nullptr);
    }
}

} // namespace cloudsat::pg
