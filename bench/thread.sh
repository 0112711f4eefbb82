#!/usr/bin/env bash
# thread: walking whole threads, against WITH RECURSIVE with a path array, and against returning the rows from a function.
#
#   bench/thread.sh [ROUNDS]      connects by the environment (PGHOST, PGPORT, PGUSER), in a database of its own
#
# Three threads of 200-byte messages, written by post() and reply(): a chain of 1,000, a star of 10,000, a random tree of
# 100,000 (each reply answers any message before it). The competitors take turns; each figure is the median of its
# rounds, after one warm-up round, of a statement executed to its end with its rows discarded. WITH RECURSIVE has an
# index on `before`, which the board lacks, and sorts by path, because its rows come in no useful order otherwise. The
# other competitor returns the stored result of the walk, in order, from a function: a lower bound for any function
# that returns these rows. The bare scan of the index on root is noted; it computes no paths and returns no rows.
# shellcheck source=bench/lib.sh
source "$(dirname "$0")/lib.sh"
rounds=${1:-7}
database=cloudsat_bench_thread
export PGOPTIONS="-c client_min_messages=warning -c max_parallel_workers_per_gather=0 -c jit=off"

psql -XAtqc "DROP DATABASE IF EXISTS $database" -c "CREATE DATABASE $database"
end() {
    rm -rf "$work"
    PGDATABASE=postgres psql -XAtqc "DROP DATABASE IF EXISTS $database"
}
trap end EXIT
export PGDATABASE=$database
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

sql <<'SQL' >/dev/null
CREATE EXTENSION cloudsat;
SELECT cloudsat.maintain();
CREATE TABLE start (name text, uuid uuid, least float);
SET cloudsat.notify = off;
SELECT setseed(0.42);
DO $$
DECLARE
    ids uuid[];
    thread record;
BEGIN
    FOR thread IN SELECT * FROM (VALUES ('chain', 1000, 3), ('star', 10000, 3), ('random', 100000, 5)) AS t (name, replies, least) LOOP
        ids := ARRAY[cloudsat.post('app@i-42.example.com', 'build.example.com', repeat('x', 200))];
        INSERT INTO start VALUES (thread.name, ids[1], thread.least);
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

# milliseconds SELECT: of one statement executed to its end, with its rows discarded; the second time in a session, with
# warm caches
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

printf '# medians of %s rounds, work_mem %s, one process\n' "$rounds" "$(sql -c 'SHOW work_mem')"
while IFS='|' read -r name start least; do
    for ((round = 0; round <= rounds; round++)); do
        for who in walk recursion return scan; do
            time=$("${who}_of" "$start" "$name")
            if ((round > 0)); then echo "$time" >>"$work/$name-$who"; fi
        done
    done
    walk=$(median "$work/$name-walk")
    at_least "thread, $name: times faster than WITH RECURSIVE" "$(median "$work/$name-recursion")" "$walk" "$least"
    if [[ $name != chain ]]; then # whose stored paths are compressed, and free to return
        at_most "thread, $name: the same rows, stored, from a function" "$walk" "$(median "$work/$name-return")" 2.5
    fi
    for who in walk recursion return scan; do note "$name, $who" "$(median "$work/$name-$who") ms"; done
done < <(sql -c 'SELECT name, uuid, least FROM start')
tell_notes
exit "$missed"
