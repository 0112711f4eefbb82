#!/usr/bin/env bash
# post: the cost of a post, against a prepared INSERT into an identical table and against PgQ's insert_event.
#
#   bench/post.sh          connects by the environment (PGHOST, PGPORT, PGUSER), in a database of its own
#
# Competitors take turns, every other round in the opposite order, and the median of the rounds' ratios counts: the
# machine is noisy, the ratio is not. Prints a line for each figure (name, ratio, goal, ok or NOT ok), then each
# competitor's figures. From the environment: ROUNDS (5), SECONDS_PER_RUN (4) of pgbench, CALLS (20000) of a loop,
# CLIENTS (1 8 64).
# shellcheck disable=SC2317 # one_round calls functions by their names
# shellcheck source=bench/lib.sh
source "$(dirname "$0")/lib.sh"

rounds=${ROUNDS:-5}
seconds=${SECONDS_PER_RUN:-4}
calls=${CALLS:-20000}
clients=${CLIENTS:-1 8 64}
payload=200
db=cloudsat_bench_post
trap 'dropdb --if-exists --force "$db" 2>/dev/null; rm -rf "$work"' EXIT

sql() { psql -XAtq -v ON_ERROR_STOP=1 -d "$db" "$@"; }

dropdb --if-exists --force "$db" 2>/dev/null
createdb "$db"
sql -c 'CREATE EXTENSION cloudsat' -c 'SELECT FROM cloudsat.maintain()'
pgq=1
sql -c 'CREATE EXTENSION pgq' -c "SELECT FROM pgq.create_queue('bench')" >/dev/null 2>&1 || pgq=

# a table like cloudsat.messages, with its partitions and their indexes, but without its triggers and checks
sql <<'SQL'
SET client_min_messages = warning;
CREATE SCHEMA bench;
CREATE TABLE bench.messages (LIKE cloudsat.messages) PARTITION BY RANGE (uuid);
DO $$
DECLARE
    leaf record;
BEGIN
    FOR leaf IN SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'cloudsat.messages'::regclass
    LOOP
        EXECUTE format('CREATE TABLE bench.%I PARTITION OF bench.messages %s', leaf.relname, leaf.bound);
        EXECUTE format('ALTER TABLE bench.%I ADD PRIMARY KEY (uuid)', leaf.relname);
        EXECUTE format('CREATE INDEX ON bench.%I (chan, xact)', leaf.relname);
        EXECUTE format('CREATE INDEX ON bench.%I (root) WHERE root IS NOT NULL', leaf.relname);
    END LOOP;
END $$;
SQL
first=$(sql -c 'SET cloudsat.notify = off' -c "SELECT cloudsat.post('bot@h1.example.com', 'example.com', 'first')")
sql -c 'CREATE TABLE bench.first AS SELECT * FROM cloudsat.messages'

text=$(printf 'x%.0s' $(seq $payload))
statement_of() {
    local from="'bot@h1.example.com', 'example.com', '$text'"
    case $1 in
    raw) echo "INSERT INTO bench.messages VALUES (_cloudsat.uuid(), clock_timestamp(), $from," \
        "NULL, NULL, NULL, NULL, pg_current_xact_id())" ;;
    raw_reply) echo "INSERT INTO bench.messages VALUES (_cloudsat.uuid(), clock_timestamp(), $from," \
        "'$first', 'info', '$first', 1, pg_current_xact_id())" ;;
    post) echo "SELECT cloudsat.post($from)" ;;
    reply) echo "SELECT cloudsat.reply($from, '$first', 'info')" ;;
    pgq) echo "SELECT pgq.insert_event('bench', 'type', '$text')" ;;
    esac
}
# compared competitors are adjacent, so that they run under the same load
competitors=(raw post raw_reply reply)
if [[ -n $pgq ]]; then competitors=(raw post pgq raw_reply reply); fi

# in_loop COMPETITOR: microseconds per call in a PL/pgSQL loop
in_loop() {
    local statement
    statement=$(statement_of "$1")
    sql <<SQL
SET cloudsat.notify = off;
SET synchronous_commit = off;
DO \$\$
DECLARE
    began timestamptz := clock_timestamp();
BEGIN
    FOR i IN 1 .. $calls LOOP
        ${statement/#SELECT/PERFORM};
    END LOOP;
    PERFORM set_config('bench.took', (extract(epoch FROM clock_timestamp() - began) * 1e6 / $calls)::text, false);
END \$\$;
SELECT current_setting('bench.took');
SQL
}

# in_pgbench COMPETITOR CLIENTS SYNCHRONOUS: transactions per second, each a prepared statement
in_pgbench() {
    statement_of "$1" >"$work/script"
    PGOPTIONS="-c synchronous_commit=$3 -c cloudsat.notify=${NOTIFY:-off}" \
        pgbench -n -M prepared -c "$2" -j 2 -T "$seconds" -f "$work/script" "$db" 2>/dev/null |
        sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

empty() {
    sql -c 'TRUNCATE bench.messages, cloudsat.messages' -c 'INSERT INTO cloudsat.messages SELECT * FROM bench.first' \
        -c 'CHECKPOINT'
}
echo "# $(sql -c 'SELECT version()' | cut -d' ' -f1,2), $(nproc) cores, fsync $(sql -c 'SHOW fsync')," \
    "$payload-byte messages, notify off, median of $rounds rounds of $seconds s, $calls calls a loop"
# one_round N SUFFIX COMMAND...: runs COMMAND once for each competitor, with its output in $work/SUFFIX.COMPETITOR
one_round() {
    local order=("${competitors[@]}") i
    empty
    for ((i = 0; i < ${#order[@]}; i++)); do
        local one=${order[$(($1 % 2 ? i : ${#order[@]} - 1 - i))]}
        "${3}" "$one" "${@:4}" >>"$work/$2.$one"
    done
}
# ratios FILE FILE: the median of the first one's figures divided by the second one's
ratios() { median <(paste "$1" "$2" | awk '{ print $1 / $2 }'); }

for ((round = 1; round <= rounds; round++)); do one_round "$round" loop in_loop; done
for one in "${competitors[@]}"; do note "loop, $one" "$(median "$work/loop.$one") µs"; done
# these are times, so the competitor's comes first
at_least 'post / raw INSERT, in the server' "$(ratios "$work/loop."{raw,post})" 1 0.9
at_least 'reply / raw INSERT of a reply, in the server' "$(ratios "$work/loop."{raw_reply,reply})" 1 0.9
if [[ -n $pgq ]]; then at_least 'post / pgq.insert_event, in the server' "$(ratios "$work/loop."{pgq,post})" 1 1.2; fi

for synchronous in off on; do
    for count in $clients; do
        run=$work/$synchronous.$count
        where="$count clients, sync $synchronous"
        for ((round = 1; round <= rounds; round++)); do
            one_round "$round" "$synchronous.$count" in_pgbench "$count" "$synchronous"
        done
        for one in "${competitors[@]}"; do note "$where, $one" "$(median "$run.$one") tps"; done
        at_least "post / raw INSERT, $where" "$(ratios "$run."{post,raw})" 1 0.9
        at_least "reply / raw INSERT of a reply, $where" "$(ratios "$run."{reply,raw_reply})" 1 0.9
        if [[ -n $pgq ]]; then at_least "post / pgq.insert_event, $where" "$(ratios "$run."{post,pgq})" 1 1.05; fi
    done
done
tell_notes
exit $missed
