#!/usr/bin/env bash
# poll: a whole cycle over 10,000 queues of a real broker, against only fetching the same documents.
#
#   bench/poll.sh          connects by the environment (PGHOST, PGPORT, PGUSER), in a database of its own;
#                          CLOUDSAT_BROKER is the directory of a private node, CLOUDSAT_AMQP the program that fills it
#
# The bare fetch is curl's own time for the documents of a cycle in steady state (the list of vhosts and the sizes), on one
# connection, without its start. Both take turns, and the recorded sizes are compared with the declared ones. Then the
# guard itself polls once a second, and its private memory is read after 20 and after 80 polls. From the environment:
# QUEUES (10000), ROUNDS (15).
# shellcheck source=bench/lib.sh
source "$(dirname "$0")/lib.sh"

queues=${QUEUES:-10000}
rounds=${ROUNDS:-15}
db=cloudsat_bench_poll
trap 'dropdb --if-exists --force "$db" 2>/dev/null; rm -rf "$work"' EXIT
sql() { psql -XAtq -v ON_ERROR_STOP=1 -d "$db" "$@"; }

# shellcheck disable=SC1091 # written by test/tools/rabbitmq
source "$CLOUDSAT_BROKER/env"
base=http://127.0.0.1:$broker_management_port
metrics=http://127.0.0.1:$broker_metrics_port

amqp() { "$CLOUDSAT_AMQP" "$broker_amqp_port" admin "$broker_admin_password" / "$@"; }
# transient queues, because declaring durable ones waits for the disk; every hundredth holds a message
words=()
for ((i = 0; i < queues; i++)); do
    words+=(declare "queue/u$((i % 42))/tasks-$i" transient ,)
    if ((i % 100 == 0)); then words+=(publish "queue/u$((i % 42))/tasks-$i" 1 ,); fi
    if ((i % 500 == 499 || i == queues - 1)); then
        unset 'words[-1]'
        amqp "${words[@]}" >/dev/null
        words=()
    fi
done

dropdb --if-exists --force "$db" 2>/dev/null
createdb "$db"
sql >/dev/null <<SQL
CREATE EXTENSION cloudsat;
CREATE SERVER totals FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url '$base');
CREATE USER MAPPING FOR CURRENT_USER SERVER totals OPTIONS (user 'guardian', password '$broker_guardian_password');
CREATE SERVER metrics FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url '$base', metrics_url '$metrics');
CREATE USER MAPPING FOR CURRENT_USER SERVER metrics OPTIONS (user 'guardian', password '$broker_guardian_password');
SQL

totals_document="$base/api/queues/%2F?disable_stats=true&enable_queue_totals=true"
totals_document+='&columns=name,type,durable,exclusive,auto_delete,state,messages,messages_ready,messages_unacknowledged'
# milliseconds of curl for the documents of a cycle
bare() {
    local document=$totals_document
    if [[ $1 == metrics ]]; then document=$metrics/metrics/detailed?family=queue_coarse_metrics; fi
    curl -s -o /dev/null -o /dev/null -u "guardian:$broker_guardian_password" -w '%{time_total}\n' \
        "$base/api/vhosts?columns=name,cluster_state" "$document" | awk '{ t += $1 } END { print t * 1000 }'
}
# milliseconds of one poll for its caller, in one session, as a guard is one process; a guard does not wait for the disk
# either if nothing has changed
coproc session { psql -Xq -d "$db" 2>&1; }
printf '%s\n' 'SET synchronous_commit = off;' '\timing on' '\o /dev/null' >&"${session[1]}"
whole() {
    local line
    echo "SELECT * FROM cloudsat.poll('$1');" >&"${session[1]}"
    while read -r line <&"${session[0]}"; do
        case $line in
        Time:*) line=${line#Time: } && echo "${line%% *}" && return ;;
        ERROR:* | WARNING:*) die "$line" ;;
        esac
    done
    die "the session ended"
}

# the difference between the recorded and the declared sizes
wrong() {
    sql -c "SELECT abs(count(*) - $queues) + abs(sum(messages) - $(((queues + 99) / 100)))
        FROM cloudsat.queues WHERE server = '$1' AND gone_at IS NULL"
}

echo "# RabbitMQ with $queues queues on loopback, $(nproc) cores, $rounds rounds in turn, medians"
for kind in totals metrics; do
    for _ in 1 2 3; do whole "$kind" >/dev/null; done # the first polls find only new queues
    for ((round = 0; round < rounds; round++)); do
        bare "$kind" >>"$work/bare.$kind"
        whole "$kind" >>"$work/whole.$kind"
    done
    note "bare fetch, $kind" "$(median "$work/bare.$kind") ms"
    note "whole cycle, $kind" "$(median "$work/whole.$kind") ms"
    at_most "poll of $queues queues / bare fetch, by $kind" "$(median "$work/whole.$kind")" "$(median "$work/bare.$kind")" 1.3
    # numbers of the metrics are some seconds old
    for ((tries = 0; tries < 30 && $(wrong "$kind") > 0; tries++)); do sleep 0.5 && whole "$kind" >/dev/null; done
    at_most "queues and messages recorded wrongly, by $kind, plus 1 / 1" $(($(wrong "$kind") + 1)) 1 1
done

echo '\q' >&"${session[1]}"

# --- the guard's memory -------------------------------------------------------------------------------------------
sql -c 'SET client_min_messages = warning' -c 'DROP SERVER metrics CASCADE' -c "ALTER SERVER totals OPTIONS (ADD poll_interval '1s')" -c 'SELECT cloudsat.start()' >/dev/null
cycle() { sql -c "SELECT cycle FROM cloudsat.polls WHERE server = 'totals'"; }
# anonymous_kb POLLS: private memory of the guard after that many more polls
anonymous_kb() {
    local until=$(($(cycle) + $1)) tries=0
    while (($(cycle) < until && tries++ < 3000)); do sleep 0.2; done
    awk '/^RssAnon/ { print $2 }' "/proc/$(sql -c "SELECT pid FROM cloudsat.worker_status WHERE kind = 'guard'")/status"
}
early=$(anonymous_kb 20)
late=$(anonymous_kb 60)
note 'private memory of the guard after 20 polls' "$early kB"
note 'private memory of the guard after 80 polls' "$late kB"
at_most 'memory of the guard / 64 MB' "$late" 65536 1
at_most 'memory of the guard after 80 polls / after 20' "$late" "$early" 1.05
sql -c 'SELECT cloudsat.stop()' >/dev/null
tell_notes
exit "$missed"
