# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# In vmgen_write(), the compare with the live word is followed by a branch, and that
# by the system call: whatever compiler, whatever level, whatever kind of code.  Read
# from the disassembly.
set -eu
# shellcheck source=libvmgen/test/lib/disassembly.sh
. test/lib/disassembly.sh
# shellcheck source=libvmgen/test/lib/parts.sh
. test/lib/parts.sh

# The system call and the two instructions before it, operands without addresses.
window() {
	objdump -d --no-show-raw-insn "$1" | awk '
	/^ *[0-9a-f]+:\t/ {
		sub(/^[^\t]*\t/, ""); sub(/[ \t]*#.*/, "")
		gsub(/0x[0-9a-f]+|%[a-z0-9]+/, ""); sub(/[0-9a-f]+ <.*/, "")
		gsub(/[ \t]+/, " ")
		if ($1 == "syscall") printf "%s;%s;%s\n", before2, before1, $1
		before2 = before1; before1 = $0
	}'
}

failed=0
for cc in gcc clang; do
	here $cc || continue
	for flags in -O0 -O1 -O2 -O3 -Os "-O2 -fPIC" "-O2 -fno-pic"; do
		# shellcheck disable=SC2086 # several flags
		$cc $flags -std=c11 -D_GNU_SOURCE -Iinclude -I"$UAPI" -c \
			-o "$scratch/write.o" src/write.c
		got=$(window "$scratch/write.o")
		echo "$cc $flags: $got"
		case $got in
		"cmp"*"("*");jne ;syscall") ;;
		*) failed=1 ;;
		esac
	done
done
some_part gcc clang
[ $failed = 0 ] || echo "must be one: a compare with memory; jne; syscall"
exit $failed
