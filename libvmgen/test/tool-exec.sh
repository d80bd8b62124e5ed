# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh disable=SC2016 # what the commands expand
# `vmgen exec` runs its command for each change, with the new generation, one at a time,
# and tells of failures.
set -eu
# shellcheck source=libvmgen/tools/test/setup.sh
. tools/test/setup.sh
export scratch

# What it runs with.
status 0 vmgen exec --initial --count 1 -- sh -c \
	'echo "$VMGEN_GENERATION $VMGEN_INSTANCE_ID $VMGEN_CRNG_RESEEDED"; printf "%s\n" "$@"' \
	name '-x' 'a  b'
is_line 1 "$scratch/out" "1 $(vmgen status | sed -n 's/^instance id: *//p') 1"
is_line 2 "$scratch/out" -x
is_line 3 "$scratch/out" 'a  b'

# Failures: what failed, how, for which generation.
status 0 vmgen exec --initial --count 1 sh -c 'exit 7'
has "$err" 'generation 1: sh failed with status 7'
status 7 vmgen exec --initial --exit-on-error sh -c 'exit 7'
status 143 vmgen exec --initial -e -- sh -c 'kill -TERM $$'
has "$err" 'ended by signal 15'
status 127 vmgen exec --initial -e -- "$scratch/none"
has "$err" "cannot run $scratch/none"

# One at a time; changes while it runs lead to one more run, for the newest of them.
# Each run ends when the test says so.
: > "$scratch/log"
mkfifo "$scratch/go"
vmgen_start exec --initial --count 3 -- sh -c '
	mkdir "$scratch/running" || echo twice >> "$scratch/log"
	echo "$VMGEN_GENERATION" >> "$scratch/log"
	read -r word < "$scratch/go"
	rmdir "$scratch/running"
	exit "$word"' 2> "$scratch/errors"
pid=$!
until_true lines 1 "$scratch/log"
counter bump
counter bump
counter bump
echo 5 > "$scratch/go"
until_true lines 2 "$scratch/log"
is_line 2 "$scratch/log" 4
has "$(cat "$scratch/errors")" 'generation 1: .*status 5'
echo 0 > "$scratch/go"
counter bump
until_true lines 3 "$scratch/log"
is_line 3 "$scratch/log" 5
echo 0 > "$scratch/go"
wait $pid || die "exit status $?"
[ "$(wc -l < "$scratch/log")" = 3 ] || die "runs: $(cat "$scratch/log")"

# Whoever ends it ends the command, and it is the last to go.
vmgen_start exec --initial -- sh -c '
	trap "echo ended > \"$scratch/ended\"; exit 0" TERM
	echo > "$scratch/started"
	while :; do sleep 0.05; done'
pid=$!
until_true test -e "$scratch/started"
kill -TERM $pid
got=0
wait $pid || got=$?
[ "$got" = 143 ] || die "exit status $got after SIGTERM"
is_line 1 "$scratch/ended" ended
