#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
#
# libvmgen on /dev/vmclock0, where the hypervisor fills its counter and there is no
# /dev/vmgenctr: our kernel without the node.  One that never had it: stock-kernel.bats.

load helpers

readonly ACTIVE=0 NOTIFY_ONLY=1
readonly VMCLOCK=2

# One saved machine for all tests: the node of vmgenctr is removed, its driver remains.
setup_file() {
	local VM_ROOT status=0

	vm_init
	save_clock || status=$?
	vm_cleanup
	return "$status"
}

save_clock() {
	vm_boot clock hypervisor -device vmclock
	vm_run clock 'test -c /dev/vmclock0' || return 0
	vm_run clock 'genstat read > /dev/null && rm /dev/vmgenctr'
	vm_save clock "$BATS_FILE_TMPDIR/clock"
	vm_check_log clock
}

clock() {
	[[ -e $BATS_FILE_TMPDIR/clock ]] || skip_vmclock
	vm_restore "$1" "$BATS_FILE_TMPDIR/clock"
}

# guardstat_after_restore NAME: what it says in a clone of a machine in which
# it spins, in G
guardstat_after_restore() {
	vm_restore "$1" "$BATS_TEST_TMPDIR/spin"
	background_output "$1" spinning > "$BATS_TEST_TMPDIR/$1"
	values "$BATS_TEST_TMPDIR/$1"
}

save_spinning() {
	clock parent
	in_background parent spinning "guardstat $*"
	vm_save parent "$BATS_TEST_TMPDIR/spin"
}

now() {
	vm_run "$1" "guardstat -n ${*:2}" | grep '=' > "$BATS_TEST_TMPDIR/now"
	values "$BATS_TEST_TMPDIR/now"
}

# What changes with every stream, a live migration included.
disruption_marker() {
	vm_run "$1" 'dd if=/dev/vmclock0 bs=8 skip=2 count=1 2> /dev/null | od -An -t x1'
}

@test "vmclock: is chosen where there is no /dev/vmgenctr" {
	clock vm
	now vm
	is "${G[status]}" $ACTIVE "status"
	is "${G[backend]}" $VMCLOCK "backend"
	is "${G[generation]}" "$(vm_generation vm)" "generation"
	is "${G[reseeded]}" 0 "that the kernel has reseeded, which nobody told"
	is "${G[instance]}" 00000000000000000000000000000000 "instance id"
}

@test "vmclock: a restored machine's first look sees the change" {
	local before

	save_spinning
	before=$(vm_generation parent)
	for name in a b; do
		guardstat_after_restore $name
		is "${G[changed]}" 1 "changed"
		is "${G[again]}" 0 "changed again"
		is "${G[reason]}" 2 "reason"
		is "${G[status]}" $ACTIVE "status"
		is "${G[backend]}" $VMCLOCK "backend"
		is "${G[generation]}" $((before + 1)) "generation"
	done
}

@test "vmclock: a live migration disrupts the clock, and is no change" {
	local before marker

	save_spinning
	before=$(vm_generation parent)
	vm_qmp parent '{"execute":"cont"}' > /dev/null
	marker=$(disruption_marker parent)
	VM_GUID=$(< "$VM_ROOT/parent/guid") guardstat_after_restore moved
	isnt "$(disruption_marker moved)" "$marker" "disruption marker"
	is "${G[changed]}" 0 "changed"
	is "${G[generation]}" "$before" "generation"
	is "${G[status]}" $ACTIVE "status"
	is "${G[backend]}" $VMCLOCK "backend"
}

@test "vmclock: a better device that may not be opened does not hide it" {
	clock vm
	vm_run vm 'mknod -m 0600 /dev/vmgenctr c 10 "$(awk "/vmgenctr/ { print \$1 }" /proc/misc)" &&
		chmod 0644 /dev/vmclock0'
	now vm -u 1000
	is "${G[status]}" $ACTIVE "status"
	is "${G[backend]}" $VMCLOCK "backend"
}

@test "vmclock: a clock without the counter is none" {
	[[ -e $BATS_FILE_TMPDIR/clock ]] || skip_vmclock
	vm_boot vm hypervisor -device vmclock,vm-generation-counter=off
	vm_run vm 'test -c /dev/vmclock0 && rm /dev/vmgenctr'
	now vm
	is "${G[status]}" $NOTIFY_ONLY "status"
	is "${G[sync]}" -61 "vmgen_sync()"
}

# The hypervisor goes on writing to the page, whoever is in charge of it.
@test "vmclock: a mapping outlives the driver, and goes on telling the truth" {
	local before

	clock parent
	before=$(vm_generation parent)
	in_background parent spinning guardstat
	vm_run parent 'cd /sys/bus/platform/drivers/vmclock && ls -d *:* > unbind && test ! -e /dev/vmclock0'
	vm_save parent "$BATS_TEST_TMPDIR/spin"
	guardstat_after_restore restored
	is "${G[changed]}" 1 "changed"
	is "${G[again]}" 0 "changed again"
	is "${G[status]}" $ACTIVE "status"
	is "${G[generation]}" $((before + 1)) "generation"
	now restored
	is "${G[status]}" $NOTIFY_ONLY "status of a process that comes later"
}

# What it was told, as one line.
told() {
	vm_run "$1" 'grep -E "^(generation|the counter|error)" /run/out | tr "\n" ";"'
}

# save_waiting: watchspan waits in a machine of generation 2, which is saved
save_waiting() {
	clock parent
	in_background parent watching watchspan
	is "$(told parent)" "" "what it was told before anything happened"
	vm_save parent "$BATS_TEST_TMPDIR/waiting"
}

# end NAME: of the waiter, which has said what it had to say
end() {
	vm_run "$1" 'killall watchspan; until test -e /run/status; do usleep 10000; done'
}

# How often the hypervisor has notified the guest of a change of the page.
notified() {
	vm_run "$1" 'awk "{ print \$1 }" /sys/firmware/acpi/interrupts/gpe08'
}

@test "vmclock: a waiter is told of a restore once" {
	save_waiting
	vm_restore clone "$BATS_TEST_TMPDIR/waiting"
	vm_run clone 'until grep -q generation /run/out; do usleep 10000; done'
	end clone
	is "$(told clone)" "generation $(vm_generation clone);" "what it was told"
	# One that comes after the restore has nothing to be told.
	in_background clone watching watchspan
	end clone
	is "$(told clone)" "" "what a later one was told"
}

# It wakes up, and sees that the generation is what it was.
@test "vmclock: a waiter is not told of a live migration, and of the restore after it" {
	local before

	save_waiting
	vm_qmp parent '{"execute":"cont"}' > /dev/null
	before=$(notified parent)
	vm_stop parent
	VM_GUID=$(< "$VM_ROOT/parent/guid") vm_restore moved "$BATS_TEST_TMPDIR/waiting"
	vm_run moved "until test \$(awk '{ print \$1 }' /sys/firmware/acpi/interrupts/gpe08) -gt $before; do usleep 10000; done"
	is "$(told moved)" "" "what it was told"
	vm_save moved "$BATS_TEST_TMPDIR/moved"
	vm_restore clone "$BATS_TEST_TMPDIR/moved"
	vm_run clone 'until grep -q generation /run/out; do usleep 10000; done'
	end clone
	is "$(told clone)" "generation $(vm_generation clone);" "what it was told"
}
