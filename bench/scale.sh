#!/usr/bin/env bash
# scale: 100,000 queues on a fake broker: the memory of a guard, the time of a sweep, the cost of recording.
#
#   bench/scale.sh         connects by the environment (PGHOST, PGPORT, PGUSER), in a database of its own
#
# The broker prepares its documents before the requests, so its own time is not measured. Memory is the private memory of a
# process (RssAnon, without shared buffers), with its peak sampled 200 times a second. From the environment: QUEUES
# (100000), ROUNDS (5).
# shellcheck source=bench/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=bench/fake.sh
source "$(dirname "$0")/fake.sh"

die() { echo "scale: $*" >&2 && exit 1; }
queues=${QUEUES:-100000}
rounds=${ROUNDS:-5}
db=cloudsat_bench_scale
watcher=
trap '[[ -z $watcher ]] || kill "$watcher" 2>/dev/null; dropdb --if-exists --force "$db" 2>/dev/null; rm -rf "$work"' EXIT
sql() { psql -XAtq -v ON_ERROR_STOP=1 -d "$db" "$@"; }

start_fake
tell queues "{\"count\": $queues, \"prefix\": \"queue/u42@example.com/tasks\"}"
# change COUNT: gives that many queues a new size
size=0
change() { tell sizes "{\"count\": $1, \"prefix\": \"queue/u42@example.com/tasks\", \"messages\": $((++size))}"; }

dropdb --if-exists --force "$db" 2>/dev/null
createdb "$db"
sql >/dev/null <<SQL
CREATE EXTENSION cloudsat;
CREATE SERVER totals FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url '$fake_url');
CREATE USER MAPPING FOR CURRENT_USER SERVER totals OPTIONS (user 'guardian', password 'secret');
SQL
start_session

# --- time -----------------------------------------------------------------------------------------------------------
echo "# a fake broker with $queues queues, $(nproc) cores, $rounds rounds, medians"
render totals
first=$(ask "SELECT record_ms FROM cloudsat.poll('totals')")
render totals
ask "SELECT FROM cloudsat.poll('totals')" >/dev/null
sql -c 'VACUUM ANALYZE cloudsat.queues'
# sweep SHARE NAME: polls with one in SHARE queues changed (0: none)
sweep() {
    local changed=0 ms record
    if (($1 > 0)); then changed=$((queues / $1)); fi
    for ((round = 0; round < rounds; round++)); do
        if ((changed > 0)); then change "$changed"; fi
        render totals
        read -r ms record <<<"$(ask "SELECT fetch_ms + record_ms, record_ms FROM cloudsat.poll('totals') WHERE changed = $changed")"
        if [[ -z $ms ]]; then die "not $changed changed queues were recorded"; fi
        echo "$ms" >>"$work/sweep.$2"
        echo "$record" >>"$work/record.$2"
        sql -c 'VACUUM cloudsat.queues' # as autovacuum does
    done
    note "recording, $changed of $queues queues changed" "$(median "$work/record.$2") ms"
}
sweep 0 none
sweep 100 percent
sweep 10 tenth
sweep 1 all
note "recording, all of $queues queues are new" "$first ms"
record() { median "$work/record.$1"; }
per_queue() { awk -v a="$(record "$1")" -v b="$(record none)" -v n="$((queues / $2))" 'BEGIN { print (a - b) / n }'; }
at_most 'sweep, all changed / 60 s' "$(median "$work/sweep.all")" 60000 1
at_most 'recording a changed queue, of all / of a tenth' "$(per_queue all 1)" "$(per_queue tenth 10)" 1.5
at_most 'recording, none changed / all changed' "$(record none)" "$(record all)" 0.1
at_most "recording, $((queues / 10)) changed / 1 s for 10,000" "$(record tenth)" "$((queues / 100))" 1

# --- what an unchanged sweep writes -----------------------------------------------------------------------------------
written() {
    ask 'SELECT pg_stat_force_next_flush()' >/dev/null
    ask "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del) FILTER (WHERE relname = 'polls'), 0),
                coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del) FILTER (WHERE relname <> 'polls'), 0)
         FROM pg_stat_all_tables WHERE schemaname = 'cloudsat'"
}
sql -c "UPDATE cloudsat.queues SET growth = 0" # otherwise sweeps write it for a minute
read -r polls_before others_before <<<"$(written)"
for ((round = 0; round < 5; round++)); do ask "SELECT FROM cloudsat.poll('totals')" >/dev/null; done
read -r polls_after others_after <<<"$(written)"
at_most 'rows of polls written by 5 unchanged sweeps / 5' $((polls_after - polls_before)) 5 1
at_most 'other rows written by them, plus one / 1' $((others_after - others_before + 1)) 1 1

# --- the guard's memory -----------------------------------------------------------------------------------------------
# guard NAME OPTIONS: lets a guard poll once a second, and samples its memory while sizes change
guard() {
    local kind=$1 pid early late turn
    sql >/dev/null <<SQL
SET client_min_messages = warning;
CREATE SERVER $kind FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url '$fake_url', poll_interval '1s' $2);
CREATE USER MAPPING FOR CURRENT_USER SERVER $kind OPTIONS (user 'guardian', password 'secret');
SELECT cloudsat.start();
SQL
    until [[ -n ${pid:=$(sql -c "SELECT pid FROM cloudsat.worker_status WHERE kind = 'guard' AND server = '$kind'")} ]]; do sleep 0.1; done
    watch_peak "$pid" "$work/peak" &
    watcher=$!
    wait_polls "$kind" 3
    all_sorts "$kind"
    early=$(private_kb "$pid")
    for ((turn = 0; turn < 4; turn++)); do all_sorts "$kind"; done
    late=$(private_kb "$pid")
    kill "$watcher"
    watcher=
    note "private memory of the guard $kind, peak" "$(<"$work/peak") kB"
    note '    between polls: after 15, after 63' "$early kB, $late kB"
    at_most "memory of the guard $kind, peak / 64 MB" "$(<"$work/peak")" 65536 1
    at_most "memory of the guard $kind, after 63 polls / after 15" "$late" "$early" 1.05
    rm "$work/peak"
    sql -c 'SET client_min_messages = warning' -c 'SELECT cloudsat.stop()' -c "DROP SERVER $kind CASCADE" >/dev/null
}
# all_sorts NAME: four polls each after a change of all queues, a change of some, and with names and bindings
all_sorts() {
    change "$queues"
    wait_polls "$1" 4
    change $((queues / 10))
    wait_polls "$1" 4
    sql -c 'UPDATE cloudsat.polls SET names_at = NULL, bindings_at = NULL'
    wait_polls "$1" 4
}
wait_polls() {
    local until tries=0
    until=$(($(cycle "$1") + $2))
    while (($(cycle "$1") < until)); do
        if ((tries++ > 3000)); then die "the guard does not poll"; fi
        sleep 0.1
    done
}
cycle() { sql -c "SELECT coalesce(max(cycle), 0) FROM cloudsat.polls WHERE server = '$1'"; }
printf '\\q\n' >&"${session[1]}"
sql -c 'SET client_min_messages = warning' -c 'DROP SERVER totals CASCADE'
sql -c 'TRUNCATE cloudsat.queues, cloudsat.queue_history'
guard by_totals ''
guard by_metrics ", metrics_url '$fake_url'"
tell_notes
exit "$missed"
