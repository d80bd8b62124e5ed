#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck disable=SC2016,SC2030,SC2031 # the guest's shell expands; tests have variables of their own
#
# G1: no instruction of a restored VM runs before the page holds the new generation.

load helpers

@test "G1: the page holds the new generation before any virtual CPU runs" {
	VM_PAUSED=1 vm_restore clone "$FIXTURE/hypervisor"
	is "$(vm_qmp clone '{"execute":"query-status"}' | jq -r .running)" false "running"
	is "$(vm_generation clone)" 2 "generation in guest memory"
	is "$(vm_qmp clone '{"execute":"query-vm-generation-id"}' | jq .generation)" 2 "generation that QEMU reports"

	vm_qmp clone '{"execute":"cont"}' > /dev/null
	genstat clone page
	is "${G[page.generation]}" 2 "generation that the guest sees"
	is "${G[page.hypervisor]}" 1 "hypervisor flag"
	[[ ${G[page.seq]} == *[02468] ]]
}

# The program loops over: which VM is this, what is the generation?  Interrupted by
# the snapshot at some instruction, at another one each time.  The notification is
# masked, because otherwise its interrupt, and the kernel with it, would run first.
@test "G1: a program that was running when the snapshot was taken never sees the old generation" {
	local vm generation count

	vm_restore spin "$FIXTURE/hypervisor"
	mask_notification spin
	in_background spin spinning "snapspin page 64"
	for point in 1 2 3; do
		vm_save spin "$BATS_TEST_TMPDIR/spin"
		count=0
		while read -r vm generation; do
			isnt "$vm" 1 "number of the VM"
			is "$generation" 3 "generation of sample $count after snapshot $point"
			count=$((count + 1))
		done < <(samples_of "clone$point")
		is "$count" 64 "number of samples"
		vm_qmp spin '{"execute":"cont"}' > /dev/null
	done
}

@test "G1: nor does one on another virtual CPU" {
	export VMGEN_ACCEL=tcg,thread=multi

	VM_SMP=2 vm_boot spin hypervisor
	in_background spin started '{ for cpu in 0 1; do
			taskset $((1 << cpu)) snapspin page 32 > /run/$cpu &
		done
		until grep -q spinning /run/0 && grep -q spinning /run/1; do usleep 1000; done
		echo started
		wait
		cat /run/0 /run/1; }'
	vm_save spin "$BATS_TEST_TMPDIR/spin"
	samples_of clone started | grep -v spinning > "$BATS_TEST_TMPDIR/samples"
	is "$(wc -l < "$BATS_TEST_TMPDIR/samples")" 64 "number of samples"
	is "$(cut -d' ' -f2 "$BATS_TEST_TMPDIR/samples" | sort -u)" 2 "generations that were seen"
}

# A machine that was saved while it ran goes on as soon as it is loaded, before anybody
# outside could have told it to.
@test "G1: nor does one that goes on by itself" {
	vm_restore spin "$FIXTURE/hypervisor"
	mask_notification spin
	in_background spin spinning "snapspin page 64"
	vm_migrate spin "file:$BATS_TEST_TMPDIR/spin"
	cp "$VM_ROOT/spin/machine" "$BATS_TEST_TMPDIR/spin.machine"
	VM_AUTOSTART=1 samples_of clone > "$BATS_TEST_TMPDIR/samples"
	is "$(wc -l < "$BATS_TEST_TMPDIR/samples")" 64 "number of samples"
	is "$(cut -d' ' -f2 "$BATS_TEST_TMPDIR/samples" | sort -u)" 3 "generations that were seen"
}

# What vmclock says, seen from the host.
clock_generation() {
	vm_memory "$1" 0xfeffb068 8 | od -An -td8 | tr -d ' '
}

@test "G1: a machine that starts has both pages before its first instruction" {
	VM_PAUSED=1 vm_boot vm hypervisor -device vmclock
	[[ $(vm_hmp vm 'info registers') == *EIP=0000fff0*'CS =f000 ffff0000'* ]]
	is "$(vm_generation vm)" 1 "generation"
	is "$(clock_generation vm)" 1 "generation of vmclock"
	vm_await_agent vm '{"execute":"cont"}'
	genstat vm page
	is "${G[page.generation]}" 1 "generation that the guest sees"
	is "$(clock_generation vm)" 1 "generation of vmclock, when it runs"
}

# Software mode has such a window, and without a notification it stays open: this is
# what the test above would see if the guarantee did not hold.
@test "G1: the program above sees the old generation where there is no guarantee" {
	MASKED=1 spin_across software page 64
	samples_of clone > "$BATS_TEST_TMPDIR/samples"
	is "$(cut -d' ' -f2 "$BATS_TEST_TMPDIR/samples" | sort -u)" 2 "generations that were seen"
}
