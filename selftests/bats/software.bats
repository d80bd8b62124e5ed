#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
#
# counter=off, which is also what every VMM with plain VMGenID looks like: the page
# lags by the latency of the notification, read() does not.

load helpers

masked_clone() {
	vm_restore parent "$FIXTURE/software"
	mask_notification parent
	vm_save parent "$BATS_TEST_TMPDIR/masked"
	vm_stop parent
	vm_restore clone "$BATS_TEST_TMPDIR/masked"
}

@test "software mode: read() finds the change, the page follows" {
	masked_clone
	genstat clone page read page status
	is "${G[read.generation]}" 3 "read()"
	is "${G[read.hypervisor]}" 0 "hypervisor flag of read()"
	is "${G[page.generation]}" 3 "page after read()"
	is "${G[status.generation]}" 3 "ready generation"
}

@test "software mode: the page shows the old generation until then" {
	masked_clone
	genstat clone page
	is "${G[page.generation]}" 2 "page"
}

@test "software mode: a notification that comes after read() changes nothing" {
	masked_clone
	genstat clone read
	local before=${G[read.instance]}

	unmask_notification clone
	# The parent's was the first, the one that was held back is the second.
	vm_run clone 'until test "$(awk "{ print \$1 }" /sys/firmware/acpi/interrupts/gpe05)" -ge 2; do usleep 1000; done'
	genstat clone page status read
	is "${G[page.generation]}" 3 "page"
	is "${G[status.generation]}" 3 "ready generation"
	is "${G[read.generation]}" 3 "read()"
	is "${G[read.instance]}" "$before" "instance id"
}

@test "software mode: the notification is enough for the page" {
	vm_restore clone "$FIXTURE/software"
	vm_run clone 'until genstat page | grep -q page.generation=2; do usleep 1000; done'
	genstat clone status
	is "${G[status.generation]}" 2 "ready generation"
}

@test "software mode: QEMU reports no generation" {
	vm_restore clone "$FIXTURE/software"
	is "$(vm_qmp clone '{"execute":"query-vm-generation-id"}' | jq '.generation // "none"')" '"none"' "generation"
}
