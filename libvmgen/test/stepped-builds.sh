# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The stepped test of what is inline, for each compiler and optimisation level.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

[ -z "${WRAPPER:-}" ] || { echo "cannot be stepped under another program"; exit 77; }

for cc in gcc clang; do
	command -v $cc > /dev/null || continue
	for level in -O0 -O1 -O2 -O3 -Os; do
		echo "$cc $level"
		$cc $level -std=c11 -D_GNU_SOURCE -Iinclude -Itest -o "$scratch/stepped" \
			test/stepped.c "$BUILD/libvmgen.a"
		status=0
		"$scratch/stepped" inline || status=$?
		[ $status = 0 ] || exit $status
	done
done > "$scratch/log" || { status=$?; cat "$scratch/log"; exit $status; }
cat "$scratch/log"
