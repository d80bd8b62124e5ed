# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# `vmgen wait` returns after a change, when the time is up, or when nobody would tell.
set -eu
# shellcheck source=libvmgen/tools/test/setup.sh
. tools/test/setup.sh

status 124 vmgen wait --timeout 0
[ -z "$out$err" ] || die "printed without a change: $out$err"
status 124 vmgen wait --timeout 0.01 --generation 1

# What has changed already is not waited for, not even where there is no time to wait.
counter bump
status 0 vmgen wait --timeout 0 --generation 1
[ "$out" = 2 ] || die "printed '$out', not the generation"
status 0 vmgen wait --timeout 0 --generation 1 --json
has "$out" '^{"status":"ACTIVE",.*"generation":"2",.*}$'

# It is told of a change that comes while it waits: go on until it was one.
vmgen_start wait > "$scratch/waited"
pid=$!
while kill -0 $pid 2> /dev/null; do
	counter bump
	sleep 0.05
done
wait $pid || die "wait: exit status $?"
[ "$(cat "$scratch/waited")" -gt 2 ] || die "waited for $(cat "$scratch/waited")"

for fault in "$REMOVE 4" "$DENY 5" "$GARBAGE 6"; do
	counter fault "${fault% *}"
	status "${fault#* }" vmgen wait
	has "$err" 'vmgen doctor'
	counter fault "$RESTORE"
done
