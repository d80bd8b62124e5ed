# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# Until it finds a change, vmgen_changed() is at most seven instructions, and exactly
# three of them read memory: two loads and a compare with the record.  One is a branch,
# and the rest work on registers: no call, no fourth read, no store.  Read from the
# disassembly.  So are vmgen_begin() and vmgen_once_begin().
set -eu
# shellcheck source=libvmgen/test/lib/disassembly.sh
. test/lib/disassembly.sh
# shellcheck source=libvmgen/test/lib/parts.sh
. test/lib/parts.sh

cat > "$scratch/check.c" << 'C'
#include <vmgen.h>
bool check(vmgen_guard *g);
bool check(vmgen_guard *g) { return vmgen_changed(g); }
vmgen_epoch begin(vmgen_guard *g, int (*fn)(void *));
vmgen_epoch begin(vmgen_guard *g, int (*fn)(void *)) { return vmgen_begin(g, fn, 0); }
vmgen_epoch once(vmgen_once *o, int (*fn)(void *));
vmgen_epoch once(vmgen_once *o, int (*fn)(void *)) { return vmgen_once_begin(o, fn, 0); }
C

# instructions FILE [FUNCTION]: of it, or of check(), one a line, operands behind one space
instructions() {
	objdump -d --no-show-raw-insn "$1" |
	awk -v label="<${2:-check}>:" '$2 == label { on = 1; next } on && /^$/ { exit } on {
		sub(/^[^\t]*\t/, ""); sub(/ *#.*/, ""); gsub(/[ \t]+/, " "); print }'
}

# judge: reads instructions up to and with the first conditional branch, and sees to it
# that from there to the return nothing reads, writes, calls or branches any more
judge() {
	awk '
	/^(endbr64|nop)/ { next }
	branch && /^ret/ { returned = 1; exit }
	branch && /[(]|^(call|j)/ { print "behind the branch: " $0; bad = 1; exit 1 }
	branch { next }
	/^(call|push|pop|lock|xchg|mfence)/ { print "has " $0; bad = 1; exit 1 }
	/^mov [^,]*\(.*\),%/ { loads++; next }
	/^mov .*,[^,]*\([^,]*\)$/ { print "stores: " $0; bad = 1; exit 1 }
	/^(cmp|test)/ { compares++; inmemory += /\(/; next }
	/^j(ne|nz|e|z) / { branch = 1; next }
	/\(/ { print "touches memory: " $0; bad = 1; exit 1 }
	{ others++ }
	END {
		if (bad) exit 1
		all = loads + compares + branch + others
		printf "%d instructions, %d reads, %d compare, %d branch\n",
			all, loads + inmemory, compares, branch
		exit !(returned && all <= 7 && loads + inmemory == 3 &&
			compares == 1 && branch == 1)
	}'
}

failed=0
try() {
	name=$1; shift
	"$@" -O2 -std=c11 -Iinclude -c -o "$scratch/check.o" "$scratch/check.c"
	for function in check begin once; do
		instructions "$scratch/check.o" $function > "$scratch/check.s"
		[ -s "$scratch/check.s" ] || { echo "$name: nothing disassembled"; exit 1; }
		if verdict=$(judge < "$scratch/check.s"); then
			echo "$name, $function: $verdict"
		else
			echo "$name, $function: not so: $verdict"; cat "$scratch/check.s"; failed=1
		fi
	done
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
	instructions "$scratch/linked" | judge > /dev/null ||
		{ echo "$name: too much"; failed=1; return; }
	echo "$name: the same"
}
linked "linked statically" -static "$BUILD/libvmgen.a"
linked "linked to the shared library" -L"$BUILD" -lvmgen
linked "linked to the shared library, no PIE" -no-pie -fno-pic -L"$BUILD" -lvmgen
exit $failed
