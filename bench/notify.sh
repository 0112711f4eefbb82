#!/usr/bin/env bash
# notify: the cost of notifications for posters, and the latency for waiting sessions.
#
#   bench/notify.sh        connects by the environment, to a server that preloads cloudsat; CLOUDSAT_WAKEUP is the program
#                          built from bench/wakeup.cpp
#
# First the rate of posts, by pgbench, with cloudsat.notify off, batched and inline in turn; without a listener, and with
# listeners that are all subscribed to the channel and read their notifications. Then the time from COMMIT to the row
# in the receiver's client, with one session and with many in CALL wait, while others post at half the rate.
# From the environment: ROUNDS (5), SECONDS_PER_RUN (4), CLIENTS (8 64), LISTENERS (100), RECEIVERS (1 64), SAMPLES (1000).
# shellcheck source=bench/lib.sh
source "$(dirname "$0")/lib.sh"

rounds=${ROUNDS:-5}
seconds=${SECONDS_PER_RUN:-4}
clients=${CLIENTS:-8 64}
listeners=${LISTENERS:-100}
receivers=${RECEIVERS:-1 64}
samples=${SAMPLES:-1000}
pause=10 # milliseconds between samples
wakeup=${CLOUDSAT_WAKEUP:?the program made of bench/wakeup.cpp}
db=cloudsat_bench_notify
listener= # the process that has the listening sessions
load=     # a pgbench in the background

end() {
    if [[ -n $load ]]; then kill "$load" 2>/dev/null && wait "$load"; fi
    stop_listening
    psql -XAtqc 'SELECT cloudsat.stop()' -d "$db" >/dev/null 2>&1
    dropdb --if-exists --force "$db" 2>/dev/null
    rm -rf "$work"
}
trap 'set +e; end' EXIT

sql() { psql -XAtq -v ON_ERROR_STOP=1 -d "$db" "$@"; }

listen() {
    coproc LISTENER { PGDATABASE=$db exec "$wakeup" listen "$1"; }
    listener=$LISTENER_PID
    local word
    read -r word <&"${LISTENER[0]}"
    [[ $word == ready ]]
}
stop_listening() {
    if [[ -z $listener ]]; then return; fi
    exec {LISTENER[1]}>&-
    wait "$listener" || true
    listener=
}

# posts MODE CLIENTS: transactions per second
printf -v text 'x%.0s' {1..200}
echo "SELECT cloudsat.post('bot@h1.example.com', 'example.com', '$text')" >"$work/post"
posts() {
    PGOPTIONS="-c cloudsat.notify=$1" pgbench -n -M prepared -c "$2" -j 2 -T "$seconds" -f "$work/post" "$db" 2>/dev/null |
        sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

dropdb --if-exists --force "$db" 2>/dev/null
createdb "$db"
sql -c 'CREATE EXTENSION cloudsat' -c 'SELECT FROM cloudsat.maintain()' -c 'SELECT cloudsat.start()' >/dev/null
for ((i = 0; i < 300; i++)); do
    if [[ $(sql -c 'SELECT notify FROM cloudsat.waking') == batched ]]; then break; fi
    sleep 0.1
done
[[ $(sql -c 'SELECT notify FROM cloudsat.waking') == batched ]]
echo "# $(nproc) cores, fsync $(sql -c 'SHOW fsync'), synchronous_commit $(sql -c 'SHOW synchronous_commit')," \
    "200-byte messages, median of $rounds rounds of $seconds s"

# --- the rate
modes=(off batched inline)
for ((round = 1; round <= rounds; round++)); do
    for crowd in 0 "$listeners"; do
        if ((crowd > 0)); then listen "$crowd"; fi
        for count in $clients; do
            for ((i = 0; i < ${#modes[@]}; i++)); do
                mode=${modes[$((round % 2 ? i : ${#modes[@]} - 1 - i))]}
                posts "$mode" "$count" >>"$work/$crowd.$count.$mode"
            done
            sql -c 'TRUNCATE cloudsat.messages' -c 'CHECKPOINT'
        done
        stop_listening
    done
done
ratios() { median <(paste "$1" "$2" | awk '{ print $1 / $2 }'); }
for crowd in 0 "$listeners"; do
    for count in $clients; do
        run=$work/$crowd.$count
        for mode in "${modes[@]}"; do note "$crowd listeners, $count clients, $mode" "$(median "$run.$mode") tps"; done
        note "$crowd listeners, $count clients, inline / off" "$(ratios "$run."{inline,off})"
        goal=$( ((crowd > 0)) && echo 0.6 || echo 0.95)
        at_least "batched / off, $crowd listeners, $count clients" "$(ratios "$run."{batched,off})" 1 "$goal"
    done
done

# --- the time, under load
count=${clients%% *}
half=$(awk -v all="$(median "$work/0.$count.batched")" 'BEGIN { print int(all / 2) }')
pgq_tick=3000 # milliseconds: PgQ's default ticker_max_lag, the delay of an event if events are rare
echo "SELECT cloudsat.post('bot@h1.example.com', 'example.org', '$text')" >"$work/other"
pgbench -n -M prepared -c "$count" -j 1 -T 3600 -R "$half" -f "$work/other" "$db" >/dev/null 2>&1 &
load=$!
for crowd in $receivers; do
    read -r p50 p99 max < <(PGDATABASE=$db "$wakeup" receive "$crowd" "$samples" "$pause")
    where="$crowd in CALL wait, $half posts a second"
    note "$where: p50, p99, max" "$p50, $p99, $max ms"
    at_most "wake-up p50 / 2 ms, $where" "$p50" 2 1
    at_most "wake-up p99 / 20 ms, $where" "$p99" 20 1
    at_most "wake-up p50 / PgQ's tick of 3 s, $crowd in CALL wait" "$p50" "$pgq_tick" 0.01
done
tell_notes
exit $missed
