#!/usr/bin/env bash
# receive: receiving, empty and full, among millions of messages, and while 64 clients post.
#
#   bench/receive.sh [MESSAGES] [SECONDS]     connects by the environment, in databases of its own
#
# MESSAGES (5,000,000; a fifth of it in the databases with 8 and 365 partitions) of 200 bytes, a fifth of them on the
# receiver's four channels, written by transactions finished long before. The times are medians of calls in one PL/pgSQL
# function, each in its own subtransaction, which is rolled back so that the messages come again; both sides and the
# databases take turns. The peer of a receive is the bare index scan: a prepared query of the board with a given range of
# transactions and a given start, which fetches the same rows. The same scan of today's partition only, which a reader
# cannot know to suffice, is noted; it returns its rows to an aggregate, not from a function. In the last part, SECONDS
# (6) a round, 64 clients post while one receives, with and without an open transaction that has posted. Its figures are
# medians of five rounds: the rate at full speed, and the receiver's latency at half of that rate, because without an idle
# processor the latency measures only the scheduler.
# shellcheck source=bench/lib.sh
source "$(dirname "$0")/lib.sh"
messages=${1:-5000000}
seconds=${2:-6}
database=cloudsat_bench_receive
export PGOPTIONS="-c client_min_messages=warning -c max_parallel_workers_per_gather=0 -c jit=off -c cloudsat.notify=off"

drop() { for n in 8 30 365; do PGDATABASE=postgres psql -XAtqc "DROP DATABASE IF EXISTS ${database}_$n WITH (FORCE)"; done; }
end() {
    rm -rf "$work"
    drop
}
trap end EXIT
drop
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

# fill PARTITIONS MESSAGES: creates a database with that many days, including today and tomorrow
fill() {
    PGDATABASE=postgres psql -XAtqc "CREATE DATABASE ${database}_$1"
    export PGDATABASE=${database}_$1
    sql -v days="$1" -v messages="$2" <<'SQL' >/dev/null
CREATE EXTENSION cloudsat;
SET cloudsat.partitions_ahead = 1;
INSERT INTO cloudsat.messages SELECT cloudsat.uuid_floor(at), at, '.', 'made.example.org', 'x', NULL, NULL, NULL, NULL, '3'
  FROM (SELECT date_trunc('day', now(), 'UTC') - n * interval '1 day' FROM generate_series(1, :days - 2) AS n) AS day (at);
SELECT count(*) FROM cloudsat.maintain(), generate_series(1, 5);
SELECT cloudsat.maintain();
SELECT cloudsat.maintain();
SELECT cloudsat.maintain();
INSERT INTO cloudsat.messages
SELECT cloudsat.uuid_floor(at), at, 'app@i-1.example.org',
       CASE n % 20 WHEN 0 THEN '.' WHEN 1 THEN 'com' WHEN 2 THEN 'example.com' WHEN 3 THEN 'h1.example.com'
                   ELSE 'h' || 2 + n % 1000 || '.example.com' END::cloudsat.address,
       repeat('x', 200), NULL, NULL, NULL, NULL, (3 + n * 600 / :messages)::text::xid8
  FROM (SELECT n, now() - (:days - 2) * interval '1 day' * (1 - n::float8 / :messages) FROM generate_series(1, :messages::int8) AS n) AS m (n, at);
VACUUM (ANALYZE, FREEZE);
CHECKPOINT;
-- the median of so many calls in microseconds; the receiver is this session
CREATE FUNCTION receiving(calls int) RETURNS TABLE (rows bigint, microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    times float8[];
    began timestamptz;
BEGIN
    FOR i IN 1 .. calls LOOP
        BEGIN
            began := clock_timestamp();
            SELECT count(octet_length(message)) INTO rows FROM cloudsat.receive(100);
            times[i] := extract(epoch FROM clock_timestamp() - began) * 1e6;
            RAISE division_by_zero;
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END LOOP;
    microseconds := (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) AS t);
    RETURN NEXT;
END $$;
-- the peers: of the board, told since when, and of today's partition itself
SELECT format($function$
CREATE FUNCTION %s(calls int, first xid8, since uuid) RETURNS TABLE (rows bigint, microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    times float8[];
    began timestamptz;
    subscriptions cloudsat.address[] := cloudsat.subscriptions();
    behind xid8 := pg_snapshot_xmax(pg_current_snapshot());
BEGIN
    FOR i IN 1 .. calls LOOP
        BEGIN
            began := clock_timestamp();
            SELECT count(octet_length(message)) INTO rows FROM %s
             WHERE chan = ANY (subscriptions) AND xact >= first AND xact < behind;
            times[i] := extract(epoch FROM clock_timestamp() - began) * 1e6;
            RAISE division_by_zero;
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END LOOP;
    microseconds := (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) AS t);
    RETURN NEXT;
END $$$function$, name, source)
  FROM (VALUES ('scanning', '(SELECT * FROM cloudsat.messages WHERE uuid >= since) AS m'),
               ('scanning_partition', to_char(now() AT TIME ZONE 'UTC', '"cloudsat.messages_"YYYYMMDD'))) AS peer (name, source) \gexec
SQL
}

# A hundred messages for the receiver, each in its own transaction, and as many for others
cat >"$work/post.sql" <<'SQL'
SELECT cloudsat.post('app@i-1.example.org', 'h1.example.com', repeat('x', 200));
SELECT cloudsat.post('app@i-1.example.org', 'h7.example.com', repeat('x', 200));
SQL

# measure: prints lines `what rows microseconds` from one session with warm caches
measure() {
    sql -F ' ' <<SQL
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT FROM cloudsat.register('{h1.example.com}');
SELECT FROM receiving(100);
SELECT 'empty', * FROM receiving(1000);
SELECT pg_snapshot_xmax(pg_current_snapshot()) AS first, cloudsat.uuid_floor(now() - interval '1 day') AS since \gset
\! pgbench -n -t 100 -f $work/post.sql >/dev/null 2>&1
SELECT FROM receiving(50), scanning(50, :'first', :'since'), scanning_partition(50, :'first', :'since');
$(for _ in 1 2 3; do
        echo "SELECT 'full', * FROM receiving(300);"
        echo "SELECT 'scan', * FROM scanning(300, :'first', :'since');"
        echo "SELECT 'leaf', * FROM scanning_partition(300, :'first', :'since');"
    done)
SQL
}
for n in 8 30 365; do fill "$n" $((n == 30 ? messages : messages / 5)); done
for _ in 1 2 3 4 5 6 7 8 9; do
    for n in 8 30 365; do PGDATABASE=${database}_$n measure >>"$work/$n"; done
done
for n in 8 30 365; do
    for what in empty full scan leaf; do
        rows=$(awk -v what=$what '$1 == what { print $2 }' "$work/$n" | sort -u | xargs)
        awk -v what=$what '$1 == what { print $3 }' "$work/$n" >"$work/$n-$what"
        note "$n partitions, $what ($rows rows)" "$(median "$work/$n-$what") us"
    done
done
at_most 'receive, nothing new: microseconds, of 100' "$(median "$work/30-empty")" 1 100
at_most 'receive, 100 new: the bare index scan' "$(median "$work/30-full")" "$(median "$work/30-scan")" 1.5
at_most 'receive, nothing new: 365 partitions against 8' "$(median "$work/365-empty")" "$(median "$work/8-empty")" 1.5
at_most 'receive, 100 new: 365 partitions against 8' "$(median "$work/365-full")" "$(median "$work/8-full")" 1.5

# --- while others post ---------------------------------------------------------------------------------------------
export PGDATABASE=${database}_30
cat >"$work/busy.sql" <<'SQL'
\set n random(1, 8)
SELECT cloudsat.post('app@i-1.example.org', ('h' || :n || '.example.com')::cloudsat.address, repeat('x', 200));
SQL
cat >"$work/receive.sql" <<'SQL'
\if :known = 0
SELECT cloudsat.register('{h1.example.com}');
\set known 1
\endif
SELECT count(octet_length(message)) FROM cloudsat.receive(1000);
\sleep 10 ms
SQL
# busy WHO OPTION...: runs 64 clients with these options, and one receiver
busy() {
    pgbench -n -M prepared -c 64 -j 2 -T "$seconds" "${@:2}" -f "$work/busy.sql" >"$work/posts" 2>&1 &
    pgbench -n -r -D known=0 -c 1 -T $((seconds - 1)) -f "$work/receive.sql" >"$work/receives" 2>&1 || true
    wait $!
    if (($# == 1)); then
        sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$work/posts" >>"$work/$1-rate"
    else
        awk '/cloudsat.receive/ && $1 + 0 > 0 { print $1 }' "$work/receives" | tail -n 1 >>"$work/$1-latency"
    fi
}
both() {
    busy "$1"
    busy "$1" -R "$(awk '{ print int($1 / 2) }' "$work/alone-rate" | head -n 1)"
}
for _ in 1 2 3 4 5; do
    both alone
    mkfifo "$work/hold"
    sql <"$work/hold" >/dev/null &
    exec 3>"$work/hold"
    echo "BEGIN; SELECT cloudsat.post('app@i-1.example.org', 'h1.example.com', 'x');" >&3
    until [[ $(sql -c "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND backend_xid IS NOT NULL") == 1 ]]; do sleep 0.1; done
    both open
    echo 'ROLLBACK;' >&3
    exec 3>&-
    wait
    rm "$work/hold"
done
at_least 'posts of 64 clients, beside an open transaction' "$(median "$work/open-rate")" "$(median "$work/alone-rate")" 0.9
at_most 'receive at half the rate, beside an open transaction' "$(median "$work/open-latency")" "$(median "$work/alone-latency")" 1.1
note 'posts of 64 clients, alone and beside it' "$(median "$work/alone-rate"), $(median "$work/open-rate") a second"
note 'a receive at half the rate' "$(median "$work/alone-latency"), $(median "$work/open-latency") ms"
tell_notes
exit "$missed"
