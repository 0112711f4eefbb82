#!/usr/bin/env bash
# address: sorting and indexing a million addresses, against the same values as text COLLATE "C".
#
#   bench/address.sh [ROWS [ROUNDS]]      in the server that the environment (PGHOST and so on) points to
#
# Makes its tables in a schema of its own, which it drops in the end. The competitors take turns; each figure is the
# median of its rounds, after one to warm up. Prints a line for each measurement: name, ratio (ours / text: smaller is
# better), goal, ok or "NOT ok". Exits with 1 when a goal was missed.
set -euo pipefail
rows=${1:-1000000}
rounds=${2:-7}
export PGOPTIONS="-c client_min_messages=warning -c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0 \
-c work_mem=512MB -c maintenance_work_mem=512MB -c jit=off"

sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
end() { sql -c 'DROP SCHEMA IF EXISTS cloudsat_bench CASCADE'; }
trap end EXIT
end

# Seven domains of different size and depth, five ways of naming an instance, some local parts. About a quarter of the
# values recur. `shuffled` is in no order, as messages come; `grouped` has domain after domain, as a listing comes.
sql -v rows="$rows" <<'SQL'
CREATE SCHEMA cloudsat_bench;
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

# milliseconds SQL: of one statement that returns next to nothing, by psql's clock
milliseconds() {
    sql -c '\timing on' -c "$1" -c '\timing off' | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
}
sort_of() { milliseconds "SELECT count(*) FROM (SELECT v FROM cloudsat_bench.$1 ORDER BY v OFFSET 0) AS s"; }
index_of() {
    milliseconds "CREATE INDEX measured ON cloudsat_bench.$1 (v)"
    sql -c 'DROP INDEX cloudsat_bench.measured'
}
median() { sort -n | awk '{ value[NR] = $1 } END { print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'; }

status=0
# measure NAME GOAL COMMAND TABLE
measure() {
    local name=$1 goal=$2 command=$3 table=$4 round ours=() theirs=()
    "$command" "${table}_address" >/dev/null
    "$command" "${table}_text" >/dev/null
    for ((round = 0; round < rounds; round++)); do
        ours+=("$("$command" "${table}_address")")
        theirs+=("$("$command" "${table}_text")")
    done
    local mine peer
    mine=$(printf '%s\n' "${ours[@]}" | median)
    peer=$(printf '%s\n' "${theirs[@]}" | median)
    awk -v name="$name" -v mine="$mine" -v peer="$peer" -v goal="$goal" 'BEGIN {
        ratio = mine / peer
        printf "%-28s %.2f  goal <= %.1f  %s  (%.0f ms, text %.0f ms)\n", name, ratio, goal,
               ratio <= goal ? "ok" : "NOT ok", mine, peer
        exit ratio > goal }' || status=1
}
echo "addresses: $rows rows, medians of $rounds rounds, work_mem and maintenance_work_mem 512 MB, one process"
measure address-sort 1.2 sort_of shuffled
measure address-index 1.2 index_of shuffled
measure address-sort-grouped 1.2 sort_of grouped
measure address-index-grouped 1.2 index_of grouped
exit "$status"
