#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
#
# libvmgen where a process may open no device, but the driver sends a uevent.

load helpers

readonly ACTIVE=0 NOTIFY_ONLY=1 DENIED=3

# Nobody but root may open the device any more.
denied() {
	vm_restore "$1" "$FIXTURE/$2"
	vm_run "$1" 'genstat read > /dev/null && chmod 0600 /dev/vmgenctr'
}

save_spinning() {
	denied "parent-$1" "$1"
	in_background "parent-$1" spinning "guardstat -u 1000 $2"
	vm_save "parent-$1" "$BATS_TEST_TMPDIR/spin"
	vm_stop "parent-$1"
}

result() {
	background_output "$1" spinning > "$BATS_TEST_TMPDIR/$1"
	values "$BATS_TEST_TMPDIR/$1"
}

@test "notify: a process that may not open the device learns of a restore by its watch, once" {
	for mode in hypervisor software; do
		save_spinning $mode -w
		for clone in a b; do
			vm_restore $mode-$clone "$BATS_TEST_TMPDIR/spin"
			result $mode-$clone
			is "${G[changed]}" 1 "changed"
			is "${G[again]}" 0 "changed again"
			is "${G[reason]}" 2 "reason"
			is "${G[status]}" $NOTIFY_ONLY "status"
			is "${G[sync]}" -61 "vmgen_sync()"
		done
	done
}

# A uevent of our own making comes last, and is no change either.
@test "notify: no other uevent and no migration is a change" {
	denied parent hypervisor
	in_background parent spinning 'guardstat -u 1000 -f /run/go'
	vm_save parent "$BATS_TEST_TMPDIR/spin"
	VM_GUID=$(< "$VM_ROOT/parent/guid") vm_restore moved "$BATS_TEST_TMPDIR/spin"
	vm_run moved 'genstat read > /dev/null && cd /sys/class/misc/vmgenctr && echo change > uevent &&
		echo "change 01234567-89ab-cdef-0123-456789abcdef VMGENID=1" > uevent && > /run/go'
	result moved
	is "${G[changed]}" 0 "changed"
	is "${G[again]}" 0 "changed again"
	is "${G[status]}" $NOTIFY_ONLY "status"
}

@test "notify: a guard leaves the uevent to watches" {
	denied parent hypervisor
	in_background parent spinning 'guardstat -u 1000 -f /run/go'
	vm_save parent "$BATS_TEST_TMPDIR/spin"
	vm_restore clone "$BATS_TEST_TMPDIR/spin"
	vm_run clone 'genstat read > /dev/null && > /run/go'
	result clone
	is "${G[changed]}" 0 "changed"
	is "${G[status]}" $NOTIFY_ONLY "status"
}

@test "notify: the device is taken when the library is asked, as soon as it may be opened" {
	denied vm hypervisor
	is "$(vm_run vm 'guardstat -n -u 1000 | grep status')" status=$NOTIFY_ONLY "before"
	in_background vm spinning 'guardstat -n -u 1000 -f /run/go'
	vm_run vm 'chmod 0444 /dev/vmgenctr && > /run/go'
	result vm
	is "${G[changed]}" 1 "changed"
	is "${G[again]}" 0 "changed again"
	is "${G[status]}" $ACTIVE "status"
	is "${G[generation]}" "$(vm_generation vm)" "generation"
}

# Without the driver's class device no driver is known to send uevents.
@test "notify: nothing is promised where no driver is known to send it" {
	denied vm hypervisor
	vm_run vm 'umount -l /sys && guardstat -n -u 1000' | grep '=' > "$BATS_TEST_TMPDIR/now"
	values "$BATS_TEST_TMPDIR/now"
	is "${G[status]}" $DENIED "status"
}
