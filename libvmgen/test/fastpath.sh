# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# Until it finds a change, vmgen_changed() is two loads, a compare (with the record
# in memory) and a branch, and what lies between is at most three operations on
# registers: no call, no third load, no store.  Read from the disassembly.
set -eu
# shellcheck source=libvmgen/test/lib/disassembly.sh
. test/lib/disassembly.sh
# shellcheck source=libvmgen/test/lib/parts.sh
. test/lib/parts.sh

cat > "$scratch/check.c" << 'C'
#include <vmgen.h>
bool check(vmgen_guard *g);
bool check(vmgen_guard *g) { return vmgen_changed(g); }
C

# instructions FILE: of the function check(), one a line, operands behind one space
instructions() {
	objdump -d --no-show-raw-insn "$1" |
	awk '/<check>:$/ { on = 1; next } on && /^$/ { exit } on {
		sub(/^[^\t]*\t/, ""); sub(/ *#.*/, ""); gsub(/[ \t]+/, " "); print }'
}

# judge: reads instructions up to and with the first conditional branch
judge() {
	awk '
	/^(endbr64|nop)/ { next }
	/^(call|push|pop|lock|xchg|mfence)/ { print "has " $0; bad = 1; exit 1 }
	/^mov [^,]*\(.*\),%/ { loads++; next }
	/^mov .*,[^,]*\([^,]*\)$/ { print "stores: " $0; bad = 1; exit 1 }
	/^(cmp|test)/ { compares++; next }
	/^j(ne|nz|e|z) / { branch = 1; exit }
	/\(/ { print "touches memory: " $0; bad = 1; exit 1 }
	{ others++ }
	END {
		if (bad) exit 1
		printf "%d loads, %d compare, %d branch, %d on registers\n",
			loads, compares, branch, others
		exit !(loads <= 2 && compares == 1 && branch == 1 && others <= 3)
	}'
}

failed=0
try() {
	name=$1; shift
	"$@" -O2 -std=c11 -Iinclude -c -o "$scratch/check.o" "$scratch/check.c"
	instructions "$scratch/check.o" > "$scratch/check.s"
	[ -s "$scratch/check.s" ] || { echo "$name: nothing disassembled"; exit 1; }
	if verdict=$(judge < "$scratch/check.s"); then
		echo "$name: $verdict"
	else
		echo "$name: too much: $verdict"; cat "$scratch/check.s"; failed=1
	fi
}

for cc in gcc clang; do
	here $cc || continue
	try "$cc" $cc -fno-pic
	try "$cc -fPIC" $cc -fPIC
	try "$cc -fPIE" $cc -fPIE
	try "$cc -O3" $cc -fPIE -O3
done

# And linked, where a shared library or its absence could get in between.
cat > "$scratch/main.c" << 'C'
#include <vmgen.h>
bool check(vmgen_guard *g);
int main(void) { vmgen_guard g = VMGEN_GUARD_INIT; return !check(&g); }
C
linked() {
	name=$1; shift
	$CC -O2 -std=c11 -Iinclude -o "$scratch/linked" "$scratch/check.c" "$scratch/main.c" "$@"
	LD_LIBRARY_PATH=$BUILD "$scratch/linked"
	instructions "$scratch/linked" | judge > /dev/null || { echo "$name: too much"; failed=1; }
	echo "$name: the same"
}
linked "linked statically" -static "$BUILD/libvmgen.a"
linked "linked to the shared library" -L"$BUILD" -lvmgen
linked "linked to the shared library, no PIE" -no-pie -fno-pic -L"$BUILD" -lvmgen
exit $failed
