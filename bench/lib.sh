# Functions for all measurements: medians, and ratios compared with a goal. Sourced by bench/*.sh.
# shellcheck shell=bash
set -euo pipefail

missed=0
work=$(mktemp -d)

# median FILE: of the numbers in it, one a line
median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

# at_least NAME OURS THEIRS GOAL: requires ours/theirs >= goal (for rates); at_most: <= goal (for times)
at_least() { hold "$1" "$2" "$3" "$4" '>='; }
at_most() { hold "$1" "$2" "$3" "$4" '<='; }
hold() {
    awk -v name="$1" -v ours="$2" -v theirs="$3" -v goal="$4" -v way="$5" 'BEGIN {
        r = ours / theirs; good = way == ">=" ? r >= goal : r <= goal
        printf "%-56s %6.2f  %s %-5s  %s\n", name, r, way, goal, good ? "ok" : "NOT ok"; exit !good }' || missed=1
}

# note WHAT FIGURE: an absolute figure, printed at the end
note() { printf '    %-52s %s\n' "$1" "$2" >>"$work/notes"; }
tell_notes() {
    echo
    cat "$work/notes"
}
