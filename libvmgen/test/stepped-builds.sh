# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The stepped test for each compiler and optimisation level: of what is inline and of
# vmgen_commit(), and where the linker optimises, of the library as a whole.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

[ -z "${WRAPPER:-}" ] || { echo "cannot be stepped under another program"; exit 77; }

# step NAME LIBRARY COMPILER-AND-FLAGS...: what it says is in the log of that name
step() {
	log=$scratch/$1.log program=$scratch/$1 library=$2
	shift 2
	echo "$*" > "$log"
	# shellcheck disable=SC2086 # several files
	"$@" -std=c11 -D_GNU_SOURCE -Iinclude -I"$UAPI" -Itest -o "$program" \
		test/stepped.c $library >> "$log" 2>&1 || return
	"$program" inline >> "$log" 2>&1
}

# can_lto CC: does it link what it has optimised?
can_lto() {
	echo 'int main(void) { return 0; }' > "$scratch/$1-try.c"
	"$1" -O2 -flto -o "$scratch/$1-try" "$scratch/$1-try.c" 2> "$scratch/$1-try.log"
}

# Fails at the first that does.
each_level() {
	cc=$1
	for level in -O0 -O1 -O2 -O3 -Os; do
		step "$cc$level" "src/slot.c $BUILD/libvmgen.a" "$cc" $level || return
	done
	if can_lto "$cc"; then
		step "$cc-flto" "$(echo src/*.c)" "$cc" -O2 -flto
	else
		echo "$cc -flto not tried: $(head -n 1 "$scratch/$cc-try.log")" > "$scratch/$cc-flto.log"
	fi
}

# One compiler's beside the other's.
for cc in gcc clang; do
	! command -v $cc > /dev/null || { each_level "$cc" || echo "$cc" > "$scratch/failed"; } &
done
wait

cat "$scratch"/*.log
[ ! -e "$scratch/failed" ]
