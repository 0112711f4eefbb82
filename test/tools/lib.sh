# What the tools in this directory share; each of them sources this file. It names the user that servers run as, finds
# the server to build for, free ports and finished waits, and ends processes by their id. It starts nothing by itself.
# shellcheck shell=bash
set -euo pipefail
shopt -s inherit_errexit

# Whatever the caller's locale and umask: servers are made in UTF-8 and speak English, as the tests expect, no program
# complains about a locale that this machine does not have, and the server's user can read what root makes for it.
unset "${!LC_@}" LANGUAGE
export LANG=C.UTF-8
umask 022

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# PostgreSQL refuses to run as root; its Debian package brings the user to run as.
server_user=$(if [[ $EUID -eq 0 ]]; then echo postgres; else id -un; fi)

# What to put before a command to run it as the server's user. An array, not a function, so that a command in the
# background is the process that $! names.
as_server=()
if [[ $EUID -eq 0 ]]; then
    as_server=(setpriv --reuid="$server_user" --regid="$server_user" --init-groups --
        env HOME=/ USER="$server_user" LOGNAME="$server_user")
fi

# Makes a new directory that only the server's user (and root) can enter. The name is short, because a socket's
# whole path must fit into 107 bytes.
make_private_dir() {
    local dir
    dir=$(mktemp -d "/tmp/${1:-cloudsat}.XXXXXX")
    chmod 700 "$dir"
    if [[ $EUID -eq 0 ]]; then chown "$server_user:" "$dir"; fi
    echo "$dir"
}

# The pg_config to build for: the caller's choice, else the newest supported server with headers installed.
find_pg_config() {
    if [[ -n ${PG_CONFIG:-} ]]; then
        command -v "$PG_CONFIG" || die "PG_CONFIG=$PG_CONFIG is not there"
        return
    fi
    local found
    found=$(find /usr/lib/postgresql/1[5-8]/bin/pg_config 2>/dev/null | sort -V | tail -n 1)
    if [[ -n $found ]]; then echo "$found"; else command -v pg_config || die "no pg_config: run test/tools/deps"; fi
}

# Prints N free ports on 127.0.0.1, below the range from which the kernel gives ports to outgoing connections.
free_ports() {
    perl -MIO::Socket::INET -e '
        my ($count, @held) = shift;
        for (my $tries = 0; @held < $count; $tries++) {
            die "no free port on 127.0.0.1\n" if $tries > 1000;
            my $socket = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 10240 + int rand 20000,
                                               Proto => "tcp", Listen => 1);
            push @held, $socket if $socket;
        }
        print $_->sockport, "\n" for @held;' "$1"
}

# wait_until SECONDS COMMAND...: asks ten times a second until the command succeeds; fails when the time is over.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        if ((SECONDS >= end)); then return 1; fi
        sleep 0.1
    done
}

# A process is remembered by id and start time, so that a later process with the same id is never taken for it.
# state_and_start PID: one letter for its state (Z: ended, not yet collected by its parent) and its start time
state_and_start() { { sed -E 's/.*\) //' "/proc/$1/stat" | cut -d' ' -f1,20; } 2>/dev/null; }
remember() {
    local start
    read -r _ start < <(state_and_start "$2") || return 0
    echo "$2 $start" >"$1"
}
alive() {
    local pid started state start
    { read -r pid started <"$1"; } 2>/dev/null || return 1
    read -r state start < <(state_and_start "$pid") || return 1
    [[ $state != Z && $start == "$started" ]]
}
gone() { ! alive "$1"; }

# end_process PIDFILE SIGNAL SECONDS: signals the remembered process, and kills it when it has not gone by then.
end_process() {
    if alive "$1"; then
        local pid
        read -r pid _ <"$1"
        kill "-$2" "$pid" 2>/dev/null || true
        if ! wait_until "$3" gone "$1"; then
            kill -KILL "$pid" 2>/dev/null || true
            wait_until 5 gone "$1" || die "process $pid does not end"
        fi
    fi
    rm -f "$1"
}

# http_status PORT PATH USER PASSWORD: the status of a GET on 127.0.0.1, nothing when there is no answer.
http_status() {
    local credentials
    credentials=$(printf '%s:%s' "$3" "$4" | base64 -w 0)
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf 'GET %s HTTP/1.0\r\nHost: localhost\r\nAuthorization: Basic %s\r\n\r\n' "$2" "$credentials" >&3
        timeout 5 head -n 1 <&3 | cut -d' ' -f2
    ) 2>/dev/null
}
