#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# A real guest is stopped, its notes and its memory are kept, it goes on, and its core
# tells what ran at that instant: to gdb, crash and drgn as they are.  The core is written
# by core-cat; the view shows the same bytes.
#
# Environment: CORE_CAT       the program [build/core-cat]
#              VMFORK_KERNEL  a kernel with vmlinux [scripts/build kernel --config cloud]

bats_require_minimum_version 1.5.0
. "$BATS_TEST_DIRNAME/../../../selftests/harness/vm.bash"

# As QEMU has it for a PC with 256 MiB: the hole of the VGA, nothing else.
RANGES=(0:0:0xa0000 0xc0000:0xc0000:0xff40000)
SIZE=$((256 << 20))

# freeze NAME [QEMU-ARG...]: notes, ram and core in $DIR/NAME, of a guest that went on
# without the task that its core names.
freeze() {
	local name=$1 dir=$DIR/$1 pid

	shift
	mkdir "$dir"
	vm_boot "$name" default -device vmcoreinfo \
		-object "memory-backend-file,id=ram,size=256M,mem-path=$dir/live,share=on" \
		-machine memory-backend=ram "$@"
	pid=$(vm_run "$name" "sh -c 'echo $TASK > /proc/\$\$/comm; while :; do :; done' > /dev/null 2>&1 & echo \$!")
	# Another for the other vCPU: crash 8.0.6 stops at one that is idle, as it does with
	# QEMU's own dumps (9.0.2 does not).
	vm_run "$name" "sh -c 'while :; do :; done' > /dev/null 2>&1 &"
	vm_run "$name" "until grep -qx $TASK /proc/$pid/comm; do :; done"
	vm_qmp "$name" '{"execute":"stop"}' "{\"execute\":\"dump-guest-memory\",\"arguments\":
		{\"paging\":false,\"protocol\":\"file:$dir/notes\",\"begin\":0,\"length\":4096}}" > /dev/null
	cp --sparse=always "$dir/live" "$dir/ram"
	vm_qmp "$name" '{"execute":"cont"}' > /dev/null
	vm_run "$name" "kill -9 $pid; while grep -qx $TASK /proc/*/comm; do :; done"
	vm_stop "$name"
	"${CORE_CAT:-$BATS_TEST_DIRNAME/../build/core-cat}" "$dir/notes" "$dir/ram" "$dir/core" "${RANGES[@]}"
}

setup_file() {
	VMGEN_KERNEL=${VMFORK_KERNEL:-$("$VM_TOP/scripts/build" kernel --config cloud)}
	vm_prepare
	export DIR=$BATS_FILE_TMPDIR TASK=frozen-$RANDOM VM_MEMORY=256 VM_SMP=2
	vm_init
	export VM_ROOT
	freeze guest
}

teardown_file() {
	vm_cleanup
}

vmlinux() {
	[[ -s $VMGEN_KERNEL/vmlinux ]] || skip "there is no vmlinux in $VMGEN_KERNEL"
	VMLINUX=$VMGEN_KERNEL/vmlinux
}

tool() {
	command -v "$1" > /dev/null || skip "$1 is not installed: package $2"
}

# named OUTPUT: it has the task, and init's first child
named() {
	[[ $1 == *"$TASK"* && $1 == *kthreadd* ]] || { echo "not there: $TASK in: $1" >&2; return 1; }
}

# The kernel is not where it was linked to.
offset() {
	echo "0x$(strings -n 12 "$1" | sed -n 's/^KERNELOFFSET=//p;T;q')"
}

core_gdb() {
	local core=$1

	shift
	gdb -nx -batch -ex "target core $core" -ex "symbol-file -o $(offset "$core") $VMLINUX" "$@"
}

@test "core: its size is that of the memory, and holes stay holes" {
	local core=$DIR/guest/core ram=$DIR/guest/ram

	(($(stat -c %s "$core") > SIZE && $(stat -c %s "$core") < SIZE + 1024 * 1024))
	(($(stat -c %b "$core") < $(stat -c %b "$ram") + 2048 && $(stat -c %b "$core") * 512 < SIZE))
}

@test "core: readelf finds nothing wrong" {
	local said

	tool readelf binutils
	said=$(readelf -hlnW "$DIR/guest/core" 2>&1 > /dev/null)
	[[ ! $said ]] || { echo "$said" >&2; return 1; }
	readelf -nW "$DIR/guest/core" | grep -c 'NT_PRSTATUS' | grep -qx 2
	readelf -nW "$DIR/guest/core" | grep VMCOREINFO
}

@test "core: gdb lists the tasks of the frozen instant, with the address as the guest has it" {
	local said

	tool gdb gdb
	vmlinux
	said=$(core_gdb "$DIR/guest/core" -x "$BATS_TEST_DIRNAME/core-tasks.gdb")
	named "$said"
	said=$(core_gdb "$DIR/guest/core" -ex 'info threads' -ex 'printf "%s", linux_banner')
	[[ $said == *"LWP 1"* && $said == *"LWP 2"* && $said == *"Linux version"* ]]
}

@test "core: gdb has physical memory at an address of its own, and none at 0" {
	local said

	tool gdb gdb
	said=$(gdb -nx -batch -ex "target core $DIR/guest/core" -ex 'x/8xb 0x40000000000ffff0' 2>&1)
	[[ ${said##*:} == *"$(xxd -p -s 0xffff0 -l 8 "$DIR/guest/ram" | sed 's/../\t0x&/g')"* ]] ||
		{ echo "$said" >&2; return 1; }
	said=$(gdb -nx -batch -ex "target core $DIR/guest/core" -ex 'x/8xb 0' 2>&1) || :
	[[ $said == *"Cannot access memory"* ]]
}

@test "core: crash lists the tasks of the frozen instant" {
	local crash options=() said

	vmlinux
	crash=$("$BATS_TEST_DIRNAME/../test/core-crash") || skip "no crash could be had"
	# A kernel without modules, and newer than that crash: it says so itself.
	grep -q '^CONFIG_MODULES=y' "$VMGEN_KERNEL/config" || options+=(--no_modules)
	options+=(--no_kmem_cache)
	echo 'ps' > "$BATS_TEST_TMPDIR/commands"
	echo 'quit' >> "$BATS_TEST_TMPDIR/commands"
	said=$("$crash" -s --no_scroll "${options[@]}" -i "$BATS_TEST_TMPDIR/commands" "$VMLINUX" "$DIR/guest/core" < /dev/null 2>&1) ||
		[[ $said != *"crash: read of stack at"* ]] || skip "this crash stops at an idle vCPU"
	named "$said"
	grep -E "^> .* $TASK" <<< "$said"
}

drgn_tasks() {
	tool drgn python3-drgn
	cat > "$BATS_TEST_TMPDIR/tasks" <<- 'END'
		from drgn.helpers.linux.pid import for_each_task
		for task in for_each_task(prog):
		    print(task.pid.value_(), task.comm.string_().decode())
	END
	drgn -q -c "$1" -s "$VMLINUX" "$BATS_TEST_TMPDIR/tasks" 2>&1
}

@test "core: drgn lists the tasks of the frozen instant" {
	vmlinux
	tool drgn python3-drgn
	named "$(drgn_tasks "$DIR/guest/core")"
}

@test "core: the same for a guest with page tables of five levels" {
	vmlinux
	freeze wide -cpu qemu64,la57=on
	readelf -lW "$DIR/wide/core" | grep -E 'LOAD .* 0xff[01]'
	! command -v gdb > /dev/null ||
		named "$(core_gdb "$DIR/wide/core" -x "$BATS_TEST_DIRNAME/core-tasks.gdb")"
	! command -v drgn > /dev/null || named "$(drgn_tasks "$DIR/wide/core")"
}

@test "core: notes that are cut are refused with a message" {
	head -c 1000 "$DIR/guest/notes" > "$BATS_TEST_TMPDIR/notes"
	run -1 "${CORE_CAT:-$BATS_TEST_DIRNAME/../build/core-cat}" "$BATS_TEST_TMPDIR/notes" \
		"$DIR/guest/ram" "$BATS_TEST_TMPDIR/core" "${RANGES[@]}"
	[[ $output == *"no core of"*"Bad message"* ]]
}
