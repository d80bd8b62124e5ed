#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# scripts/lib/hugepages.bash: what it does to the memory of what is started after it.

load helpers

setup() {
	grep -qs '\[madvise\]' /sys/kernel/mm/transparent_hugepage/enabled ||
		skip "huge pages are not for those who ask here"
	make_copy
}

teardown() {
	[[ -z ${COPY:-} ]] || drop_copy
}

# with_hugepages COMMAND...
with_hugepages() {
	bash -euc '. "$1/scripts/lib/common.bash"
		. "$1/scripts/lib/store.bash"
		. "$1/scripts/lib/hugepages.bash"
		shift
		hugepages_provide
		"$@"' - "$COPY" "$@"
}

# Which memory of a program that is started so asks for huge pages ("hg" is the flag of a
# mapping that does): what it mapped, or what malloc() has.
asking() {
	"$@" /usr/bin/python3 -c '
import ctypes, mmap, re
mapping = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
mine = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
for line in open("/proc/self/smaps"):
    area = re.match("([0-9a-f]+)-([0-9a-f]+) .*", line)
    if area:
        first, end = int(area[1], 16), int(area[2], 16)
        name = "mmap" if first <= mine < end else "malloc" if "[heap]" in line else ""
    elif line.startswith("VmFlags:") and " hg" in line and name:
        print(name)' | sort | uniq | paste -sd' '
}

@test "hugepages: what malloc() and mmap() give asks for them, and only then" {
	[[ -z $(asking env) ]]
	[[ $(asking with_hugepages) == 'malloc mmap' ]]
}

@test "hugepages: a compiler works as before, and the library is built once" {
	echo 'int answer(void) { return 42; }' > "$COPY/a.c"
	(cd "$COPY" && gcc -O2 -c -o plain.o a.c && with_hugepages gcc -O2 -c -o huge.o a.c)
	cmp "$COPY/plain.o" "$COPY/huge.o"
	library=$(ls "$VMGEN_CACHE"/tools/hugepages-*.so)
	touch -d 2000-01-01 "$library"
	with_hugepages true
	[[ $(stat -c %Y "$library") -lt 1000000000 ]]
	[[ $(find "$VMGEN_CACHE/tools" -type f) == "$library" ]]
}
