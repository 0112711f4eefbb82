// The board's uuids and their SQL functions, see uuid.hpp.

#include "board/uuid.hpp"

#include <cstring>
#include <ctime>

extern "C" {
#include "common/int.h"
#include "port/pg_bswap.h"
}

namespace cloudsat::board {
namespace {

constexpr std::int64_t epoch_difference = // the server counts from 2000-01-01, the uuid from 1970-01-01
    std::int64_t{POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE} * USECS_PER_DAY;

std::int64_t wall_clock() noexcept {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

bool strong_random(std::span<std::uint8_t> bytes) noexcept {
    return pg_strong_random(bytes.data(), bytes.size());
}

core::UuidSource source(wall_clock, strong_random);

using MakeBound = std::optional<core::Uuid> (*)(std::int64_t) noexcept;

std::optional<core::Uuid> make_bound(TimestampTz time, MakeBound make) {
    std::int64_t unix_time = 0;
    if (TIMESTAMP_NOT_FINITE(time) || pg_add_s64_overflow(time, epoch_difference, &unix_time)) {
        return std::nullopt;
    }
    return make(unix_time);
}

// A bound from core::uuid_floor or core::uuid_ceil.
template <MakeBound Make> Datum bound(FunctionCallInfo fcinfo) {
    const std::optional<core::Uuid> uuid = make_bound(PG_GETARG_TIMESTAMPTZ(0), Make);
    if (!uuid) {
        ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
                errmsg("timestamp out of range for a uuid"),
                errdetail("A UUIDv7 holds the time from 1970-01-01 to 10889-08-02."));
    }
    return copy_datum(*uuid);
}

} // namespace

core::Uuid new_uuid() {
    const auto made = source.next(MyProcPid);
    if (!made) {
        if (made.error() == core::UuidError::no_randomness) {
            ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values"));
        }
        ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("clock out of range for a uuid"),
                errdetail("A UUIDv7 holds the time from 1970-01-01 to 10889-08-02."));
    }
    return made.value();
}

TimestampTz timestamp_of(const core::Uuid& uuid) {
    return core::uuid_time(uuid).value_or(0) - epoch_difference;
}

std::optional<core::Uuid> uuid_floor_of(TimestampTz time) {
    return make_bound(time, core::uuid_floor);
}

core::MessageId message_id(Datum uuid) {
    core::MessageId id;
    const unsigned char* bytes = DatumGetUUIDP(uuid)->data;
    std::memcpy(&id.high, bytes, sizeof id.high);
    std::memcpy(&id.low, bytes + sizeof id.high, sizeof id.low);
    return {pg_ntoh64(id.high), pg_ntoh64(id.low)};
}

core::Uuid uuid_of(const core::MessageId& id) {
    const std::uint64_t halves[] = {pg_hton64(id.high), pg_hton64(id.low)};
    core::Uuid uuid;
    static_assert(sizeof halves == sizeof uuid.bytes);
    std::memcpy(uuid.bytes.data(), halves, sizeof halves);
    return uuid;
}

core::Uuid from_datum(Datum uuid) {
    core::Uuid result;
    std::memcpy(result.bytes.data(), DatumGetUUIDP(uuid)->data, UUID_LEN);
    return result;
}

Datum copy_datum(const core::Uuid& uuid) {
    auto* copy = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    std::memcpy(copy->data, uuid.bytes.data(), UUID_LEN);
    return UUIDPGetDatum(copy);
}

char* uuid_cstring(const core::Uuid& uuid) {
    const core::UuidText text = core::print(uuid);
    return pnstrdup(text.data(), text.size());
}

namespace {

Datum uuid_time(FunctionCallInfo fcinfo) {
    const auto time = core::uuid_time(from_datum(PG_GETARG_DATUM(0)));
    if (!time) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("uuid carries no time"),
                errdetail("Only a UUIDv7, such as those of cloudsat.messages, begins with its time."));
    }
    PG_RETURN_TIMESTAMPTZ(*time - epoch_difference);
}

Datum uuid(FunctionCallInfo) {
    return copy_datum(new_uuid());
}

} // namespace

SQL_FUNCTION(uuid_time);
SQL_FUNCTION_AS(uuid_floor, bound<core::uuid_floor>);
SQL_FUNCTION_AS(uuid_ceil, bound<core::uuid_ceil>);
SQL_FUNCTION(uuid);

} // namespace cloudsat::board
