#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The machine type microvm: its generic event device notifies the guest, because it has
# no general purpose events.

load helpers

# It has one serial port and no timer that Linux could measure an emulated TSC with.
# The firmware that comes with QEMU may be qboot, which stops at vmgenid's table.
setup() {
	vm_init
	export VM_MACHINE=microvm VM_APPEND="tsc=reliable tsc_early_khz=1000000 lpj=4000000"
	MICROVM=(-cpu max -bios /usr/share/seabios/bios-microvm.bin
		-device "isa-serial,iobase=0x2f8,irq=3,chardev=agent")
}

# How often the event device has interrupted
events() {
	vm_run "$1" "awk '/ACPI:Ged/ { print \$2 }' /proc/interrupts"
}

@test "microvm: a copy is told, a machine that has moved is not" {
	vm_boot vm hypervisor "${MICROVM[@]}"
	genstat vm page read
	is "${G[page.hypervisor]}" 1 "page"
	is "${G[read.generation]}" 1 "generation"
	vm_save vm "$VM_ROOT/saved"

	VM_GUID=$(< "$VM_ROOT/vm/guid") vm_restore moved "$VM_ROOT/saved"
	genstat moved page read
	is "${G[page.generation]}" 1 "page of the machine that has moved"
	is "${G[read.generation]}" 1 "read() there"
	is "$(events moved)" 0 "notifications there"

	vm_restore copy "$VM_ROOT/saved"
	is "$(vm_generation copy)" 2 "page of the copy"
	# Nobody asks the driver: it has been told.
	vm_run copy 'until genstat status | grep -q status.generation=2; do usleep 10000; done'
	is "$(events copy)" 1 "notifications there"
}
