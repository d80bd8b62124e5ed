#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The checker itself, without any view: memory of a machine that stands is whole, and that
# of one that runs is not.  The other files rest on it.

load helpers

# boot_shared NAME [QEMU-OPTION...]: of vm.bash, with its memory in a file
boot_shared() {
	local name=$1

	shift
	VM_SMP=2 VM_MACHINE=q35,memory-backend=ram VM_MEMORY=128 vm_boot "$name" hypervisor \
		-object "memory-backend-file,id=ram,size=128M,mem-path=$VM_ROOT/ram,share=on" "$@"
}

whole_when_stopped() {
	for _ in 1 2 3 4 5; do
		vm_qmp vm '{"execute":"stop"}' > /dev/null
		viewcheck pairs "$VM_ROOT/ram" "$@" || return
		vm_qmp vm '{"execute":"cont"}' > /dev/null
	done
}

@test "oracle: pairs of two processors are whole when they stand, and torn when they run" {
	boot_shared vm
	machine_pairs vm 1 2048
	whole_when_stopped 1 1 read
	! viewcheck pairs "$VM_ROOT/ram" 1 3 read || false
}

@test "oracle: pairs that a disk writes are whole when the machine stands, and torn when it runs" {
	sectors 4096 "$VM_ROOT/disk"
	boot_shared vm -blockdev "$(blockdev_of "$VM_ROOT/disk")" -device virtio-blk,drive=dma
	machine_pairs vm 1 64 /dev/vda
	whole_when_stopped 1 1 read
	! viewcheck pairs "$VM_ROOT/ram" 1 2000 read || false
}
