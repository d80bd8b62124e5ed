# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The public headers compile alone, twice, as C99, C11 and C++, without a warning.
set -eu
# shellcheck source=libvmgen/test/lib/parts.sh
. test/lib/parts.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

use() {
	cat << 'C'
static vmgen_guard guard = VMGEN_GUARD_INIT;
static int reseed(void *ctx) { (void)ctx; return 0; }
int main(void)
{
	static vmgen_once once = VMGEN_ONCE_INIT;
	vmgen_once other;
	static vmgen_slot slot = VMGEN_SLOT_INIT;
	vmgen_guard local;
	vmgen_epoch e;
	vmgen_once_init(&other);
	e = vmgen_once_begin(&other, reseed, 0);
	if (vmgen_once_retry(&once, e))
		return 1;
	vmgen_guard_init(&local);
	e = vmgen_begin(&local, reseed, 0);
	if (vmgen_commit(&local, e, &slot, 1) == 0)
		return vmgen_take(&local, e, &slot, &slot.value);
	return vmgen_changed(&guard) && vmgen_retry(&local, e);
}
C
}

# can_cxx COMPILER: a clang++ without a C++ library compiles nothing
can_cxx() {
	here "$1" || return
	echo 'int main() {}' > "$scratch/empty.cc"
	"$1" -c -o "$scratch/x.o" "$scratch/empty.cc" 2> "$scratch/log" ||
		{ skip_part "$1" "$1 compiles no C++ here: $(head -n 1 "$scratch/log")"; return 1; }
}

c='' cxx=''
for tool in gcc clang; do ! here $tool || c="$c $tool"; done
for tool in g++ clang++; do ! can_cxx $tool || cxx="$cxx $tool"; done
some_part gcc clang g++ clang++

for header in include/*.h; do
	name=${header#include/}
	{ echo "#include <$name>"; echo "#include <$name>"; use; } > "$scratch/x.c"
	cp "$scratch/x.c" "$scratch/x.cc"
	for cc in $c; do
		for std in c99 c11 gnu17; do
			$cc -std=$std -Wall -Wextra -pedantic -Wshadow -Wcast-qual -Werror \
				-Iinclude -c -o "$scratch/x.o" "$scratch/x.c"
		done
	done
	for cc in $cxx; do
		for std in c++98 c++11 c++17; do
			$cc -std=$std -Wall -Wextra -pedantic -Wno-long-long -Werror \
				-Iinclude -c -o "$scratch/x.o" "$scratch/x.cc"
		done
	done
done
