#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
#
# Programs that wait, each in its own way, were started before the snapshot.  In each
# clone each of them is woken, and told of the new generation once.

load helpers

# in_libvmgen DIR PROGRAM: build it, without what else there is
in_libvmgen() {
	make --no-print-directory -s -C "${LIBVMGEN:-$VM_TOP/libvmgen}/$1" \
		UAPI="$VM_TOP/kernel/include/uapi" BUILD="$BUILD" "$BUILD/$2" >&2
}

# One guest per mode, in which they wait; without liburing there is one less.
setup_file() {
	local with=()

	BUILD=$BATS_FILE_TMPDIR/build
	export LOOPS='watchspan epoll-loop'
	in_libvmgen . examples/epoll-loop
	with+=(--with "$BUILD/examples/epoll-loop:/bin/epoll-loop")
	if echo | gcc -include liburing.h -E - > /dev/null 2>&1; then
		in_libvmgen uring uring/examples/uring-loop
		with+=(--with "$BUILD/uring/examples/uring-loop:/bin/uring-loop")
		LOOPS+=' uring-loop'
	fi
	VMGEN_INITRAMFS=$("$BATS_TEST_DIRNAME/../harness/initramfs" "${with[@]}")
	export VMGEN_INITRAMFS
	vm_init
	save_waiting hypervisor
	save_waiting software
	vm_cleanup
}

save_waiting() {
	local program

	vm_boot "$1" "$1"
	for program in $LOOPS; do
		start "$1" "$program"
	done
	vm_save "$1" "$BATS_FILE_TMPDIR/$1"
	vm_check_log "$1"
	vm_stop "$1"
}

# start NAME PROGRAM [COMMAND]: return when it waits
start() {
	vm_run "$1" "( ${3:-$2} > /run/$2.out 2> /run/$2.err & echo \$! > /run/$2.pid
				wait \$!; echo \$? > /run/$2.status ) < /dev/null > /dev/null 2>&1 &
		until grep -qs watching /run/$2.out; do
			test ! -e /run/$2.status || { cat /run/$2.err; exit 1; }
			usleep 10000
		done"
}

# What it was told so far, as one line.
TOLD='grep -E "^(generation|the counter|error)" /run/$program.out | tr "\n" ";"'

# tell NAME WHAT: wait until each of them was told as many things, and it was that
tell() {
	local program things=${2//[^;]/}

	for program in $LOOPS; do
		is "$(vm_run "$1" "program=$program
			until test \$($TOLD | tr -dc ';' | wc -c) -ge ${#things}; do usleep 10000; done
			$TOLD")" "$2" "what $program was told in $1"
	done
}

# Tell it to end: what it has to tell by then it has told.
ended() {
	vm_run "$1" "kill \$(cat /run/$2.pid); until test -e /run/$2.status; do usleep 10000; done
		cat /run/$2.err; exit \$(cat /run/$2.status)"
}

# all_told NAME WHAT: nothing more and nothing less
all_told() {
	local program

	for program in $LOOPS; do
		ended "$1" "$program"
		is "$(vm_run "$1" "program=$program; $TOLD")" "$2" "what $program was told in $1"
	done
}

# clones MODE: two of one snapshot, which were told that they are in generation 2
clones() {
	vm_restore a "$BATS_FILE_TMPDIR/$1"
	vm_restore b "$BATS_FILE_TMPDIR/$1"
	tell a 'generation 2;'
	tell b 'generation 2;'
}

# Of the callbacks: both, in order, and once.
callbacks() {
	vm_run "$1" 'cut -d" " -f1,2 /run/watchspan.out | tr "\n" ";"'
}

random_of() {
	vm_run "$1" "sed -n 's/^$2 .*random=//p' /run/watchspan.out"
}

woken_once() {
	clones "$1"
	for clone in a b; do
		is "$(callbacks $clone)" 'watching;first 2;second 2;generation 2;' "callbacks in $clone"
		all_told $clone 'generation 2;'
	done
}

@test "watch: a restore wakes whoever waits in each clone, once" {
	woken_once hypervisor
}

@test "watch: the same in software mode" {
	woken_once software
}

# The first bytes that a callback draws: before, the kernel has reseeded.
@test "watch: callbacks run when the kernel is ready" {
	for mode in hypervisor software; do
		clones $mode
		isnt "$(random_of a first)" "$(random_of b first)" "getrandom() in callbacks"
		vm_stop_all
		rm -rf "$VM_ROOT"/{a,b}
	done
}

@test "watch: io_uring is among them" {
	[[ $LOOPS == *uring-loop* ]] || skip "no liburing here (liburing-dev)"
	vm_restore a "$BATS_FILE_TMPDIR/hypervisor"
	LOOPS=uring-loop tell a 'generation 2;'
}

# The guest is notified of a migration, too, and the uevent of our own making is behind
# whatever that amounts to.
@test "watch: nobody is told when the machine has only moved" {
	vm_restore a "$BATS_FILE_TMPDIR/hypervisor"
	tell a 'generation 2;'
	vm_save a "$BATS_TEST_TMPDIR/moving"
	VM_GUID=$(< "$VM_ROOT/a/guid")
	vm_stop a
	VM_GUID=$VM_GUID vm_restore moved "$BATS_TEST_TMPDIR/moving"
	genstat moved read
	is "${G[read.generation]}" 2 "generation"
	all_told moved 'generation 2;'
}

# LOOPS of a clone of FILE are told WHAT, once; if it has only moved, nothing.
told_in_clone() {
	vm_restore clone "$1"
	tell clone "$2"
	all_told clone "$2"
	VM_GUID=$(< "$VM_ROOT/parent/guid") vm_restore moved "$1"
	vm_run moved 'genstat status > /dev/null; echo add > /sys/class/misc/vmgenctr/uevent'
	all_told moved ''
}

@test "watch: who may not open the device is told by the uevent, once" {
	vm_restore parent "$BATS_FILE_TMPDIR/hypervisor"
	tell parent 'generation 2;'
	vm_run parent 'chmod 0600 /dev/vmgenctr'
	start parent denied 'watchspan 1000'
	vm_save parent "$BATS_TEST_TMPDIR/denied"
	LOOPS=denied told_in_clone "$BATS_TEST_TMPDIR/denied" 'generation 0;'
}

# This device notifies of a migration, too, and watches are readable for nothing.
@test "watch: on /dev/vmclock0, a restore and nothing else is told, once" {
	vm_boot parent hypervisor -device vmclock
	vm_run parent 'test -c /dev/vmclock0' || skip_vmclock
	vm_run parent 'genstat read > /dev/null && rm /dev/vmgenctr'
	start parent vmclock watchspan
	vm_save parent "$BATS_TEST_TMPDIR/vmclock"
	LOOPS=vmclock told_in_clone "$BATS_TEST_TMPDIR/vmclock" 'generation 2;'
}

@test "watch: a sealed process, which may only read(), finds a change" {
	vm_restore parent "$BATS_FILE_TMPDIR/software"
	tell parent 'generation 2;'
	start parent sealed 'watchspan sealed'
	vm_save parent "$BATS_TEST_TMPDIR/sealed"
	vm_restore clone "$BATS_TEST_TMPDIR/sealed"
	LOOPS=sealed tell clone 'generation 3;'
	is "$(vm_run clone 'until test -e /run/sealed.status; do usleep 10000; done
		cat /run/sealed.status')" 0 "its exit status"
}

# driver NAME unbind|bind
driver() {
	vm_run "$1" 'cd /sys/bus/platform/drivers/vmgenid
		test -e /run/device || for device in *; do
			test ! -e $device/driver || echo $device > /run/device
		done
		cat /run/device > '"$2"
}

# What comes back is a change, under a new number where the driver counts itself.
gone_and_back() {
	local back=$((2 + $2)) next=$((3 + $2)) told

	vm_restore a "$BATS_FILE_TMPDIR/$1"
	tell a 'generation 2;'
	driver a unbind
	told='generation 2;the counter has gone;'
	tell a "$told"
	driver a bind
	told+="generation $back;"
	tell a "$told"
	vm_save a "$BATS_TEST_TMPDIR/back"
	vm_stop a
	vm_restore b "$BATS_TEST_TMPDIR/back"
	told+="generation $next;"
	tell b "$told"
	all_told b "$told"
}

@test "watch: the driver goes and comes back under whoever waits" {
	gone_and_back hypervisor 0
}

@test "watch: the same in software mode, where that is a new generation" {
	gone_and_back software 1
}
