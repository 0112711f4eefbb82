#!/usr/bin/env bash
# claim: claiming a message and finishing it, against a SKIP LOCKED table and against PgQ's batches.
#
#   bench/claim.sh         connects by the environment (PGHOST, PGPORT, PGUSER), in a database of its own
#
# Clients take one message at a time from a prepared stock, in one transaction, and finish it in another. cloudsat: claim and
# release, two replies and two log entries; CONTENDERS clients claim each message, and one wins. The table: an UPDATE ...
# RETURNING of the first row by FOR UPDATE SKIP LOCKED, and an UPDATE at the end. PgQ has no claims: each client has its own
# queue and consumer, and a tick after each event, so that a batch is one message: next_batch, get_batch_events,
# finish_batch. The figure is the number of finished messages per second.
#
# A second part holds a snapshot all the time, like a dump or a long report: dead rows cannot be removed then, and the
# table's search for the next job scans all of them.
#
# Competitors take turns, every other round in the opposite order; the median of the rounds' ratios counts. From the
# environment: ROUNDS (5), SECONDS_PER_RUN (4), CLIENTS (8), CONTENDERS (1), STOCK (40000) messages for each run.
# shellcheck source=bench/lib.sh
source "$(dirname "$0")/lib.sh"

rounds=${ROUNDS:-5}
seconds=${SECONDS_PER_RUN:-4}
clients=${CLIENTS:-8}
contenders=${CONTENDERS:-1}
stock=${STOCK:-40000}
payload=200
db=cloudsat_bench_claim
trap 'dropdb --if-exists --force "$db" 2>/dev/null; rm -rf "$work"' EXIT

sql() { psql -XAtq -v ON_ERROR_STOP=1 -d "$db" "$@"; }

dropdb --if-exists --force "$db" 2>/dev/null
createdb "$db"
sql -c "ALTER DATABASE $db SET cloudsat.notify = off" -c 'CREATE EXTENSION cloudsat' -c 'SELECT FROM cloudsat.maintain()'
pgq=1
sql -c 'CREATE EXTENSION pgq' 2>/dev/null || pgq=

sql <<SQL
SET client_min_messages = warning;
CREATE SCHEMA bench;
CREATE TABLE bench.work (n int8 PRIMARY KEY, task uuid NOT NULL);
CREATE SEQUENCE bench.hand MINVALUE 0;
CREATE TABLE bench.jobs (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state text NOT NULL DEFAULT 'new', worker text,
    changed timestamptz NOT NULL DEFAULT now(), payload text NOT NULL);
CREATE INDEX ON bench.jobs (id) WHERE state = 'new';
CREATE TABLE bench.payload AS SELECT repeat('x', $payload) AS text;
-- each event in a transaction of its own, and a tick after it
CREATE PROCEDURE bench.fill(queue text, events int) LANGUAGE plpgsql AS \$\$
BEGIN
    FOR i IN 1 .. events LOOP
        PERFORM pgq.insert_event(queue, 'type', text) FROM bench.payload;
        COMMIT;
        PERFORM pgq.ticker(queue);
        COMMIT;
    END LOOP;
END \$\$;
SQL

cat >"$work/claim.pgbench" <<SQL
\\if :registered = 0
SELECT FROM cloudsat.register(ARRAY['w' || :client_id || '.web.example.com']::cloudsat.address[]);
\\set registered 1
\\endif
SELECT task, (cloudsat.claim(task) IS NOT NULL)::int AS won FROM bench.work
    WHERE n = (SELECT nextval('bench.hand') / $contenders) \\gset
\\if :won
SELECT cloudsat.release(:task, 'end', 'done');
\\endif
SQL
cat >"$work/table.pgbench" <<'SQL'
UPDATE bench.jobs SET state = 'taken', worker = 'w' || :client_id, changed = now()
    WHERE id = (SELECT id FROM bench.jobs WHERE state = 'new' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, payload \gset
UPDATE bench.jobs SET state = 'done', changed = now() WHERE id = :id;
SQL
cat >"$work/pgq.pgbench" <<'SQL'
SELECT pgq.next_batch('q' || :client_id, 'worker') AS batch \gset
SELECT ev_data FROM pgq.get_batch_events(:batch) \gset
SELECT pgq.finish_batch(:batch);
SQL

restock() {
    case $1 in
    claim)
        sql <<SQL
TRUNCATE cloudsat.messages, cloudsat.claim_log, bench.work;
SELECT setval('bench.hand', 0, false);
INSERT INTO bench.work SELECT n - 1, task FROM bench.payload,
    cloudsat.post('boss@example.com', 'web.example.com', array_fill(text, ARRAY[$stock])) WITH ORDINALITY AS p (task, n);
ANALYZE bench.work;
SQL
        ;;
    table)
        sql -c 'TRUNCATE bench.jobs' -c "INSERT INTO bench.jobs (payload) SELECT text FROM bench.payload, generate_series(1, $stock)" \
            -c 'ANALYZE bench.jobs'
        ;;
    pgq)
        local each=$((stock / clients)) queue
        for ((queue = 0; queue < clients; queue++)); do
            sql -c "SELECT pgq.drop_queue(queue_name, true) FROM pgq.queue WHERE queue_name = 'q$queue'" \
                -c "SELECT pgq.create_queue('q$queue')" -c "UPDATE pgq.queue SET queue_ticker_max_count = 1, queue_ticker_max_lag = '0',
                    queue_ticker_idle_period = '0' WHERE queue_name = 'q$queue'" \
                -c "SELECT pgq.register_consumer('q$queue', 'worker')" -c 'SET synchronous_commit = off' \
                -c "CALL bench.fill('q$queue', $each)"
        done
        ;;
    esac >/dev/null
}
finished() {
    case $1 in
    claim) sql -c "SELECT count(*) FROM cloudsat.claim_log WHERE action = 'released'" ;;
    table) sql -c "SELECT count(*) FROM bench.jobs WHERE state = 'done'" ;;
    pgq) sql -c "SELECT sum(sub_last_tick - (SELECT min(tick_id) FROM pgq.tick AS t WHERE t.tick_queue = s.sub_queue))
        FROM pgq.subscription AS s" ;;
    esac
}

# hold_snapshot: in a session that ends with the run
holder=
hold_snapshot() {
    PGAPPNAME=holder psql -XAtq -d "$db" -c 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_sleep(1000)' >/dev/null 2>&1 &
    holder=$!
    until [[ $(sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder' AND backend_xmin IS NOT NULL") == 1 ]]; do
        sleep 0.1
    done
}
let_go() {
    sql -c "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'holder'" >/dev/null
    wait "$holder" || true
}

# one_run COMPETITOR SYNCHRONOUS CONDITION: finished messages per second
one_run() {
    local count
    restock "$1"
    sql -c CHECKPOINT
    if [[ $3 == held ]]; then hold_snapshot; fi
    PGOPTIONS="-c synchronous_commit=$2" pgbench -n -M prepared -c "$clients" -j 2 -T "$seconds" -D registered=0 \
        -f "$work/$1.pgbench" "$db" >"$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
    if [[ $3 == held ]]; then let_go; fi
    count=$(finished "$1")
    if ((count >= stock - clients)) || grep -q 'ERROR\|aborted' "$work/out"; then
        echo "$1 ran out of messages after $count (STOCK), or failed:" >&2
        cat "$work/out" >&2
        exit 1
    fi
    echo "$((count / seconds))"
}
# ratios FILE FILE: the median of the first one's figures divided by the second one's
ratios() { median <(paste "$1" "$2" | awk '{ print $1 / $2 }'); }

echo "# $(sql -c 'SELECT version()' | cut -d' ' -f1,2), $(nproc) cores, fsync $(sql -c 'SHOW fsync'), $payload-byte messages," \
    "notify off, $clients clients, each message handed to $contenders, median of $rounds rounds of $seconds s"
# compare CONDITION SYNCHRONOUS COMPETITOR=GOAL...: in turn; the ratio of the claims' rate to each competitor's, and its goal
compare() {
    local condition=$1 synchronous=$2 run=$work/$1.$2 where="sync $2" one round i
    if [[ $condition == held ]]; then where+=', snapshot held'; fi
    shift 2
    local order=(claim "${@%=*}")
    for ((round = 1; round <= rounds; round++)); do
        for ((i = 0; i < ${#order[@]}; i++)); do
            one=${order[$((round % 2 ? i : ${#order[@]} - 1 - i))]}
            one_run "$one" "$synchronous" "$condition" >>"$run.$one"
        done
    done
    for one in "${order[@]}"; do note "$where, $one" "$(median "$run.$one")/s"; done
    for one in "$@"; do
        at_least "claim and release / ${one%=*}, $where" "$(ratios "$run."{claim,"${one%=*}"})" 1 "${one#*=}"
    done
}
# Two updates of one narrow row cost as much as four permanent rows: claims should be as fast as the table, and faster if
# dead rows cannot be removed.
peers=(table=0.9)
if [[ -n $pgq ]]; then peers+=(pgq=2); fi
for synchronous in off on; do compare free "$synchronous" "${peers[@]}"; done
compare held off table=2
tell_notes
exit $missed
