# Functions for measurements with a fake broker: starting it, changing it, and a session that polls it. Source it after
# bench/lib.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154 # work and db are the script's

# start_fake: starts test/fake_broker.py, which ends with its standard input, and so with this process
start_fake() {
    local words word
    mkfifo "$work/hold"
    exec {hold}<>"$work/hold"
    python3 "$(dirname "${BASH_SOURCE[0]}")/../test/fake_broker.py" <"$work/hold" >"$work/fake" {hold}<&- &
    until [[ -s $work/fake ]]; do sleep 0.1; done
    read -r -a words <"$work/fake"
    for word in "${words[@]}"; do
        case $word in
        port=*) fake_url=http://127.0.0.1:${word#*=} ;;
        control=*) fake_control=http://127.0.0.1:${word#*=} ;;
        esac
    done
}
# tell PATH JSON: changes the broker's state
tell() { curl -sf --max-time 60 -o /dev/null -d "$2" "$fake_control/$1"; }
# render KIND: makes the broker prepare the documents of a cycle, so that the next poll does not wait for them
render() {
    local query='disable_stats=true&enable_queue_totals=true&columns=name,type,durable,exclusive,auto_delete,state,messages,'
    query+='messages_ready,messages_unacknowledged'
    if [[ $1 == metrics ]]; then
        curl -s -o /dev/null "$fake_url/metrics/detailed?family=queue_coarse_metrics"
    else
        curl -s -o /dev/null "$fake_url/api/queues/%2F?$query"
    fi
}

# start_session: psql, as one process polls; ask SQL: the rows of a statement there
start_session() {
    coproc session { exec psql -XAtq -F ' ' -v ON_ERROR_STOP=1 -d "$db" 2>&1; }
    # shellcheck disable=SC2034 # for the script
    session_pid=$(ask 'SELECT pg_backend_pid()')
    ask 'SET synchronous_commit = off' # as a guard does if nothing has changed
}
ask() {
    local line
    printf '%s;\n\\echo -- end\n' "$1" >&"${session[1]}"
    while read -r line <&"${session[0]}"; do
        case $line in
        '-- end') return ;;
        ERROR:* | WARNING:*) die "$line" ;;
        *) echo "$line" ;;
        esac
    done
    die "the session ended: $1"
}

private_kb() { awk '/^RssAnon/ { print $2 }' "/proc/$1/status"; }
# watch_peak PID FILE: repeatedly writes the peak private memory of a process, in kB, to a file
watch_peak() {
    exec perl -MTime::HiRes=sleep -e 'my ($pid, $file, $peak) = (@ARGV, 0);
        while (open my $in, "<", "/proc/$pid/status") {
            my ($now) = join("", <$in>) =~ /^RssAnon:\s+(\d+)/m;
            if ($now && $now > $peak) { $peak = $now; open my $out, ">", $file or die; print $out $peak; close $out }
            sleep 0.005;
        }' "$1" "$2"
}
