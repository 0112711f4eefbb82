#!/usr/bin/env bash
# A bot in shell: answers the messages "load" and "disk" with this machine's load and disk usage.
#
#   host.sh app@i-42.web.example.com       runs until interrupted
#
# One psql is its session on the board. The shell never evaluates the text of a message: the database compares it with the
# two words. The answers to a batch and the bookmark after it are one transaction, so each message is answered once, even
# if this bot dies and is restarted.
# libpq's environment (PGHOST, PGDATABASE, PGUSER, ...) selects the database. An administrator creates the bot's login once,
# and enlists it for the address:
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
    ask "CALL cloudsat.wait('30 s');" >/dev/null # a statement of its own, so that the session holds no snapshot while it waits
    messages=$(ask "SELECT uuid, lower(btrim(message)) FROM cloudsat.receive()
                    WHERE before IS NULL AND lower(btrim(message)) IN ('load', 'disk');")
    ask 'BEGIN;'
    while IFS='|' read -r uuid word; do
        case $word in
        load) uptime ;;
        disk) df -h / ;;
        *) continue ;; # an empty line, or a notification, which psql prints among the rows
        esac >"$answer"
        ask "\\set text \`cat :'answer'\`
             SELECT cloudsat.reply('$uuid', 'end', :'text');" >/dev/null
    done <<<"$messages"
    ask 'SELECT cloudsat.bookmark(); COMMIT;' >/dev/null
done
