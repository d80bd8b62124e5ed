# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh disable=SC2154
# The example of a loop with io_uring is told each change once, that the counter has
# gone, and that it is back.
set -eu
# shellcheck source=libvmgen/tools/test/setup.sh
. ../tools/test/setup.sh

$CC -D_GNU_SOURCE -I. -I../include -o "$scratch/loop" examples/uring-loop.c \
	-L"$BUILD/uring" -lvmgen-uring -L"$BUILD" -lvmgen -luring
LD_LIBRARY_PATH=$BUILD:$BUILD/uring LD_PRELOAD=$BUILD/tools/test/preload.so \
	"$scratch/loop" > "$scratch/said" 2> "$scratch/err" &
pid=$!
until lines 1 "$scratch/said"; do
	[ ! -s "$scratch/err" ] || { cat "$scratch/err"; exit 77; }
	sleep 0.05
done
is_line 1 "$scratch/said" watching
counter bump
until_true lines 2 "$scratch/said"
counter fault "$REMOVE"
until_true lines 3 "$scratch/said"
counter fault "$RESTORE"
until_true lines 4 "$scratch/said"
counter bump
until_true lines 5 "$scratch/said"
kill -TERM $pid
wait $pid || die "ended with $?"
is_line 2 "$scratch/said" 'generation 2'
is_line 3 "$scratch/said" 'the counter has gone'
is_line 4 "$scratch/said" 'generation 2'
is_line 5 "$scratch/said" 'generation 3'
[ "$(wc -l < "$scratch/said")" = 5 ] || die "more than that: $(cat "$scratch/said")"
