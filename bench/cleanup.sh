#!/usr/bin/env bash
# cleanup: the cost of dropping an old day, against DELETE of the same messages, and the posters' wait meanwhile.
#
#   bench/cleanup.sh       connects by the environment (PGHOST, PGPORT, PGUSER), in a database of its own
#
# For each size, a day is filled and dropped by cleanup() while clients post and the server writes a checkpoint, to measure
# the posters' wait; filled and dropped again without other sessions; filled and deleted by DELETE. Prints a line for each
# figure (name, ratio, goal, ok or NOT ok), then the figures themselves. From the environment: SIZES (1000000 5000000),
# CLIENTS (8), ROUNDS (3) of drops.
# shellcheck disable=SC2317 # the trap calls finish
# shellcheck source=bench/lib.sh
source "$(dirname "$0")/lib.sh"

sizes=${SIZES:-1000000 5000000}
clients=${CLIENTS:-8}
rounds=${ROUNDS:-3}
db=cloudsat_bench_cleanup
posting=
finish() {
    if [[ -n $posting ]]; then kill "$posting" 2>/dev/null || true; fi
    dropdb --if-exists --force "$db" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

sql() { psql -XAtq -v ON_ERROR_STOP=1 -d "$db" "$@"; }

dropdb --if-exists --force "$db" 2>/dev/null
createdb "$db"
# the launcher removes the files of dropped partitions
sql -c 'CREATE EXTENSION cloudsat' -c 'SELECT FROM cloudsat.maintain()' -c 'SELECT FROM cloudsat.start()'

# fill MESSAGES: inserts rows directly into a partition for 2020-01-01
fill() {
    sql >/dev/null <<SQL
SET cloudsat.notify = off;
SET synchronous_commit = off;
INSERT INTO cloudsat.messages SELECT cloudsat.uuid_floor('2020-01-01Z'), '2020-01-01Z', '.', '.', 'x', NULL, NULL, NULL, NULL, '1';
SELECT FROM cloudsat.maintain();
INSERT INTO cloudsat.messages
    SELECT cloudsat.uuid_floor(t), t, 'bot@h1.example.com', 'example.com', repeat('x', 200), NULL, NULL, NULL, NULL, '1'
      FROM generate_series(1, $1) AS n, LATERAL (SELECT '2020-01-01Z'::timestamptz + n * interval '10 us') AS at (t);
CHECKPOINT;
SQL
}

echo "SELECT cloudsat.post('bot@h1.example.com', 'example.com', repeat('x', 200))" >"$work/post"
begin_posting() {
    rm -f "$work"/latency.*
    PGOPTIONS='-c cloudsat.notify=off' pgbench -n -M prepared -c "$clients" -j 2 -T 3600 -l --log-prefix="$work/latency" \
        -f "$work/post" "$db" >/dev/null 2>&1 &
    posting=$!
    until [[ $(sql -c "SELECT count(*) > 2000 FROM cloudsat.messages WHERE uuid > cloudsat.uuid_floor(now() - interval '1 h')") == t ]]; do
        sleep 0.2
    done
}
# prints the longest wait in milliseconds, from the moment given (seconds since the epoch) on
end_posting() {
    sleep 2
    kill "$posting" # TERM: a background process of a script ignores INT
    wait "$posting" 2>/dev/null || true
    posting=
    # columns: client, transaction, microseconds, script, second, microsecond of the end
    cat "$work"/latency.* | awk -v from="$1" '$5 + $6 / 1e6 >= from && $3 > most { most = $3 } END { print most / 1000 }'
}

echo "# $(sql -c 'SELECT version()' | cut -d' ' -f1,2), $(nproc) cores, fsync $(sql -c 'SHOW fsync'), 200-byte messages," \
    "$clients clients post meanwhile, median of $rounds rounds"
# timed FILE STATEMENT: milliseconds of a statement in a session that has called cleanup() before
timed() {
    sql >>"$1" <<SQL
SELECT FROM cloudsat.cleanup('10000 days');
SELECT clock_timestamp() AS began \gset
$2;
SELECT extract(epoch FROM clock_timestamp() - :'began') * 1000;
SQL
}
# waits until the files are removed
removed() {
    until [[ $(sql -c "SELECT count(*) FROM pg_class WHERE relname ~ '^_detached'") == 0 ]]; do sleep 0.1; done
}
drop="DO \$\$ BEGIN PERFORM FROM cloudsat.cleanup('1000 days'); END \$\$"
first=
for size in $sizes; do
    for ((round = 1; round <= rounds; round++)); do
        # the posters' wait, while bots post and the server writes a checkpoint
        fill "$size"
        begin_posting
        from=$(date +%s.%N)
        sql -c CHECKPOINT &
        checkpoint=$!
        timed "$work/busy.$size" "$drop"
        wait "$checkpoint"
        end_posting "$from" >>"$work/wait.$size"
        [[ $(sql -c "SELECT count(*) FROM cloudsat.messages WHERE uuid < cloudsat.uuid_floor('2021-01-01Z')") == 0 ]]
        # its time and WAL, without other sessions
        fill "$size"
        before=$(sql -c 'SELECT pg_current_wal_insert_lsn()')
        timed "$work/drop.$size" "$drop"
        removed
        sql -c "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$before')" >>"$work/wal.$size"
    done
    fill "$size"
    timed "$work/delete.$size" "DELETE FROM cloudsat.messages WHERE uuid < cloudsat.uuid_floor('2021-01-01Z')"
    sql -c "$drop"
    longest=$(sort -g "$work/wait.$size" | tail -n 1)
    wal=$(sort -g "$work/wal.$size" | tail -n 1)
    note "$size messages: cleanup" "$(median "$work/drop.$size") ms"
    note "$size messages: cleanup while $clients clients post" "$(median "$work/busy.$size") ms"
    note "$size messages: DELETE" "$(median "$work/delete.$size") ms"
    note "$size messages: WAL of cleanup, after a checkpoint" "$wal bytes"
    note "$size messages: longest wait of a poster" "$longest ms"
    at_least "DELETE / cleanup, $size messages" "$(median "$work/delete.$size")" "$(median "$work/drop.$size")" 100
    at_most "WAL of cleanup / 1 MB, $size messages" "$wal" 1000000 1
    at_most "longest wait of a poster / 200 ms, $size messages" "$longest" 200 1
    if [[ -n $first ]]; then
        at_most "cleanup of $size / of $first messages" "$(median "$work/drop.$size")" "$(median "$work/drop.$first")" 2
    fi
    first=${first:-$size}
done
tell_notes
exit $missed
