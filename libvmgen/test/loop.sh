# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh disable=SC2154
# The example of an event loop is told each change once, that the counter has gone, and
# that it is back.
set -eu
# shellcheck source=libvmgen/tools/test/setup.sh
. tools/test/setup.sh

$CC -D_GNU_SOURCE -Iinclude -o "$scratch/loop" examples/epoll-loop.c -L"$BUILD" -lvmgen
LD_LIBRARY_PATH=$BUILD LD_PRELOAD=$BUILD/tools/test/preload.so "$scratch/loop" > "$scratch/said" &
pid=$!
until_true lines 1 "$scratch/said"
is_line 1 "$scratch/said" watching
counter bump
until_true lines 3 "$scratch/said"
counter fault "$REMOVE"
until_true lines 4 "$scratch/said"
counter fault "$RESTORE"
until_true lines 6 "$scratch/said"
counter bump
until_true lines 8 "$scratch/said"
kill -TERM $pid
wait $pid || die "ended with $?"
is_line 2 "$scratch/said" 'dropped the cache'
is_line 3 "$scratch/said" 'generation 2'
is_line 4 "$scratch/said" 'the counter has gone'
is_line 5 "$scratch/said" 'dropped the cache'
is_line 6 "$scratch/said" 'generation 2'
is_line 8 "$scratch/said" 'generation 3'
[ "$(wc -l < "$scratch/said")" = 8 ] || die "more than that: $(cat "$scratch/said")"
