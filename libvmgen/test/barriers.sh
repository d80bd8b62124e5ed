# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# vmgen_retry() stands between the stores before it and the stores behind it.  The
# function below stores to one variable on both sides, so that a compiler which may
# look through the check drops the first store, or moves it; read from the
# disassembly, the first store, the load of the live word and the second store must
# all be there, in this order.
set -eu
# shellcheck source=libvmgen/test/lib/disassembly.sh
. test/lib/disassembly.sh
# shellcheck source=libvmgen/test/lib/parts.sh
. test/lib/parts.sh

cat > "$scratch/check.c" << 'C'
#include <vmgen.h>
extern unsigned int state;
bool check(const vmgen_guard *g, vmgen_epoch e);
bool check(const vmgen_guard *g, vmgen_epoch e)
{
	bool again;

	if (!e)
		return true;
	state = 0x5ec4e7;
	again = vmgen_retry(g, e);
	state = 0x0b5e55;
	return again;
}
C

# Which of the three happen, in what order: "before load after" is right.
order() {
	objdump -d --no-show-raw-insn "$1" | awk '
	/\$0x5ec4e7/ { printf "before " }
	/0x80\(%r/ && !/lea/ { printf "load " }
	/\$0xb5e55/ { printf "after " }'
}

failed=0
for cc in gcc clang; do
	here $cc || continue
	for level in -O1 -O2 -O3 -Os; do
		$cc $level -std=c11 -Iinclude -c -o "$scratch/check.o" "$scratch/check.c"
		got=$(order "$scratch/check.o")
		echo "$cc $level: $got"
		[ "$got" = "before load after " ] || failed=1
	done
done
some_part gcc clang
[ $failed = 0 ] || echo "the order must be: before load after"
exit $failed
