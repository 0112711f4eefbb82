#!/usr/bin/env bash
# week: a week of polling, in minutes: checks that tables, dead rows and memory stay within bounds.
#
#   bench/week.sh          starts a cluster of its own, with autovacuum and a movable clock
#
# Polls a fake broker with QUEUES (2000) queues STEPS (2016) times, five minutes apart by the server's clock
# (bench/shifted_clock.cpp). At each step twenty queues appear and twenty vanish, a tenth change their size, and one grows
# above its limit, while the previous one shrinks again. Once an hour maintain() and cleanup() run as in the launcher,
# with a retention of a day for history and board. Sizes at the end are compared with those after three days.
# shellcheck source=bench/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=test/tools/lib.sh
source "$(dirname "$0")/../test/tools/lib.sh"
# shellcheck source=bench/fake.sh
source "$(dirname "$0")/fake.sh"

queues=${QUEUES:-2000}
steps=${STEPS:-2016}
step=300 # seconds
db=postgres
place=$(make_private_dir cloudsat-week)
trap '"$repo/test/tools/postgres" stop "$place/postgres"; rm -rf "$work" "$place"' EXIT

c++ -std=c++20 -O2 -shared -fPIC -o "$place/shifted_clock.so" "$repo/bench/shifted_clock.cpp"
# shift SECONDS: as a little-endian 64-bit integer, in place, since it is mapped into every process
shift_clock() { perl -e 'open my $f, "+<", $ARGV[0] or die; print $f pack("q<", $ARGV[1])' "$place/clock" "$1"; }
head -c 8 /dev/zero >"$place/clock"
chmod 644 "$place/clock"
mkdir "$place/postgres"
if [[ $EUID -eq 0 ]]; then chown -R "$server_user:" "$place"; fi
bindir=$(dirname "$(command -v postgres)")
LD_PRELOAD=$place/shifted_clock.so SHIFTED_CLOCK=$place/clock "$repo/test/tools/postgres" start "$place/postgres" "$bindir" \
    fsync=off jit=off autovacuum_naptime=1s log_autovacuum_min_duration=-1 cloudsat.history_retention=1d cloudsat.retention=1d
# shellcheck disable=SC1091 # written by test/tools/postgres
source "$place/postgres/env"

start_fake
prefix=queue/u42@example.com/tasks
tell queues "{\"count\": $queues, \"prefix\": \"$prefix\"}"
psql -Xq -v ON_ERROR_STOP=1 -d "$db" <<SQL
CREATE EXTENSION cloudsat;
CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url '$fake_url');
CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password 'secret');
SQL
start_session

tables='queues queue_history queue_events polls messages outbox'
# figures: kB of each table with its partitions and indexes, then dead rows of queues, private memory, memory of contexts
figures() {
    local table
    for table in $tables; do
        ask "SELECT (sum(pg_total_relation_size(t.relid)) / 1024)::int8
             FROM (SELECT relid FROM pg_partition_tree('cloudsat.$table') UNION SELECT 'cloudsat.$table'::regclass) AS t"
    done
    ask "SELECT n_dead_tup FROM pg_stat_all_tables WHERE relid = 'cloudsat.queues'::regclass"
    private_kb "$session_pid"
    ask "SELECT sum(used_bytes)::int8 / 1024 FROM pg_backend_memory_contexts"
}
print_figures() { printf '%14s' "$@" && echo; }

echo "# $steps polls, $step s apart, of $queues queues"
# shellcheck disable=SC2086 # names are words
print_figures day $tables dead private contexts
dead_most=0
early=()
began=$SECONDS
for ((i = 0; i < steps; i++)); do
    shift_clock $((i * step))
    tell queues "{\"count\": 20, \"prefix\": \"come-and-go-$i\"}"
    if ((i > 0)); then tell unqueues "{\"count\": 20, \"prefix\": \"come-and-go-$((i - 1))\"}"; fi
    tell sizes "{\"count\": $((queues / 10)), \"begin\": $((i % 10 * (queues / 10))), \"prefix\": \"$prefix\", \"messages\": $((i % 1000))}"
    tell sizes "{\"count\": 1, \"begin\": $((i / 3 % queues)), \"prefix\": \"$prefix\", \"messages\": $((i % 3 == 2 ? 0 : 3000))}"
    ask "SELECT FROM cloudsat.poll('pulse')" >/dev/null
    if ((i % 12 == 11)); then
        ask 'SELECT FROM cloudsat.maintain()' >/dev/null
        ask "SELECT FROM cloudsat.cleanup('1 day')" >/dev/null
    fi
    dead=$(ask "SELECT n_dead_tup FROM pg_stat_all_tables WHERE relid = 'cloudsat.queues'::regclass")
    if ((dead > dead_most)); then dead_most=$dead; fi
    if (((i + 1) % 288 == 0)); then
        mapfile -t late < <(figures)
        print_figures $(((i + 1) / 288)) "${late[@]}"
        if (((i + 1) / 288 == 3)); then early=("${late[@]}"); fi
    fi
done
if ((${#early[@]} == 0)); then die "three days are $((288 * 3)) steps"; fi
note 'time for all of it' "$((SECONDS - began)) s"
n=0
for table in $tables; do
    at_most "size of $table, at the end / after three days" "${late[n]}" "${early[n]}" 1.2
    n=$((n + 1))
done
at_most 'dead rows of queues, at the most / rows' "$dead_most" "$(ask 'SELECT count(*) FROM cloudsat.queues')" 1
at_most 'private memory, at the end / after three days' "${late[7]}" "${early[7]}" 1.05
at_most 'memory contexts, at the end / after three days' "${late[8]}" "${early[8]}" 1.05
hot=$(ask "SELECT 100 * n_tup_hot_upd / n_tup_upd FROM pg_stat_all_tables WHERE relid = 'cloudsat.queues'::regclass")
at_least 'updates of queues that stay in their page, % / 100' "$hot" 100 0.9
note 'polls, rows that are known, history, events' \
    "$(ask "SELECT (SELECT cycle FROM cloudsat.polls), (SELECT count(*) FROM cloudsat.queues), (SELECT count(*) FROM cloudsat.queue_history), (SELECT count(*) FROM cloudsat.queue_events)")"
tell_notes
exit "$missed"
