// Columns of a table, each declared once: its name, how its values are sent and read, and the member of the
// row struct. The statement that writes rows and the reader of rows are generated from the list, so a new
// column changes two places: its table and its list. Independent of the tables' contents.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "guardian/columns.hpp"
#include "guardian/cycle.hpp"
#include "pg/spi.hpp"

extern "C" {
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
#include "utils/xid8.h"
}

namespace cloudsat::guardian {

// Effect of an update of an existing row on a column.
enum class OnUpdate : std::uint8_t {
    replace,
    keep_if_null, // null keeps the present value
    keep          // only set by an insert
};

// How values of a member are sent and read: `type` is the type sent, `cast` converts it to the column's type.
// Null is the initial value of the member.
struct AsText { // empty is null
    static constexpr Oid type = TEXTOID;
    static constexpr const char* cast = "";
    static void add(Column& column, std::string_view value) { column.add_told(value); }
    static void read(Datum value, std::string_view& out) { out = pg::view(value); }
};
struct AsJson : AsText { // not read: a document may be large, and few readers need it
    static constexpr const char* cast = "::jsonb";
    static void read(Datum /*value*/, std::string_view& /*out*/) {}
};
struct AsBool {
    static constexpr Oid type = BOOLOID;
    static constexpr const char* cast = "";
    static void add(Column& column, std::optional<bool> value) { column.add_bool(value); }
    template <class T> static void read(Datum value, T& out) { out = DatumGetBool(value); }
};
struct AsInt4 {
    static constexpr Oid type = INT4OID;
    static constexpr const char* cast = "";
    static void add(Column& column, std::int32_t value) { column.add(Int32GetDatum(value)); }
    static void read(Datum value, std::int32_t& out) { out = DatumGetInt32(value); }
};
struct AsInt8 {
    static constexpr Oid type = INT8OID;
    static constexpr const char* cast = "";
    static void add(Column& column, std::optional<std::int64_t> value) { column.add_int8(value); }
    template <class T> static void read(Datum value, T& out) { out = DatumGetInt64(value); }
};
struct AsId : AsInt8 { // 0 is null
    static void add(Column& column, std::int64_t value) { column.add(Int64GetDatum(value), value == 0); }
};
struct AsTime : AsId { // 0 is null
    static constexpr Oid type = TIMESTAMPTZOID;
};
struct AsFloat8 {
    static constexpr Oid type = FLOAT8OID;
    static constexpr const char* cast = "";
    static void add(Column& column, double value) { column.add(Float8GetDatum(value)); }
    static void read(Datum value, double& out) { out = DatumGetFloat8(value); }
};
struct AsXid { // 0 is null
    static constexpr Oid type = XID8OID;
    static constexpr const char* cast = "";
    static void add(Column& column, std::uint64_t value) {
        column.add(FullTransactionIdGetDatum(FullTransactionIdFromU64(value)), value == 0);
    }
    static void read(Datum value, std::uint64_t& out) {
        out = U64FromFullTransactionId(DatumGetFullTransactionId(value));
    }
};
struct AsUuid {
    static constexpr Oid type = UUIDOID;
    static constexpr const char* cast = "";
    static void add(Column& column, const std::optional<pg_uuid_t>& value);
    static void read(Datum value, std::optional<pg_uuid_t>& out) { out = *DatumGetUUIDP(value); }
};

template <class As, class Member> struct Field {
    const char* name;
    Member member; // of a row, by reference
    OnUpdate on_update = OnUpdate::replace;
};
template <class As, class Member>
constexpr Field<As, Member> field(const char* name, Member member, OnUpdate on_update = OnUpdate::replace) {
    return {name, member, on_update};
}
// clang-format off
#define CLOUDSAT_MEMBER(path) [](auto& row) -> auto& { return row.path; }
// clang-format on

// The part of a field that the statement needs.
struct FieldOfTable {
    const char* name;
    Oid type;
    const char* cast;
    OnUpdate on_update;
};

template <class... As, class... Member>
constexpr std::array<FieldOfTable, sizeof...(As)> describe(const std::tuple<Field<As, Member>...>& fields) {
    return std::apply(
        [](const auto&... f) {
            return std::array<FieldOfTable, sizeof...(As)>{
                FieldOfTable{f.name, As::type, As::cast, f.on_update}...};
        },
        fields);
}

// A table whose rows belong to one server each: `server` is the first column of its key, and the first `keys`
// fields are the rest. One statement writes any number of rows.
class ServerTable {
public:
    constexpr ServerTable(const char* name, int keys) : name_(name), keys_(keys) {}
    void write(const char* server, std::span<const FieldOfTable> fields, const Column* columns);
    // 55000 unless the table has it
    AttrNumber find(TupleDesc row, const char* column) const;

private:
    const char* statement_of(std::span<const FieldOfTable> fields) const;

    const char* name_;
    int keys_;
    pg::Statement* upsert_ = nullptr;
};

// Rows to write, as arrays. Plain and palloc'd.
template <ServerTable& table, const auto& fields> class Rows {
public:
    template <class Row> void add(const Row& row) {
        each([&]<class As, class Member>(const Field<As, Member>& f, std::size_t i) {
            As::add(columns_[i], f.member(row));
        });
    }
    int size() const noexcept { return columns_[0].size(); }
    void write(const char* server) const {
        static constexpr auto described = describe(fields);
        table.write(server, described, columns_);
    }

private:
    static constexpr std::size_t count = std::tuple_size_v<std::remove_cvref_t<decltype(fields)>>;
    template <class Do> static void each(Do&& action) {
        [&]<std::size_t... i>(std::index_sequence<i...>) {
            (action(std::get<i>(fields), i), ...);
        }
        (std::make_index_sequence<count>());
    }

    Column columns_[count];
};

// Reads rows of the table that were selected with all columns. Texts point into the row, or are copied to the
// arena if there is one.
template <ServerTable& table, const auto& fields> class RowReader {
public:
    explicit RowReader(TupleDesc row) {
        [&]<std::size_t... i>(std::index_sequence<i...>) {
            ((place_[i] = table.find(row, std::get<i>(fields).name) - 1), ...);
        }
        (std::make_index_sequence<count>());
        last_ = *std::max_element(std::begin(place_), std::end(place_)) + 1;
    }
    // Decodes the row as far as needed.
    template <class Row> void read(TupleTableSlot* slot, Row& row) const {
        slot_getsomeattrs(slot, last_);
        read(slot->tts_values, slot->tts_isnull, row);
    }
    template <class Row>
    void read(const Datum* values, const bool* nulls, Row& row,
              std::pmr::memory_resource* arena = nullptr) const {
        [&]<std::size_t... i>(std::index_sequence<i...>) {
            (read_one(std::get<i>(fields), values[place_[i]], nulls[place_[i]], row, arena), ...);
        }
        (std::make_index_sequence<count>());
    }

private:
    static constexpr std::size_t count = std::tuple_size_v<std::remove_cvref_t<decltype(fields)>>;
    template <class As, class Member, class Row>
    static void read_one(const Field<As, Member>& f, Datum value, bool isnull, Row& row,
                         std::pmr::memory_resource* arena) {
        auto& out = f.member(row);
        using Value = std::remove_reference_t<decltype(out)>;
        if (isnull) {
            out = Value{};
            return;
        }
        As::read(value, out);
        if constexpr (std::is_same_v<Value, std::string_view>) {
            if (arena != nullptr) {
                out = join(arena, {out});
            }
        }
    }

    int place_[count];
    int last_ = 0;
};

// The first row of the last result.
template <ServerTable& table, const auto& fields, class Row>
void read_result(Row& row, std::pmr::memory_resource* arena) {
    TupleDesc descriptor = SPI_tuptable->tupdesc;
    const auto columns = static_cast<std::size_t>(descriptor->natts);
    auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * columns));
    auto* nulls = static_cast<bool*>(palloc(sizeof(bool) * columns));
    heap_deform_tuple(SPI_tuptable->vals[0], descriptor, values, nulls);
    RowReader<table, fields>(descriptor).read(values, nulls, row, arena);
}

} // namespace cloudsat::guardian
