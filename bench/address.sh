#!/usr/bin/env bash
# address: sorting and indexing a million addresses, against the same values as text COLLATE "C".
#
#   bench/address.sh [ROWS [ROUNDS]]      connects by the environment (PGHOST, PGPORT, PGUSER), in a
#                                         database of its own
#
# The competitors take turns; each figure is the median of its rounds, after one warm-up round.
# shellcheck source=bench/lib.sh
source "$(dirname "$0")/lib.sh"
rows=${1:-1000000}
rounds=${2:-7}
export PGOPTIONS="-c client_min_messages=warning -c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0 \
-c work_mem=512MB -c maintenance_work_mem=512MB -c jit=off"

database=cloudsat_bench_address
sql() { psql -XAtq -v ON_ERROR_STOP=1 -d "$database" "$@"; }
end() {
    rm -rf "$work"
    dropdb --if-exists --force "$database"
}
trap end EXIT
dropdb --if-exists --force "$database"
createdb "$database"
sql -c 'CREATE EXTENSION cloudsat' -c 'CREATE SCHEMA cloudsat_bench'

# Seven domains of different size and depth, five naming schemes for instances, some local parts. About a quarter of the
# values recur. `shuffled` is in random order, like messages; `grouped` is ordered by domain, like a listing.
sql -v rows="$rows" <<'SQL'
CREATE UNLOGGED TABLE cloudsat_bench.value AS
SELECT i, zone, CASE i % 8 WHEN 0 THEN 'app@' WHEN 1 THEN 'mig-agent@' ELSE '' END ||
       CASE i % 5 WHEN 0 THEN 'i-' || pg_catalog.substr(pg_catalog.md5(i::text), 1, 8)
                  WHEN 1 THEN 'i-' || pg_catalog.substr(pg_catalog.md5(i::text), 1, 17)
                  WHEN 2 THEN 'host' || i::bigint * 7919 % 100000
                  WHEN 3 THEN 'ip-10-' || i % 256 || '-' || i / 256 % 256 || '-' || i / 65536
                  ELSE 'b-linux64-' || pg_catalog.lpad((i % 10000)::text, 4, '0') END || '.' ||
       (ARRAY['inst.eu-central-1.aws.example.com', 'inst.us-east-1.aws.example.com', 'releng.scl3.mozilla.com',
              'build.mozilla.org', 'vm.cloud.example.de', 'try.example.net', 'a.b'])[zone] AS v
FROM (SELECT i, 1 + (pg_catalog.hashint4(i) & 2147483647) % 7 AS zone FROM pg_catalog.generate_series(1, :rows) AS i) AS n;
CREATE UNLOGGED TABLE cloudsat_bench.shuffled_text AS
SELECT v COLLATE "C" AS v FROM cloudsat_bench.value ORDER BY pg_catalog.md5('x' || i);
CREATE UNLOGGED TABLE cloudsat_bench.grouped_text AS
SELECT v COLLATE "C" AS v FROM cloudsat_bench.value ORDER BY (zone + 3) % 7, pg_catalog.md5('x' || i);
CREATE UNLOGGED TABLE cloudsat_bench.shuffled_address AS SELECT v::cloudsat.address AS v FROM cloudsat_bench.shuffled_text;
CREATE UNLOGGED TABLE cloudsat_bench.grouped_address AS SELECT v::cloudsat.address AS v FROM cloudsat_bench.grouped_text;
VACUUM (ANALYZE) cloudsat_bench.shuffled_text, cloudsat_bench.shuffled_address, cloudsat_bench.grouped_text,
                 cloudsat_bench.grouped_address;
SQL

# milliseconds SQL: of one statement with a small result, by psql's clock
milliseconds() {
    sql -c '\timing on' -c "$1" -c '\timing off' | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
}
sort_of() { milliseconds "SELECT count(*) FROM (SELECT v FROM cloudsat_bench.$1 ORDER BY v OFFSET 0) AS s"; }
index_of() {
    milliseconds "CREATE INDEX measured ON cloudsat_bench.$1 (v)"
    sql -c 'DROP INDEX cloudsat_bench.measured'
}

# measure NAME COMMAND TABLE: the goal is the same for all
measure() {
    local name=$1 command=$2 table=$3 round
    "$command" "${table}_address" >/dev/null
    "$command" "${table}_text" >/dev/null
    for ((round = 0; round < rounds; round++)); do
        "$command" "${table}_address" >>"$work/$command.$table.address"
        "$command" "${table}_text" >>"$work/$command.$table.text"
    done
    note "$name, address" "$(median "$work/$command.$table.address") ms"
    note "$name, text" "$(median "$work/$command.$table.text") ms"
    at_most "address, $name: time / text COLLATE \"C\"" "$(median "$work/$command.$table.address")" \
        "$(median "$work/$command.$table.text")" 1.2
}
echo "# $rows rows, medians of $rounds rounds, work_mem and maintenance_work_mem 512 MB, one process"
measure 'sorting' sort_of shuffled
measure 'indexing' index_of shuffled
measure 'sorting, domain after domain' sort_of grouped
measure 'indexing, domain after domain' index_of grouped
tell_notes
exit "$missed"
