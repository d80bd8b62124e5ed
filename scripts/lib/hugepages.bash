# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# Huge pages for compilers.  For one file of the kernel gcc touches some 20,000 fresh
# pages, and each is a page fault, which in a virtual machine is dear.  Where huge pages
# are for those who ask (madvise), gcc gets none, because it does not ask.

readonly HUGEPAGES_MODE=/sys/kernel/mm/transparent_hugepage/enabled

# From here on, whatever is started asks: malloc() by glibc's tunable, mmap() by a
# library that is preloaded.
hugepages_provide() {
	local library scratch source=$VMGEN_ROOT/scripts/lib/hugepages.c
	grep -qs '\[madvise\]' "$HUGEPAGES_MODE" || return 0
	library=$VMGEN_CACHE/tools/hugepages-$(store_key "$source").so
	if [[ ! -f $library ]]; then
		mkdir -p "$VMGEN_CACHE/tools"
		scratch=$(mktemp "$VMGEN_CACHE/tools/.tmp.XXXXXX")
		"${CC:-gcc}" -O2 -shared -fPIC -o "$scratch" "$source"
		mv -- "$scratch" "$library"
	fi
	export LD_PRELOAD=$library${LD_PRELOAD:+:$LD_PRELOAD}
	export GLIBC_TUNABLES=glibc.malloc.hugetlb=1${GLIBC_TUNABLES:+:$GLIBC_TUNABLES}
}
