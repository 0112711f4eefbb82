// Object ids of the extension's own schemas, tables and types, looked up by name once and kept until the
// schema changes (DROP EXTENSION drops it, CREATE EXTENSION makes another: ids must not outlive that). Knows
// names, no meaning.
#pragma once

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// The id of the schema cloudsat, which users call, and of _cloudsat, which holds what they do not. 55000 with
// a hint when the extension is not installed in this database.
Oid schema();
Oid private_schema();
// Is this the id of the schema cloudsat, as it is now? Never an error.
bool is_schema(Oid schema);

// One object of the schema cloudsat. Declare it static; oid() costs a comparison when nothing changed.
class Name {
public:
    enum class Kind { table, type };
    constexpr Name(Kind kind, const char* name) : name_(name), kind_(kind) {}
    Oid oid();

private:
    const char* name_;
    Kind kind_;
    Oid oid_ = InvalidOid;
    unsigned generation_ = 0;
};

// To be called once, from _PG_init.
void watch_names();

} // namespace cloudsat::pg
