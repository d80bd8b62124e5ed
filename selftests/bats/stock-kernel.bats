#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# A kernel without our series, under a QEMU that has it: the counter is on /dev/vmclock0,
# whose driver is Linux's own, and libvmgen takes it from there.

load helpers

# One saved machine for all tests.
setup_file() {
	local VM_ROOT status=0

	: "${VMGEN_STOCK_KERNEL:=$("$BATS_TEST_DIRNAME/../../scripts/build" kernel --stock)}"
	export VMGEN_KERNEL=$VMGEN_STOCK_KERNEL
	vm_init
	save_stock || status=$?
	vm_cleanup
	return "$status"
}

save_stock() {
	! grep VMGENCTR "$VMGEN_KERNEL/config" || return
	vm_boot stock hypervisor -device vmclock
	vm_run stock 'test -c /dev/vmclock0 && ! grep vmgenctr /proc/misc'
	vm_save stock "$BATS_FILE_TMPDIR/stock"
	vm_check_log stock
}

stock() {
	vm_restore "$1" "$BATS_FILE_TMPDIR/stock" "${@:2}"
}

# field NAME OFFSET: 64 bits of the page, by read()
field() {
	vm_run "$1" "dd if=/dev/vmclock0 bs=8 skip=$(($2 / 8)) count=1 2> /dev/null" | od -An -td8 | tr -d ' '
}

disruption_marker() {
	field "$1" 0x10
}

# sees NAME GENERATION: by read(), and by libvmgen's mapping
sees() {
	local said

	is $(($(field "$1" 0x18) >> 8 & 1)) 1 "flag that there is a counter"
	is "$(field "$1" 0x68)" "$2" "counter"
	said=$(vm_run "$1" 'vmgen status --json')
	is "$(jq -r .status <<< "$said")" ACTIVE "status"
	is "$(jq -r .backend <<< "$said")" vmclock "backend"
	is "$(jq -r .generation <<< "$said")" "$2" "generation"
}

still_waits() {
	vm_run "$1" 'test ! -e /run/status'
}

# notified NAME: how often
notified() {
	vm_run "$1" "awk '{ print \$1 }' /sys/firmware/acpi/interrupts/gpe08"
}

@test "stock kernel: a restore wakes who waits in poll(), and shows the next generation" {
	stock parent
	sees parent 2
	waiting parent 'vmgen wait'
	vm_save parent "$BATS_TEST_TMPDIR/waiting"
	for name in a b; do
		vm_restore $name "$BATS_TEST_TMPDIR/waiting"
		output $name
		sees $name 3
	done
}

# Who waits is woken by it, too, and goes on waiting.
@test "stock kernel: a live migration disrupts the clock and is no change; a copy is one" {
	local before marker

	stock source
	waiting source 'vmgen wait'
	before=$(notified source) marker=$(disruption_marker source)
	VM_GUID=$(< "$VM_ROOT/source/guid") vm_move source target
	while (($(notified target) == before)); do :; done
	isnt "$(disruption_marker target)" "$marker" "disruption marker"
	sees target 2
	still_waits target
	vm_move target copy
	output copy
	sees copy 3
}

@test "stock kernel: each loadvm wakes who waited, and shows another generation" {
	local disk=$BATS_TEST_TMPDIR/state.qcow2

	vm_disk "$disk"
	stock vm -drive "if=none,format=qcow2,file=$disk"
	waiting vm 'vmgen wait'
	vm_savevm vm tag
	for load in 1 2 3; do
		vm_loadvm vm tag
		output vm
		sees vm $((2 + load))
	done
}
