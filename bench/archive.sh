#!/usr/bin/env bash
# archive: messages of 1 kB from a queue into PostgreSQL and back, against the same AMQP code without storing.
#
#   bench/archive.sh       connects by the environment (PGHOST, PGPORT, PGUSER), in a database of its own;
#                          CLOUDSAT_BROKER is the directory of a private node, CLOUDSAT_AMQP the program that fills it,
#                          CLOUDSAT_AMQP_ALONE the one that only takes and publishes
#
# The archive's rate is that of a guard, with fsync and a commit for each batch, from the first batch to the last. Replay's
# rate is that of cloudsat.replay() for its caller. Alternating rounds, medians. From the environment: MESSAGES (20000),
# ROUNDS (5).
# shellcheck source=bench/lib.sh
source "$(dirname "$0")/lib.sh"

messages=${MESSAGES:-20000}
rounds=${ROUNDS:-5}
db=cloudsat_bench_archive
trap 'dropdb --if-exists --force "$db" 2>/dev/null; rm -rf "$work"' EXIT
sql() { psql -XAtq -v ON_ERROR_STOP=1 -d "$db" "$@"; }

# shellcheck disable=SC1091 # written by test/tools/rabbitmq
source "$CLOUDSAT_BROKER/env"
url=amqp://127.0.0.1:$broker_amqp_port
amqp() { "$CLOUDSAT_AMQP" "$broker_amqp_port" admin "$broker_admin_password" / "$@" >/dev/null; }
alone() { "$CLOUDSAT_AMQP_ALONE" "$url" admin "$broker_admin_password" / "$@"; }

dropdb --if-exists --force "$db" 2>/dev/null
createdb "$db"
# a long poll interval, so that a pass takes 10 s without a poll in between
sql >/dev/null <<SQL
CREATE EXTENSION cloudsat;
CREATE SERVER bench FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:$broker_management_port',
    amqp_url '$url', poll_interval '10s', warn_size '0', archive_size '0', delete_size '1000000000', enforce 'on');
CREATE USER MAPPING FOR CURRENT_USER SERVER bench OPTIONS (user 'guardian', password '$broker_guardian_password');
SQL

# archived QUEUE: fills the queue, lets the guard archive it; messages per second
archived() {
    local queue=$1 tries=0
    amqp publish "$queue" "$messages" 1000
    while [[ $(sql -c "SELECT count(*) FROM cloudsat.archived_messages WHERE queue = '$queue'") != "$messages" ]]; do
        if ((tries++ > 600)); then die "the guard does not archive $queue"; fi
        # a change of its server makes it poll
        if ((tries % 5 == 1)); then sql -c "ALTER SERVER bench OPTIONS (SET timeout '$((30 + tries))s')" >/dev/null; fi
        sleep 0.2
    done
    # the first batch began before the clock did, so it does not count
    sql -c "SELECT (sum(n) - min(n) FILTER (WHERE at = first)) / extract(epoch FROM max(at) - min(at))
        FROM (SELECT archived_at AS at, count(*) AS n, min(archived_at) OVER () AS first
              FROM cloudsat.archived_messages WHERE queue = '$queue' GROUP BY archived_at) AS b"
}

# by_management QUEUE: the management API's get, a thousand messages at a time, on a quarter of the messages
by_management() {
    local queue=$1 began taken=0
    local count=$((messages / 4))
    alone publish "$queue" "$count" 1000 >/dev/null
    began=$(date +%s%N)
    while ((taken < count)); do
        curl -s -o /dev/null -u "admin:$broker_admin_password" -H 'content-type: application/json' \
            -d '{"count":1000,"ackmode":"ack_requeue_false","encoding":"base64"}' \
            "http://127.0.0.1:$broker_management_port/api/queues/%2F/$queue/get"
        taken=$((taken + 1000))
    done
    awk -v n="$count" -v ns="$(($(date +%s%N) - began))" 'BEGIN { print n / ns * 1e9 }'
}

# replayed QUEUE: replays the whole archive; messages per second
replayed() {
    psql -Xq -v ON_ERROR_STOP=1 -d "$db" -c '\timing on' -c '\o /dev/null' \
        -c "SELECT * FROM cloudsat.replay('bench', '/', '$1', $messages)" |
        awk -v n="$messages" '/^Time:/ { print n / $2 * 1000 }'
}

sql -c "ALTER SERVER bench OPTIONS (ADD timeout '30s')" -c 'SELECT cloudsat.start()' >/dev/null
echo "# RabbitMQ and PostgreSQL on loopback, $(nproc) cores, $messages messages of 1 kB, $rounds rounds in turn, medians"
for kind in classic quorum; do
    way=get window=100
    if [[ $kind == quorum ]]; then way=consume window=1000; fi
    for ((round = 0; round < rounds; round++)); do
        queue=$kind-$round
        amqp declare "$queue" durable "x-queue-type=$kind" , declare "$queue-alone" durable "x-queue-type=$kind" , \
            declare "$queue-rest" durable "x-queue-type=$kind"
        # the policy exempts the other two queues from archiving
        sql -c "INSERT INTO cloudsat.queue_policies (queue, exempt) VALUES ('^$queue-', true)"
        archived "$queue" >>"$work/archived.$kind"
        alone publish "$queue-alone" "$messages" 1000 >>"$work/published.$kind"
        alone take "$queue-alone" "$messages" "$way" "$window" >>"$work/taken.$kind"
        by_management "$queue-rest" >>"$work/management.$kind"
        sql -c "INSERT INTO cloudsat.queue_policies (queue, exempt) VALUES ('^$queue\$', true)"
        replayed "$queue" >>"$work/replayed.$kind"
        amqp delete "$queue" , delete "$queue-alone" , delete "$queue-rest"
    done
    for what in archived taken management replayed published; do note "$kind, $what" "$(median "$work/$what.$kind") /s"; done
    at_least "archive / the same without storing, $kind" "$(median "$work/archived.$kind")" "$(median "$work/taken.$kind")" 0.85
    at_least "archive / get of the management API, $kind" "$(median "$work/archived.$kind")" "$(median "$work/management.$kind")" 1
    at_least "replay / publishing alone, $kind" "$(median "$work/replayed.$kind")" "$(median "$work/published.$kind")" 0.8
done
sql -c 'SELECT cloudsat.stop()' >/dev/null
tell_notes
exit "$missed"
