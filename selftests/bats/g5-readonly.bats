#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# G5: neither user space nor the guest kernel can change the generation page.  The
# mappings of /dev/vmgenctr are the kselftests' business; here the guest's kernel
# itself lends a hand, through /dev/mem.

load helpers

page_hash() {
	vm_memory "$1" "$VM_PAGE_ADDRESS" 4096 | sha256sum
}

@test "G5: what the guest writes to the physical page is dropped" {
	local before after

	vm_restore vm "$FIXTURE/hypervisor"
	before=$(page_hash vm)
	after=$(vm_run vm "physpoke $VM_PAGE_ADDRESS 0x5a")
	is "${after:0:14}" "bytes=564d4743" "what the guest reads back"
	is "$(page_hash vm)" "$before" "page as the host sees it"
	genstat vm page read
	is "${G[page.generation]}" 2 "page"
	is "${G[read.generation]}" 2 "read()"
}

@test "G5: the same program does change ordinary memory" {
	vm_restore vm "$FIXTURE/hypervisor"
	vm_run vm "physpoke 0x20000 0x5a"
	is "$(vm_memory vm 0x20000 4 | xxd -p)" 5a5a5a5a "memory as the host sees it"
}

@test "G5: a page that the guest tried to write is right in its clones" {
	vm_restore vm "$FIXTURE/hypervisor"
	vm_run vm "physpoke $VM_PAGE_ADDRESS 0xff"
	vm_save vm "$BATS_TEST_TMPDIR/written"
	VM_PAUSED=1 vm_restore clone "$BATS_TEST_TMPDIR/written"
	is "$(vm_generation clone)" 3 "generation"
}

@test "G5: a reboot finds the page as it was" {
	local before

	vm_restore vm "$FIXTURE/hypervisor"
	before=$(page_hash vm)
	vm_run vm "physpoke $VM_PAGE_ADDRESS 0xff"
	vm_reboot vm
	is "$(page_hash vm)" "$before" "page as the host sees it"
	genstat vm page
	is "${G[page.hypervisor]}" 1 "hypervisor flag"
}

@test "G5: the page is reserved in the guest's memory map" {
	vm_restore vm "$FIXTURE/hypervisor"
	vm_run vm 'dmesg' | grep -iE 'BIOS-e820: \[mem 0x0*feffa000-0x0*feff[ab]fff\].*reserved'
}
