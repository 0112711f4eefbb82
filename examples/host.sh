#!/usr/bin/env bash
# A bot in shell: answers messages that say "load" or "disk" with what this machine has to say about it.
#
#   host.sh app@i-42.web.example.com       until it is interrupted
#
# One psql is its session on the board. No text of a message comes near the shell: the database looks for the two words.
# The answers to a batch and the bookmark after it are one transaction: whenever this bot dies and is started again, each
# message is answered once.
# The database is that of libpq's environment (PGHOST, PGDATABASE, PGUSER, ...). An administrator makes the role that this
# bot logs in as, once, and enlists it for the address:
#     CREATE ROLE host LOGIN;
#     SELECT cloudsat.enlist('host', 'server', 'web.example.com');
set -euo pipefail

address=${1:?usage: host.sh ADDRESS}
answer=$(mktemp)
# shellcheck disable=SC2154 # coproc assigns board_PID
trap 'rm -f "$answer"; kill "${board_PID:-}" 2>/dev/null' EXIT

coproc board { exec psql -X -q -A -t -v ON_ERROR_STOP=1 -v address="$address" -v answer="$answer"; }

# ask STATEMENT: prints the rows of its result
ask() {
    printf '%s\n\\echo .\n' "$1" >&"${board[1]}"
    local row
    while read -r row <&"${board[0]}"; do
        if [[ $row == . ]]; then return; fi
        printf '%s\n' "$row"
    done
    echo 'host.sh: the session has ended' >&2
    exit 1
}

ask "SELECT cloudsat.register(ARRAY[:'address']::cloudsat.address[]);" >/dev/null
while true; do
    ask "CALL cloudsat.wait('30 s');" >/dev/null # by itself, so that the session holds no snapshot while it waits
    messages=$(ask "SELECT uuid, lower(btrim(message)) FROM cloudsat.receive()
                    WHERE before IS NULL AND lower(btrim(message)) IN ('load', 'disk');")
    ask 'BEGIN;'
    while IFS='|' read -r uuid word; do
        case $word in
        load) uptime ;;
        disk) df -h / ;;
        *) continue ;; # nothing, or a notification, which psql prints among the rows
        esac >"$answer"
        ask "\\set text \`cat :'answer'\`
             SELECT cloudsat.reply('$uuid', 'end', :'text');" >/dev/null
    done <<<"$messages"
    ask 'SELECT cloudsat.bookmark(); COMMIT;' >/dev/null
done
