// Limits and owners of queues; see rules.hpp.

#include "guardian/rules.hpp"

#include <new>

#include "core/wire/broker_name.hpp"
#include "guardian/columns.hpp"
#include "guardian/owners.hpp"
#include "guardian/queue_row.hpp"
#include "guardian/result.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/timestamp.h"
}

namespace cloudsat::guardian {
namespace {

pg::Statement policies_fingerprint(R"(
    SELECT hashtextextended(concat_ws(E'\n', $2, $3, $4, $5,
           $6, $7, $8, $9, string_agg(p::text, E'\n' ORDER BY p.id),
           (SELECT string_agg(a::text, E'\n' ORDER BY a.username, a.owner)
            FROM cloudsat.account_owners AS a WHERE a.server = $1)),
           0)::text
    FROM cloudsat.queue_policies AS p
    WHERE p.server IS NULL OR p.server = $1)",
                                   {TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, BOOLOID,
                                    INT8OID});

// The only definition of which policies match a queue `n`, and which of them applies.
// clang-format off
#define MATCHING_POLICIES                                                                                    \
    " FROM cloudsat.queue_policies AS q"                                                                     \
    " WHERE (q.server IS NULL OR q.server = $1)"                                        \
    " AND (q.vhost IS NULL OR n.vhost COLLATE \"C\" ~ q.vhost)"              \
    " AND n.name COLLATE \"C\" ~ q.queue"                                    \
    " ORDER BY q.priority DESC, q.id "
// clang-format on

// A policy may set some sizes and leave others to the server. The sizes must still increase, so the server's
// yield. The owner in a percent-encoded name (core/wire/broker_name.hpp) is decoded; one with a NUL counts as
// none. A queue that a policy makes unbounded is archived only if a policy sets archive_size.
pg::Statement rules_of_queues(R"(
    SELECT n.i, p.id,
           coalesce(p.warn_size, least($4, p.delete_size, p.archive)),
           coalesce(p.delete_size, greatest($5, p.warn_size, p.archive)),
           CASE WHEN p.archive IS NOT NULL THEN p.archive
                WHEN p.archive_size IS NULL AND NOT coalesce(p.unbounded, false) AND $8 IS NOT NULL
                THEN least(greatest($8, p.warn_size), p.delete_size) END,
           coalesce(p.max_archive_size, $9), p.unbounded, p.exempt, p.basis, o.owner,
           $7 IS NOT NULL AND o.owner ~ $7,
           EXISTS (SELECT FROM cloudsat.account_owners AS a WHERE a.server = $1
               AND a.username = o.owner),
           coalesce(p.delete_delay, make_interval(secs => $10::float8
               / 1000000)), p.archive IS NOT NULL
    FROM unnest($2, $3) WITH ORDINALITY AS n(vhost, name, i)
    CROSS JOIN LATERAL (SELECT substring(n.name COLLATE "C", $6) AS found) AS f
    CROSS JOIN LATERAL (SELECT CASE
           WHEN right(n.name, length($11)) <> $11 THEN f.found
           WHEN strpos(f.found, '%00') = 0
           THEN replace(f.found, '%25', '%') END AS owner) AS o
    LEFT JOIN LATERAL (SELECT q.*, CASE WHEN q.archive_size
           <> -1 THEN q.archive_size END AS archive)" MATCHING_POLICIES R"(LIMIT 1) AS p ON true)",
                              {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, INT8OID, INT8OID, TEXTOID, TEXTOID,
                               INT8OID, INT8OID, INT8OID, TEXTOID});

pg::Statement policies_of_queue(R"(
    SELECT q.id, q.priority::int8, q.comment, q.warn_size, q.archive_size, q.max_archive_size,
           q.delete_size, q.delete_delay FROM (SELECT $2 AS vhost, $3 AS name) AS n CROSS JOIN LATERAL
           (SELECT q.*)" MATCHING_POLICIES ") AS q ORDER BY q.priority DESC, q.id",
                                {TEXTOID, TEXTOID, TEXTOID});

core::Owner kind_of(std::string_view owner, bool reserved, bool mapped) {
    if (owner.empty()) {
        return core::Owner::none;
    }
    if (reserved) {
        return core::Owner::reserved;
    }
    return mapped || !as_mailbox(owner).empty() ? core::Owner::person : core::Owner::none;
}

std::optional<core::Micros> optional_delay(uint64 row, int column) {
    bool isnull = false;
    const Datum value = pg::spi_value(row, column, isnull);
    return isnull ? std::nullopt : std::optional(micros_of(*DatumGetIntervalP(value)));
}

} // namespace

std::string_view fingerprint_rules(const Server& server) {
    const core::ServerOptions& options = server.options;
    const Datum values[] = {pg::to_text(server.name),
                            pg::to_text(options.owner_pattern),
                            pg::to_text(options.reserved_owners),
                            Int64GetDatum(options.warn_size),
                            Int64GetDatum(options.delete_size),
                            Int64GetDatum(options.archive_size),
                            Int64GetDatum(options.max_archive_size),
                            BoolGetDatum(options.amqp_url.empty()),
                            Int64GetDatum(options.delete_delay)};
    policies_fingerprint.run(values, {}, false, 1);
    bool isnull = false;
    const char* rules = TextDatumGetCString(pg::spi_value(0, 1, isnull));
    return psprintf("%s " UINT64_FORMAT, rules, server.revision);
}

namespace {

// A row of rules_of_queues. Archiving needs AMQP.
void read_rules(Rules& rule, uint64 row, bool may_archive) {
    bool isnull = false;
    const Datum policy = pg::spi_value(row, 2, isnull);
    const bool by_policy = !isnull;
    rule.policy = by_policy ? DatumGetInt64(policy) : 0;
    rule.limits.warn_size = DatumGetInt64(pg::spi_value(row, 3, isnull));
    rule.limits.delete_size = DatumGetInt64(pg::spi_value(row, 4, isnull));
    if (may_archive) {
        rule.limits.archive_size = optional_int8(row, 5);
        rule.limits.max_archive_size = rule.limits.archive_size ? optional_int8(row, 6) : std::nullopt;
    }
    if (by_policy) {
        rule.limits.unbounded = DatumGetBool(pg::spi_value(row, 7, isnull));
        rule.limits.exempt = DatumGetBool(pg::spi_value(row, 8, isnull));
        rule.limits.basis =
            pg::view(pg::spi_value(row, 9, isnull)) == "ready" ? core::Basis::ready : core::Basis::total;
    }
    const Datum owner = pg::spi_value(row, 10, isnull);
    rule.owner_name = isnull ? std::string_view{} : pg::view(owner);
    const Datum reserved = pg::spi_value(row, 11, isnull);
    const bool is_reserved = !isnull && DatumGetBool(reserved);
    const bool mapped = DatumGetBool(pg::spi_value(row, 12, isnull));
    rule.limits.delete_delay = micros_of(*DatumGetIntervalP(pg::spi_value(row, 13, isnull)));
    rule.archived_by_policy = by_policy && DatumGetBool(pg::spi_value(row, 14, isnull));
    rule.owner = kind_of(rule.owner_name, is_reserved, mapped);
}

} // namespace

std::span<Rules> find_rules(const Server& server, std::span<const QueueName> queues, Sight sight) {
    auto* rules = static_cast<Rules*>(palloc_extended(sizeof(Rules) * queues.size() + 1, MCXT_ALLOC_HUGE));
    const std::span<Rules> result(new (rules) Rules[queues.size()], queues.size());
    if (queues.empty()) {
        return result;
    }
    const core::ServerOptions& options = server.options;
    Column vhosts;
    Column names;
    for (const QueueName& queue : queues) {
        vhosts.add_text(queue.vhost);
        names.add_text(queue.name);
    }
    const Datum values[] = {pg::to_text(server.name),
                            vhosts.array(TEXTOID),
                            names.array(TEXTOID),
                            Int64GetDatum(options.warn_size),
                            Int64GetDatum(options.delete_size),
                            pg::to_text(options.owner_pattern),
                            pg::to_text(options.reserved_owners),
                            Int64GetDatum(options.archive_size),
                            Int64GetDatum(options.max_archive_size),
                            Int64GetDatum(options.delete_delay),
                            pg::to_text(core::encoded_mark)};
    const bool nulls[] = {false,
                          false,
                          false,
                          false,
                          false,
                          false,
                          options.reserved_owners.empty(),
                          options.archive_size == core::off,
                          options.max_archive_size == core::off,
                          false,
                          false};
    const uint64 rows = rules_of_queues.run(values, nulls, sight == Sight::of_query);
    for (uint64 row = 0; row < rows; ++row) {
        bool isnull = false;
        const auto ordinal = static_cast<std::size_t>(DatumGetInt64(pg::spi_value(row, 1, isnull)));
        read_rules(result[ordinal - 1], row, !options.amqp_url.empty());
    }
    return result;
}

std::span<const core::PolicyMatch> find_policies(const Server& server, const QueueName& queue,
                                                 std::pmr::memory_resource* arena) {
    const Datum values[] = {pg::to_text(server.name), pg::to_text(queue.vhost), pg::to_text(queue.name)};
    const uint64 rows = policies_of_queue.run(values, {}, true);
    auto* list = static_cast<core::PolicyMatch*>(
        arena->allocate(sizeof(core::PolicyMatch) * rows + 1, alignof(core::PolicyMatch)));
    for (uint64 row = 0; row < rows; ++row) {
        new (&list[row]) core::PolicyMatch{.id = optional_int8(row, 1).value_or(0),
                                           .priority = optional_int8(row, 2).value_or(0),
                                           .comment = kept_text(arena, row, 3),
                                           .warn_size = optional_int8(row, 4),
                                           .archive_size = optional_int8(row, 5),
                                           .max_archive_size = optional_int8(row, 6),
                                           .delete_size = optional_int8(row, 7),
                                           .delete_delay = optional_delay(row, 8)};
    }
    return {list, rows};
}

} // namespace cloudsat::guardian
