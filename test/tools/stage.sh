# The stage: a private directory in which a run keeps all that it makes, and how the run ends whatever happens. Sourced
# by test/run, bench/run and demo/run, after lib.sh. Nothing outside of the stage and build/ is written.
# shellcheck shell=bash

tools=$repo/test/tools
stage=${stage:-$(make_private_dir cloudsat)}
job= # a process group in which something runs just now

end_stage() {
    local status=$? place process # of whatever ended the run
    trap '' INT TERM HUP
    trap - EXIT
    set +e # whatever fails here, the rest is still ended
    if [[ -n $job ]]; then kill -TERM -- "-$job" 2>/dev/null && wait "$job" 2>/dev/null; fi
    if [[ -d $stage/postgres ]]; then "$tools/postgres" stop "$stage/postgres"; fi
    # a test that was interrupted may have left servers of its own; all that they run and write is in the stage
    find "$stage" -name node.pid -printf '%h\n' | while read -r place; do "$tools/rabbitmq" kill "$place"; done
    find /proc -maxdepth 2 \( -name exe -o -name cwd \) -lname "$stage/*" 2>/dev/null | cut -d/ -f3 | sort -u |
        while read -r process; do kill -QUIT "$process" 2>/dev/null; done
    rm -rf "$stage"
    exit "$status"
}
trap end_stage EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# in_group COMMAND...: runs a command in a process group of its own, so that an interrupt ends all of it at once. The
# command's status is left in job_status. It is not in_group's own, because then callers would have to ask for it with
# an `if`, and bash switches `set -e` off for all that runs below an `if`.
in_group() {
    job_status=0
    set -m
    (
        trap - EXIT
        set -e
        "$@"
    ) </dev/null &
    job=$!
    set +m
    wait "$job" || job_status=$?
    job=
}

# once NAME COMMAND...: several need it, the first one makes it
once() {
    local name=$1
    shift
    if [[ ! -e $stage/made-$name ]]; then
        "$@"
        touch "$stage/made-$name"
    fi
}

# a directory that the server's user may write to
shared_dir() {
    mkdir -p "$1"
    if [[ $EUID -eq 0 ]]; then chown "$server_user:" "$1"; fi
}

bindir=$stage/tree$("$PG_CONFIG" --bindir)
build_tree() { "$tools/tree" "$stage/tree"; }
build_tree_for_tests() { "$tools/tree" "$stage/tree" tests; }

# build_with_cmake DIRECTORY TARGET OPTION...
build_with_cmake() {
    # a checkout that was moved or copied brings a cache that knows only its old place
    if ! grep -qsx "CMAKE_HOME_DIRECTORY:INTERNAL=$repo" "$1/CMakeCache.txt"; then rm -rf "$1"; fi
    cmake -S "$repo" -B "$1" -DPG_CONFIG="$PG_CONFIG" -DWERROR="${WERROR:-OFF}" "${@:3}"
    cmake --build "$1" --target "$2" -j "$(nproc)"
}
# -g1 is enough for a backtrace. Optimizing what the sanitizers add would take the compiler three times as long
normal=(-DSANITIZE=OFF -DCMAKE_CXX_FLAGS_RELWITHDEBINFO='-O2 -g1')
sanitized=(-DSANITIZE=ON -DCMAKE_CXX_FLAGS_RELWITHDEBINFO='-O0 -g1')
build_amqp() { build_with_cmake "$repo/build/normal" amqp "${normal[@]}"; }

# start_postgres NAME=VALUE...: the private cluster, with these settings; use_postgres makes it the one to connect to
start_postgres() {
    shared_dir "$stage/postgres"
    "$tools/postgres" start "$stage/postgres" "$bindir" "$@"
}
use_postgres() {
    # shellcheck disable=SC1091 # written by test/tools/postgres
    source "$stage/postgres/env"
}

start_broker() {
    shared_dir "$stage/broker"
    "$tools/rabbitmq" start "$stage/broker"
}
use_broker() {
    # shellcheck disable=SC1091 # written by test/tools/rabbitmq
    source "$stage/broker/env"
}
