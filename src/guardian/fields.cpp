// Columns of a table; see fields.hpp.

#include "guardian/fields.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
}

namespace cloudsat::guardian {

void AsUuid::add(Column& column, const std::optional<pg_uuid_t>& value) {
    if (!value) {
        column.add_null();
        return;
    }
    auto* copy = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    *copy = *value;
    column.add(UUIDPGetDatum(copy));
}

AttrNumber ServerTable::find(TupleDesc row, const char* column) const {
    const int number = SPI_fnumber(row, column);
    if (number <= 0) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("cloudsat.%s has no column \"%s\"", name_, column),
                errdetail("The versions of the library and of the installed extension do not match."),
                errhint("Use ALTER EXTENSION cloudsat UPDATE."));
    }
    return static_cast<AttrNumber>(number);
}

const char* ServerTable::statement_of(std::span<const FieldOfTable> fields) const {
    StringInfoData names, values, arrays, keys, changes;
    for (StringInfoData* part : {&names, &values, &arrays, &keys, &changes}) {
        initStringInfo(part);
    }
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const FieldOfTable& f = fields[i];
        const bool is_key = static_cast<int>(i) < keys_;
        const char* comma = i == 0 ? "" : ", ";
        appendStringInfo(&names, "%s%s", comma, f.name);
        appendStringInfo(&values, "%sn.%s%s", comma, f.name, f.cast);
        appendStringInfo(&arrays, "%s$%zu", comma, i + 2);
        if (is_key) {
            appendStringInfo(&keys, ", %s", f.name);
        } else if (f.on_update != OnUpdate::keep) {
            const bool keeps = f.on_update == OnUpdate::keep_if_null;
            appendStringInfo(&changes, keeps ? "%s%s = coalesce(EXCLUDED.%s, t.%s)" : "%s%s = EXCLUDED.%s",
                             changes.len == 0 ? "" : ", ", f.name, f.name, f.name);
        }
    }
    return psprintf("INSERT INTO cloudsat.%s AS t (server, %s) SELECT $1, %s FROM unnest(%s) AS n(%s)"
                    " ON CONFLICT (server%s) DO UPDATE SET %s",
                    name_, names.data, values.data, arrays.data, names.data, keys.data, changes.data);
}

void ServerTable::write(const char* server, std::span<const FieldOfTable> fields, const Column* columns) {
    if (upsert_ == nullptr) {
        auto* types = static_cast<Oid*>(palloc(sizeof(Oid) * (fields.size() + 1)));
        types[0] = TEXTOID;
        for (std::size_t i = 0; i < fields.size(); ++i) {
            types[i + 1] = get_array_type(fields[i].type);
        }
        const char* sql = MemoryContextStrdup(TopMemoryContext, statement_of(fields));
        upsert_ = new (MemoryContextAlloc(TopMemoryContext, sizeof(pg::Statement)))
            pg::Statement(sql, std::span(types, fields.size() + 1));
    }
    auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * (fields.size() + 1)));
    values[0] = pg::to_text(server);
    for (std::size_t i = 0; i < fields.size(); ++i) {
        values[i + 1] = columns[i].array(fields[i].type);
    }
    upsert_->run({values, fields.size() + 1});
}

} // namespace cloudsat::guardian
