# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The stepped test, with the library as a whole, as a compiler makes them at some level.
# Every so many points of long ways are tried, all with STEP_ALL=1.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

skip() {
	echo "$1"
	exit 77
}

[ -z "${WRAPPER:-}" ] || skip "cannot be stepped under another program"

need_compiler() {
	command -v "$1" > /dev/null || skip "no $1 here"
}

# need_lto CC: does it link what it has optimised?
need_lto() {
	echo 'int main(void) { return 0; }' > "$scratch/try.c"
	"$1" -O2 -flto -static -o "$scratch/try" "$scratch/try.c" 2> "$scratch/try.log" ||
		skip "$1 -flto does not work here: $(head -n 1 "$scratch/try.log")"
}

# step COMPILER LEVEL [FLAG]
step() {
	program=$scratch/stepped$2
	echo "$*" &&
		"$@" -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Iinclude -I"$UAPI" -Itest \
			-static -o "$program" test/stepped.c src/*.c &&
		"$program"
}

# step_levels COMPILER: one beside the other
step_levels() {
	for level in -O0 -O1 -O2 -O3 -Os; do
		{ step "$1" $level > "$scratch/log$level" 2>&1 || echo $? > "$scratch/failed"; } &
	done
	wait
	cat "$scratch"/log*
	[ ! -e "$scratch/failed" ] || exit "$(cat "$scratch/failed")"
}
