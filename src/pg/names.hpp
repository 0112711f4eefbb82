// OIDs of the extension's own schemas, tables and types, looked up by name once and kept until the schema
// changes. DROP EXTENSION drops it and CREATE EXTENSION makes another, so OIDs must not outlive it. Knows
// only names.
#pragma once

#include <span>

#include "pg/boundary.hpp"

namespace cloudsat::pg {

// The OID of the schema cloudsat, which users call, and of _cloudsat, which holds internals. Raises 55000
// with a hint if the extension is not installed in this database.
Oid schema();
Oid private_schema();
// Whether this is the current OID of the schema cloudsat. Never raises.
bool is_schema(Oid schema);

// One object of the schema cloudsat. Declare it static; oid() costs one comparison if nothing changed.
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

// A function of a schema, by its argument types; InvalidOid if there is none.
Oid find_function(Oid schema, const char* name, std::span<const Oid> arguments);

// To be called once, from _PG_init.
void watch_names();

} // namespace cloudsat::pg
