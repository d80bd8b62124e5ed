#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The uevent: once per change, when the kernel is ready.

load helpers

# Once read() has returned, the uevent of the clone's own change is out.
save_listener() {
	vm_restore "parent-$1" "$FIXTURE/$1"
	genstat "parent-$1" read
	is "${G[read.generation]}" 2 "generation of the parent"
	in_background "parent-$1" listening ueventwatch
	vm_save "parent-$1" "$BATS_TEST_TMPDIR/listening"
	vm_stop "parent-$1"
}

# A uevent of our own making comes last: all others have been delivered then.
vmgenctr_uevents() {
	vm_run "$1" 'echo add > /sys/class/misc/vmgenctr/uevent
		until grep -q "^add@.*/vmgenctr" /run/out; do usleep 1000; done
		grep "^change@.*/vmgenctr" /run/out' || :
}

@test "uevent: one for a restore, with the generation, when the kernel is ready for it" {
	local event

	for mode in hypervisor software; do
		save_listener $mode
		vm_restore $mode "$BATS_TEST_TMPDIR/listening"
		vm_run $mode 'until grep -q NEW_VMGENID /run/out; do usleep 1000; done'
		genstat $mode status read
		is "${G[status.generation]}" 3 "ready generation"
		event=$(vmgenctr_uevents $mode)
		is "$(lines_matching . "$event")" 1 "number of uevents"
		for field in ACTION=change DEVNAME=vmgenctr NEW_VMGENID=1 VMGENCTR_GENERATION=3; do
			[[ " $event " == *" $field "* ]]
		done
	done
}

# The guest is notified of a migration, too, but nothing has changed.
@test "uevent: none when the machine has only moved" {
	save_listener hypervisor
	VM_GUID=$(< "$VM_ROOT/parent-hypervisor/guid") vm_restore moved "$BATS_TEST_TMPDIR/listening"
	genstat moved read
	is "${G[read.generation]}" 2 "generation"
	is "$(vmgenctr_uevents moved)" "" "uevents"
}
