// Object ids of the extension's own objects, see names.hpp.

#include "pg/names.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

namespace cloudsat::pg {
namespace {

unsigned current_generation = 1; // a Name starts with 0

struct Schema {
    const char* name;
    Oid oid = InvalidOid;
    unsigned generation = 0;
};
Schema public_schema{"cloudsat"};
Schema internal_schema{"_cloudsat"};

// Any change of any schema invalidates all: it is rare, and a new look-up is cheap.
void forget(Datum, int, uint32) noexcept {
    ++current_generation;
}

Oid find(Schema& schema) {
    if (schema.generation != current_generation) {
        schema.oid = get_namespace_oid(schema.name, true);
        schema.generation = current_generation;
    }
    return schema.oid;
}

Oid schema_oid(Schema& schema) {
    find(schema);
    if (!OidIsValid(schema.oid)) {
        schema.generation = 0;
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("extension \"cloudsat\" is not installed in this database"),
                errhint("Use CREATE EXTENSION cloudsat."));
    }
    return schema.oid;
}

} // namespace

void watch_names() {
    CacheRegisterSyscacheCallback(NAMESPACEOID, forget, 0);
}

Oid schema() {
    return schema_oid(public_schema);
}

bool is_schema(Oid schema) {
    return OidIsValid(schema) && find(public_schema) == schema;
}

Oid private_schema() {
    return schema_oid(internal_schema);
}

Oid Name::oid() {
    if (generation_ != current_generation) {
        Oid space = schema();
        unsigned generation = current_generation; // the look-up may process invalidations
        oid_ = kind_ == Kind::table ? get_relname_relid(name_, space)
                                    : GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name_),
                                                      ObjectIdGetDatum(space));
        if (!OidIsValid(oid_)) {
            ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("cloudsat.%s does not exist", name_),
                    errdetail("The versions of the library and the installed extension do not match."),
                    errhint("Use ALTER EXTENSION cloudsat UPDATE."));
        }
        generation_ = generation;
    }
    return oid_;
}

Oid find_function(Oid schema, const char* name, std::span<const Oid> arguments) {
    oidvector* types = buildoidvector(arguments.data(), static_cast<int>(arguments.size()));
    return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name), PointerGetDatum(types),
                           ObjectIdGetDatum(schema));
}

} // namespace cloudsat::pg
