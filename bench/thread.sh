#!/usr/bin/env bash
# thread.sh: walking whole threads, against WITH RECURSIVE with a path array, and against the plain scan of the root index.
#
#   bench/thread.sh [ROUNDS]      in the server that the environment (PGHOST and so on) points to
#
# Makes a database of its own, and drops it in the end. Three threads of 200-byte messages, written by post() and
# reply(): a chain of 1,000, a star of 10,000, a random tree of 100,000 (each reply answers any message before it). The
# competitors take turns; each figure is the median of its rounds, after one to warm up. All are executed to the end
# with the default work_mem, and their rows thrown away. WITH RECURSIVE has an index on `before`, which the board has not, and
# sorts by path, because otherwise its rows come in no useful order. Prints a line for each measurement: name, ratio,
# goal, ok or "NOT ok". Exits with 1 when a goal was missed.
set -euo pipefail
rounds=${1:-7}
database=cloudsat_bench_thread
export PGOPTIONS="-c client_min_messages=warning -c max_parallel_workers_per_gather=0 -c jit=off"

psql -XAtqc "DROP DATABASE IF EXISTS $database" -c "CREATE DATABASE $database"
end() { PGDATABASE=postgres psql -XAtqc "DROP DATABASE IF EXISTS $database"; }
trap end EXIT
export PGDATABASE=$database
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

sql <<'SQL' >/dev/null
CREATE EXTENSION cloudsat;
SELECT cloudsat.maintain();
CREATE TABLE start (name text, uuid uuid);
SET cloudsat.notify = off;
SELECT setseed(0.42);
DO $$
DECLARE
    ids uuid[];
    thread record;
BEGIN
    FOR thread IN SELECT * FROM (VALUES ('chain', 1000), ('star', 10000), ('random', 100000)) AS t (name, replies) LOOP
        ids := ARRAY[cloudsat.post('app@i-42.example.com', 'build.example.com', repeat('x', 200))];
        INSERT INTO start VALUES (thread.name, ids[1]);
        FOR i IN 1 .. thread.replies LOOP
            ids[i + 1] := cloudsat.reply('app@i-42.example.com', 'build.example.com', repeat('x', 200),
                ids[CASE thread.name WHEN 'chain' THEN i WHEN 'star' THEN 1 ELSE 1 + floor(random() * i)::int END], 'info');
        END LOOP;
    END LOOP;
END $$;
DO $$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'cloudsat.messages'::regclass LOOP
        EXECUTE format('CREATE INDEX ON %s (before)', partition);
    END LOOP;
END $$;
-- the walks, stored in their order, and what it costs to return them from a function
DO $$
DECLARE
    thread record;
BEGIN
    FOR thread IN SELECT * FROM start LOOP
        EXECUTE format('CREATE TABLE stored_%s AS SELECT * FROM cloudsat.thread(%L)', thread.name, thread.uuid);
        EXECUTE format('CREATE FUNCTION return_%1$s() RETURNS SETOF stored_%1$s LANGUAGE sql STABLE SET jit = off
                        AS $f$SELECT * FROM stored_%1$s$f$', thread.name);
    END LOOP;
END $$;
VACUUM (ANALYZE);
CHECKPOINT;
SQL

# milliseconds SELECT: of one statement that is executed to its end, its rows thrown away; the second time in a session,
# when its caches are warm
milliseconds() {
    sql -c "EXPLAIN (ANALYZE, TIMING OFF) $1" -c "EXPLAIN (ANALYZE, TIMING OFF) $1" |
        sed -n 's/^Execution Time: \([0-9.]*\) ms$/\1/p' | tail -n 1
}
walk_of() { milliseconds "SELECT * FROM cloudsat.thread('$1')"; }
recursion_of() {
    milliseconds "WITH RECURSIVE walk AS (
        SELECT ARRAY[uuid] AS path, 0 AS depth, uuid, \"timestamp\", poster, chan, disposition, message
          FROM cloudsat.messages WHERE uuid = '$1'
        UNION ALL
        SELECT path || m.uuid, walk.depth + 1, m.uuid, m.\"timestamp\", m.poster, m.chan, m.disposition, m.message
          FROM walk JOIN cloudsat.messages AS m ON m.before = walk.uuid)
        SELECT * FROM walk ORDER BY path"
}
scan_of() {
    PGOPTIONS="$PGOPTIONS -c enable_seqscan=off -c enable_bitmapscan=off" \
        milliseconds "SELECT * FROM cloudsat.messages WHERE root = '$1'"
}
return_of() { milliseconds "SELECT * FROM return_$2()"; }
median() { sort -n | awk '{ value[NR] = $1 } END { print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'; }

status=0
# judge NAME RATIO COMPARISON GOAL REMARK
judge() {
    awk -v name="$1" -v ratio="$2" -v comparison="$3" -v goal="$4" -v remark="$5" 'BEGIN {
        met = comparison == ">=" ? ratio >= goal : ratio <= goal
        printf "%-28s %6.2f  goal %s %.1f  %s  (%s)\n", name, ratio, comparison, goal, met ? "ok" : "NOT ok", remark
        exit !met }' || status=1
}
echo "threads: medians of $rounds rounds, work_mem $(sql -c 'SHOW work_mem'), one process"
while IFS='|' read -r name start; do
    declare -A times=([walk]='' [recursion]='' [return]='' [scan]='')
    for ((round = 0; round <= rounds; round++)); do
        for who in walk recursion return scan; do
            time=$("${who}_of" "$start" "$name")
            if ((round > 0)); then times[$who]+="$time"$'\n'; fi
        done
    done
    for who in walk recursion return scan; do times[$who]=$(printf '%s' "${times[$who]}" | median); done
    judge "thread-$name-recursive" "$(awk "BEGIN { print ${times[recursion]} / ${times[walk]} }")" '>=' 8 \
        "$(printf '%.1f ms, WITH RECURSIVE %.1f ms' "${times[walk]}" "${times[recursion]}")"
    judge "thread-$name-returned" "$(awk "BEGIN { print ${times[walk]} / ${times[return]} }")" '<=' 2.5 \
        "$(printf 'ordered rows out of a function %.1f ms, scan of the root index %.1f ms' "${times[return]}" "${times[scan]}")"
done < <(sql -c 'SELECT name, uuid FROM start')
exit "$status"
